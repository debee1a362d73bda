"""The command `explain`: each rule has a page that says what it means, why it matters and how to mend it."""

import io
import re

import pytest

from lockhouse import cli, explain
from lockhouse.explain import PAGES, SECTIONS
from lockhouse.rules import RULES
from support import worlds
from support.project import Project, Result


@pytest.fixture
def folder(tmp_path) -> Project:
    """An empty folder: `explain` needs no project."""
    return Project(tmp_path / "nowhere", {})


def explained(folder: Project, *argv: str) -> Result:
    return folder.call("explain", *argv)


def test_every_rule_has_a_page_and_every_page_a_rule():
    assert {path.name for path in PAGES.iterdir()} == {f"{name}.md" for name in RULES}


@pytest.mark.parametrize("name", RULES)
def test_a_page_has_all_it_should(name):
    page = explain.page(name)
    title, intro, *_ = page.markdown.split("\n\n")
    says = RULES[name].says
    assert (title, intro) == (f"# {name}", f"{says[0].upper()}{says[1:]}.")
    assert re.findall(r"^## (.*)$", page.markdown, re.MULTILINE) == list(SECTIONS)
    assert all(len(page.section(heading)) > 40 for heading in SECTIONS)
    assert 20 <= page.markdown.count("\n") <= 45
    assert max(map(len, page.section("What it means").splitlines())) <= 125
    # Who reads only the first lines must know whether it stops the build.
    assert (RULES[name].severity == "warning") == page.section("What it means").startswith("A warning.")


@pytest.mark.parametrize("name", RULES)
def test_an_example_shows_the_finding_as_it_is_printed_and_its_cure(name):
    finding, cure = re.findall(
        r"^```(?:text|sh|toml)\n(.*?)^```$", explain.page(name).section("Example"), re.MULTILINE | re.DOTALL
    )
    [(rule, _)] = worlds.printed(finding)
    assert rule == name + ("?" if RULES[name].severity == "warning" else "")
    assert "  hint: " in finding
    assert cure.strip()


@pytest.mark.parametrize(
    "name", [name for name in RULES if "cannot be accepted" in " ".join(explain.page(name).markdown.split())]
)
def test_what_a_page_says_cannot_be_accepted_cannot(name):
    from lockhouse.accept import parse
    from lockhouse.errors import ConfigError, Location

    with pytest.raises(ConfigError, match="cannot be accepted"):
        parse([{"rule": name}], "", Location(PAGES).path)


def test_a_page_is_plain_text_where_nobody_can_see_colours(folder):
    said = explained(folder, "lock-stale")
    assert said.status == 0, said
    assert said.stdout.startswith("lock-stale (error)\n\nA source asks for something that the lock does not give"), said
    assert "\nHow to mend it\n" in said.stdout
    assert "\n    requirements/main.in:4: lock-stale: " in said.stdout
    assert "\n      hint: run `lockhouse lock`\n" in said.stdout
    assert not re.search(r"\x1b|^#|```|[ \t]$", said.stdout, re.MULTILINE)


def test_a_terminal_gets_some_style_unless_it_wants_none(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for environ, styled in (({}, True), ({"NO_COLOR": "1"}, False)):
        for argv in (["explain", "lock-stale"], ["explain"]):
            out = Terminal()
            assert cli.run(argv, cwd=tmp_path, environ=environ, stdout=out, stderr=io.StringIO()) == 0
            assert ("\x1b[1m" in out.getvalue()) is styled


def test_without_a_rule_all_are_listed(folder):
    said = explained(folder)
    assert said.status == 0, said
    listed = [line.split(maxsplit=2) for line in said.stdout.splitlines()]
    assert listed == [[rule.name, rule.severity, rule.says] for rule in RULES.values()]


@pytest.mark.parametrize("word", ["lock-stal", "../pages/lock-stale", "LOCK-STALE", "lock_stale"])
def test_an_unknown_rule_is_exit_2_and_names_the_nearest(folder, word):
    said = explained(folder, word)
    assert (said.status, said.stdout) == (2, ""), said
    assert f"there is no rule {word!r}" in said.stderr
    assert ("hint: did you mean 'lock-stale'?" in said.stderr) or "the rules are: " in said.stderr
