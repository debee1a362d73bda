"""Help that can be read, and words that a shell completes: what users meet before they meet an error."""

import io
import os
import sys
from pathlib import Path

import pytest

from lockhouse import cli, process
from lockhouse.cli import COMMANDS
from support.project import SCRIPTS, Project


@pytest.fixture
def layered(tmp_path, environ):
    made = Project(tmp_path / "project", environ)
    for layer in ("docs", "dev", "main"):
        made.write(f"requirements/{layer}.in", "six\n")
    return made


def answered(project: Project, **variables: str) -> str:
    """Return what a shell is answered that asks through the environment, as click's scripts do."""
    environ = project.environ | variables
    # click writes bytes here, so the stream must be one that has some below.
    stdout, stderr = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with process.own_environment(environ):
        status = cli.run([], cwd=project.root, environ=environ, stdout=stdout, stderr=stderr)
    stdout.seek(0)
    said = stdout.read()
    assert (status, stderr.getvalue()) == (0, ""), said
    return said


def completed(project: Project, *words: str) -> list[str]:
    """Return what bash is offered for the last word."""
    line, place = " ".join(["lockhouse", *words]), str(len(words))
    said = answered(project, _LOCKHOUSE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=place)
    return [line.removeprefix("plain,") for line in said.splitlines() if line]


def test_the_commands_are_listed_in_the_order_of_use_each_with_a_whole_sentence(layered):
    lines = layered.call("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert tuple(line.split()[0] for line in lines) == COMMANDS
    assert all(line.endswith(".") and not line.endswith("..") for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_commands_help_has_an_example_an_exit_status_and_a_sentence_for_each_option(layered, name):
    done = layered.call(name, "--help")
    assert done.status == 0
    about, _, options = done.stdout.partition("\nOptions:\n")
    assert f"\n    lockhouse {name}" in about
    assert "Exit status" in about
    assert len(done.stdout.splitlines()) < 45
    assert max(map(len, done.stdout.splitlines())) <= 80
    for option in options.replace("\n  -", "\0-").replace("\n                ", " ").split("\0"):
        assert option.rstrip().endswith("."), option


@pytest.mark.parametrize(("word", "meant"), [("chek", "check"), ("locks", "lock"), ("wheelhuose", "wheelhouse")])
def test_a_command_that_does_not_exist_is_answered_with_the_nearest(layered, word, meant):
    done = layered.call(word)
    assert (done.status, done.stdout) == (2, "")
    assert f"there is no command {word!r}; did you mean {meant!r}?" in done.stderr


def test_a_command_that_is_near_none_is_answered_with_all(layered):
    assert f"the commands are: {', '.join(sorted(COMMANDS))}\n" in layered.call("xyzzy").stderr


def test_an_option_that_does_not_exist_is_answered_with_the_nearest(layered):
    assert "--locks-only" in layered.call("check", "--lock-only").stderr


def test_commands_and_options_are_completed(layered):
    assert completed(layered, "") == list(COMMANDS)
    assert completed(layered, "wh") == ["wheelhouse"]
    assert completed(layered, "check", "--lo") == ["--locks-only"]
    assert completed(layered, "--makefile", "ke") == ["key"]
    assert completed(layered, "nope", "--xyz") == []


def test_layers_are_completed_but_for_those_that_are_there_already(layered, tmp_path):
    assert completed(layered, "check", "") == ["dev", "docs", "main"]
    assert completed(layered, "install", "d") == ["dev", "docs"]
    assert completed(layered, "lock", "--upgrade", "dev", "d") == ["docs"]
    assert completed(layered, "diff", "--layer", "m") == ["main"]
    other = layered.write("elsewhere/requirements/other.in", "").parents[1]
    assert completed(layered, "-C", str(other), "check", "") == ["other"]


@pytest.mark.parametrize(
    "text", ["[tool.lockhouse]\nnope = 1\n", "no TOML at all", "x = " + "[" * 5000, "[tool.lockhouse]\nlayers = 1\n"]
)
def test_a_configuration_that_cannot_be_read_completes_to_nothing_without_a_word(layered, text):
    layered.write("pyproject.toml", text)
    assert completed(layered, "check", "") == []


def test_no_project_and_a_hostile_one_complete_to_nothing(layered, tmp_path, environ):
    assert completed(Project(tmp_path / "empty", environ), "check", "") == []
    layered.write("requirements/d\nplain,rm -rf.in", "six\n")
    assert completed(layered, "check", "d") == ["dev", "docs"]


def test_completing_reads_no_lock_and_imports_nothing_slow(layered):
    layered.write("requirements/main.txt", "???\n")
    assert completed(layered, "check", "ma") == ["main"]
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code += "sys.argv = ['lockhouse']; from lockhouse.cli import entry_point; entry_point()"
    variables = {"_LOCKHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": "lockhouse ", "COMP_CWORD": "1"}
    done = layered.execute(sys.executable, "-c", code, env=variables | {"PYTHONPATH": str(SCRIPTS)})
    assert "plain,wheelhouse" in done.stdout
    assert not {"pip", "piptools", "rich", "requests"} & set(done.stderr.split())


@pytest.mark.slow
def test_bash_itself_completes(layered):
    script = layered.write("bin/lockhouse", f'#!/bin/sh\nexec "{sys.executable}" -m lockhouse "$@"\n')
    script.chmod(0o755)
    variables = {"PYTHONPATH": str(SCRIPTS), "PATH": f"{script.parent}:{os.environ['PATH']}"}
    asked = 'eval "$(_LOCKHOUSE_COMPLETE=bash_source lockhouse)"; COMP_WORDS=(lockhouse check d); COMP_CWORD=2; '
    asked += '_lockhouse_completion lockhouse; echo "${COMPREPLY[@]}"'
    done = layered.execute("bash", "-ec", asked, env=variables)
    assert (done.status, done.stdout, done.stderr) == (0, "dev docs\n", ""), done


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_the_start_page_says_to_run_prints_a_script_for_that_shell(layered, shell):
    page = (Path(__file__).resolve().parents[1] / "docs/start.md").read_text(encoding="utf-8")
    assert f"_LOCKHOUSE_COMPLETE={shell}_source lockhouse" in page
    assert f"_LOCKHOUSE_COMPLETE={shell}_complete" in answered(layered, _LOCKHOUSE_COMPLETE=f"{shell}_source")


def test_zsh_and_fish_get_layers_too(layered):
    line = "lockhouse check d"
    zsh = answered(layered, _LOCKHOUSE_COMPLETE="zsh_complete", COMP_WORDS=line, COMP_CWORD="2")
    assert zsh.split() == ["plain", "dev", "_", "plain", "docs", "_"]
    fish = answered(layered, _LOCKHOUSE_COMPLETE="fish_complete", COMP_WORDS=line, COMP_CWORD="d")
    assert "dev" in fish
    assert "docs" in fish
    assert "main" not in fish
