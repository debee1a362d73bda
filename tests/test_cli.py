"""The command line: what goes where, and which exit status means what."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockhouse import __version__, cli
from support.project import SCRIPTS


def run(*argv: str, cwd: Path) -> tuple[int, str, str]:
    stdout, stderr = io.StringIO(), io.StringIO()
    status = cli.run(argv, cwd=cwd, environ={}, stdout=stdout, stderr=stderr)
    return status, stdout.getvalue(), stderr.getvalue()


def test_the_version_and_the_help_are_results(tmp_path):
    assert run("--version", cwd=tmp_path) == (0, f"lockhouse, version {__version__}\n", "")
    status, out, _ = run("--help", cwd=tmp_path)
    assert status == 0
    assert all(name in out for name in ("lock", "wheelhouse", "check", "install", "key"))


def test_the_makefile_option_names_the_include(tmp_path):
    status, out, _ = run("--makefile", cwd=tmp_path)
    assert status == 0
    assert Path(out.strip()).read_text(encoding="utf-8").startswith("# The Make targets of Lockhouse")


@pytest.mark.parametrize("argv", [("chek",), ("check", "--nope"), ("-C", "nowhere", "check"), ("check", "-C", "x"), ()])
def test_wrong_usage_is_exit_2(tmp_path, argv):
    status, out, err = run(*argv, cwd=tmp_path)
    assert status == 2
    assert not out
    assert "Usage:" in err


@pytest.mark.parametrize("argv", [("-C", "a/b", "check"), ("check", "-C", "a/b"), ("-C", "a", "check", "-C", "b")])
def test_the_directory_is_named_before_or_behind_the_command(tmp_path, argv):
    (tmp_path / "a" / "b" / "requirements").mkdir(parents=True)
    (tmp_path / "a" / "b" / "requirements" / "there.in").touch()
    status, out, _ = run(*argv, cwd=tmp_path)
    assert status == 1
    assert "requirements/there.txt: lock-missing: " in out


def test_a_directory_that_is_named_is_not_exchanged_for_one_above_it(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").touch()
    (tmp_path / "sub").mkdir()
    assert "lock-missing" in run("check", "--locks-only", cwd=tmp_path / "sub")[1], "unnamed, the one above counts"
    status, out, err = run("check", "-C", "sub", "--locks-only", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert "there is nothing to lock" in err


def test_an_empty_folder_is_told_how_to_begin(tmp_path):
    status, out, err = run("check", cwd=tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("error: requirements: there is nothing to lock")
    assert "hint: " in err


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n???\n", encoding="utf-8")
    status, _, err = run("check", cwd=tmp_path)
    assert status == 1
    assert "requirements/main.in:2: " in err


def test_an_unlocked_project_is_told_to_lock(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n", encoding="utf-8")
    for command in ("wheelhouse", "key"):
        status, _, err = run(command, cwd=tmp_path)
        assert status == 1
        assert "requirements/main.txt does not exist" in err
        assert "hint: run `lockhouse lock`" in err
    status, out, _ = run("check", "--locks-only", cwd=tmp_path)
    assert status == 1
    assert "requirements/main.txt: lock-missing: " in out


def test_a_lock_that_cannot_be_fetched_by_hash_is_said_before_anything_is_done(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n", encoding="utf-8")
    (tmp_path / "requirements" / "main.txt").write_text(
        "six>=1\nfoo @ git+https://code.example.com/f\n", encoding="utf-8"
    )
    for command in ("wheelhouse", "key"):
        status, out, err = run(command, cwd=tmp_path)
        assert status == 1
        assert "requirements/main.txt:1: pin-loose" in out
        assert "requirements/main.txt:2: pin-unlockable" in out
        assert "cannot be fetched by hash" in err
    assert not (tmp_path / "wheelhouse").exists()


def test_a_marker_that_cannot_be_evaluated_is_no_bug_of_ours(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six; os_name ~= '1'\n", encoding="utf-8")
    (tmp_path / "requirements" / "main.txt").write_text("", encoding="utf-8")
    status, _, err = run("check", cwd=tmp_path)
    assert status == 1
    assert "cannot be evaluated" in err


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_no_bug_of_ours(tmp_path, closed):
    code = f"import sys; sys.{closed} = None; sys.argv = ['lockhouse', '--version']; from lockhouse.cli import entry_point; entry_point()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SCRIPTS)}, cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_names_on_disk_cannot_speak_to_terminals_and_ci(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("", encoding="utf-8")
    (tmp_path / "requirements" / "main.txt").write_text("", encoding="utf-8")
    (tmp_path / "wheelhouse").mkdir()
    (tmp_path / "wheelhouse" / "x\n::error::owned\x1b]0;.txt").touch()
    status, out, _ = run("check", cwd=tmp_path)
    assert status == 1
    assert "wheelhouse/x\\x0a::error::owned\\x1b]0;.txt: wheel-extra" in out
    assert "\x1b" not in out


def test_a_folder_that_cannot_be_read_is_a_failure_not_a_traceback(tmp_path):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n", encoding="utf-8")
    (tmp_path / "requirements" / "main.txt").write_text("", encoding="utf-8")
    (tmp_path / "wheelhouse").write_text("a file", encoding="utf-8")
    status, _, err = run("wheelhouse", cwd=tmp_path)
    assert status == 1
    assert err.startswith("error: ")
    assert "Traceback" not in err


class Failing(io.StringIO):
    """A stream that answers every write with an exception."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def write(self, _: str) -> int:
        raise self.error


def run_into(error: BaseException, cwd: Path) -> tuple[int, str]:
    stderr = io.StringIO()
    return cli.run(["--makefile"], cwd=cwd, environ={}, stdout=Failing(error), stderr=stderr), stderr.getvalue()


def test_our_own_bug_is_exit_3_with_a_traceback(tmp_path):
    status, err = run_into(ZeroDivisionError("https://me:secret@pkgs.example.com/?sig=abc"), tmp_path)
    assert status == 3
    assert "ZeroDivisionError" in err
    assert "report it" in err
    assert "secret" not in err
    assert "abc" not in err


def test_an_interrupt_is_exit_130(tmp_path):
    assert run_into(KeyboardInterrupt(), tmp_path) == (130, "interrupted\n")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "lockhouse", "--help"],
        env={"PYTHONPATH": str(SCRIPTS)},
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_colour_is_for_terminals_that_want_it(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.in").write_text("six\n", encoding="utf-8")
    for environ, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        out = Terminal()
        cli.run(["check", "--locks-only"], cwd=tmp_path, environ=environ, stdout=out, stderr=io.StringIO())
        assert ("\x1b[" in out.getvalue()) is coloured


def test_the_module_runs_and_its_status_is_the_processs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lockhouse", "check"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    "line", ["demo=={}", "demo>={}", "demo ; python_version < '{}'", "demo @ https://pkgs.example.com/demo-{}.zip"]
)
def test_a_number_that_python_would_not_convert_is_an_error_with_its_line(tmp_path: Path, line: str):
    (tmp_path / "requirements").mkdir()
    for suffix in ("in", "txt"):
        (tmp_path / "requirements" / f"main.{suffix}").write_text(line.format("9" * 5000) + "\n", encoding="utf-8")
    status, _, err = run("check", "--locks-only", cwd=tmp_path)
    assert status == 1
    assert "requirements/main." in err
    assert "a number of more than 1000 digits" in err
    assert "bug" not in err
