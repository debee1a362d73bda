"""What the README says holds: its commands run, and its tables are those of the code."""

import re
import zipfile
from pathlib import Path

import click
import pytest

from lockhouse.cli import COMMANDS, cli
from lockhouse.config import KEYS
from lockhouse.rules import RULES
from support.venvs import installed
from support.wheels import build_pip_wheel, build_wheel

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(heading: str, text: str = README) -> list[list[str]]:
    section = text.partition(f"\n{heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_commands_for_ones_own_project_run_as_they_stand(user):
    (block,) = [block for block in blocks("sh") if "lockhouse lock" in block]
    done = user.execute("bash", "-euxo", "pipefail", "-c", block)
    assert done.status == 0, done
    assert "wheelhouse/six-1.17.0-py3-none-any.whl" in user.tree("wheelhouse")
    assert set(installed(user.root / ".venv")) == {"six"}


def test_the_make_include_gives_every_target_it_promises(user, index):
    user.write("requirements/main.in", "six\n")
    user.write("Makefile", blocks("make")[0])
    for target in ("lock", "wheelhouse", "check", "install", "key"):
        assert f"make {target}" in README
        done = user.execute("make", target)
        assert done.status == 0, done
    assert set(installed(user.root / ".venv")) == {"six"}
    build_wheel(index.directory, "six", "1.18.0")
    done = user.execute("make", "upgrade", "P=six")
    assert "1.17.0 -> 1.18.0" in done.stdout, done
    refused = user.execute("make", "install")
    assert refused.status != 0
    assert "wheel-missing" in refused.stdout
    assert "hint: run `make wheelhouse`" in refused.stdout


def test_make_install_fills_a_wheelhouse_that_is_not_there_and_no_other(user):
    user.write("requirements/main.in", "six\n")
    user.write("Makefile", blocks("make")[0])
    assert user.execute("make", "lock").status == 0
    assert user.execute("make", "install").status == 0
    (user.root / "wheelhouse" / "six-1.17.0-py3-none-any.whl").unlink()
    before = user.tree()
    refused = user.execute("make", "install")
    assert refused.status != 0, refused
    assert user.tree() == before


def test_the_distribution_carries_a_page_for_every_rule(distribution):
    with zipfile.ZipFile(distribution) as archive:
        pages = {name for name in archive.namelist() if name.startswith("lockhouse/rules/pages/")}
    assert pages == {f"lockhouse/rules/pages/{name}.md" for name in RULES}


def test_the_include_leaves_the_default_target_alone(user):
    user.write("Makefile", blocks("make")[0] + "all:\n\t@echo theirs\n")
    assert user.execute("make").stdout == "theirs\n"


def test_an_environment_that_is_not_ours_is_never_wiped(user):
    user.write("requirements/lockhouse.txt", "")
    user.write("precious/file", "x")
    user.write("Makefile", "LOCKHOUSE_TOOLS = precious\n" + blocks("make")[0])
    refused = user.execute("make", "check")
    assert refused.status != 0
    assert "precious was not made by Lockhouse" in refused.stderr
    assert user.read("precious/file") == "x"


@pytest.mark.slow
def test_a_first_fill_that_failed_is_carried_on_by_make_install(user, index):
    user.write("requirements/main.in", "six\n")
    user.write("Makefile", blocks("make")[0])
    assert user.execute("make", "lock").status == 0
    wheel = index.directory / "six-1.17.0-py3-none-any.whl"
    hidden = wheel.rename(wheel.with_suffix(".hidden"))
    assert user.execute("make", "install").status != 0
    hidden.rename(wheel)
    assert user.execute("make", "install").status == 0
    assert set(installed(user.root / ".venv")) == {"six"}


@pytest.mark.slow
def test_make_bundle_is_the_command(user, index):
    build_pip_wheel(index.directory)
    user.write("requirements/main.in", "pip\n")
    user.write("Makefile", blocks("make")[0])
    for target in ("lock", "wheelhouse", "bundle"):
        assert f"make {target}" in README
        done = user.execute("make", target)
        assert done.status == 0, done
    assert list(user.root.glob("lockhouse-*.tar"))


def test_the_two_commands_are_those_that_ci_runs():
    two = next(block for block in blocks("sh") if "make install" in block).split("\n")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in two if line] == ["make install", "make test"]
    assert [line for line in script if line.startswith("make ")] == [
        "make install",
        "make lint",
        "make test",
        "make test-all T='-m slow'",
    ]


def test_the_command_table_is_the_command_line():
    assert {row[0].strip("`").removeprefix("lockhouse ") for row in rows("## In your own project")} == set(COMMANDS)
    for row in rows("## In your own project"):
        command = cli.get_command(click.Context(cli), row[0].strip("`").removeprefix("lockhouse "))
        assert command
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"`(-[^ `]+)", row[1])) <= known


def test_the_configuration_table_is_the_configuration():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    written = {row[0].strip("`"): (row[1], row[2]) for row in rows("## All keys", page)}
    assert written == dict(KEYS)
