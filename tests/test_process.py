"""The subprocess door: nothing is inherited unasked, and a failure keeps what was said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockhouse import process
from lockhouse.errors import ProcessError


def test_both_streams_are_kept(tmp_path):
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    assert process.run([sys.executable, "-c", code], cwd=tmp_path, environ={}) == process.Completed(0, "out\n", "err\n")


def test_a_chatty_program_does_not_block(tmp_path):
    code = "import sys; sys.stderr.write('e' * 1000000); sys.stdout.write('o' * 1000000)"
    done = process.run([sys.executable, "-c", code], cwd=tmp_path, environ={})
    assert (len(done.stdout), len(done.stderr)) == (1_000_000, 1_000_000)


def test_a_failure_tells_command_status_and_output(tmp_path):
    code = "import sys; print('why', file=sys.stderr); sys.exit(7)"
    with pytest.raises(ProcessError, match="failed with exit status 7") as caught:
        process.run([sys.executable, "-c", code], cwd=tmp_path, environ={})
    assert caught.value.argv[:2] == (sys.executable, "-c")
    assert (caught.value.returncode, caught.value.stderr) == (7, "why\n")
    assert process.run([sys.executable, "-c", code], cwd=tmp_path, environ={}, check=False).returncode == 7


def test_bytes_are_handed_back_as_they_are_and_text_with_plain_line_ends(tmp_path):
    code = r"import sys; sys.stdout.buffer.write(b'\xff\r\n')"
    assert process.output([sys.executable, "-c", code], cwd=tmp_path, environ={}) == b"\xff\r\n"
    assert process.run([sys.executable, "-c", code], cwd=tmp_path, environ={}).stdout == "\ufffd\n"
    with pytest.raises(ProcessError, match="failed with exit status 7"):
        process.output([sys.executable, "-c", "raise SystemExit(7)"], cwd=tmp_path, environ={})


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ProcessError, match=r"cannot run .*nothing-here"):
        process.run([tmp_path / "nothing-here"], cwd=tmp_path, environ={})


def test_only_the_given_environment_and_no_input_reach_the_program(tmp_path):
    code = "import os, sys; print(sorted(set(os.environ) - {'LC_CTYPE'}), sys.stdin.read())"
    assert process.run([sys.executable, "-c", code], cwd=tmp_path, environ={"A": "1"}).stdout == "['A'] \n"


def test_variables_are_left_out_by_prefix():
    environ = {"PIP_X": "", "pip_y": "", "UV_Z": "", "PATH": "p"}
    assert process.without(environ, "PIP_", "UV_") == {"PATH": "p"}


def test_what_ties_to_one_repository_is_what_git_says_it_is():
    said = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    # The user's own way to configure git from outside, credentials and mirrors among it.
    local = set(said.stdout.split()) - {"GIT_CONFIG_COUNT"}
    kept = {"PATH": "p", "GIT_SSH_COMMAND": "ssh -i key", "GIT_CONFIG_COUNT": "0", "GIT_ASKPASS": "ask"}
    assert "GIT_INDEX_FILE" in local
    assert process.outside_repository(dict.fromkeys(local, "x") | kept) == kept


def test_the_processs_own_environment_comes_back(tmp_path: Path):
    before = dict(os.environ)
    with process.own_environment({"ONLY": "this"}):
        assert dict(os.environ) == {"ONLY": "this"}
    with process.own_environment(os.environ):
        assert dict(os.environ) == before
    assert dict(os.environ) == before
