"""Markdown pages as tests read them: fenced blocks, headings, links, and the page about rules that is generated.

A block whose fence names a file (```` ```toml pyproject.toml ````) is that file; refuses nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from lockhouse import explain
from lockhouse.rules import RULES

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
RULES_PAGE = ROOT / "docs" / "rules.md"

_FENCED = re.compile(r"^```(?P<language>\w*)(?: (?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_RULES_INTRO = """\
# What each rule of `check` means, and how to mend what it reports

`lockhouse explain RULE` prints the same, and `lockhouse explain` lists them all. A warning does not change the exit status, unless
`--strict` is given.

| rule | says |
|---|---|
"""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the file that it is to be (or ""), and its text."""

    language: str
    file: str
    text: str


def blocks(text: str, language: str = "") -> list[Block]:
    """Return the fenced blocks in order, all of them or those of one language."""
    found = [Block(match["language"], match["file"] or "", match["text"]) for match in _FENCED.finditer(text)]
    return [block for block in found if language in ("", block.language)]


def prose(text: str) -> str:
    """Return what is left without fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", text))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings.

    >>> sorted(anchors("# What `check` knows\\n\\n## Why?\\n\\n## Why?\\n"))
    ['what-check-knows', 'why', 'why-1']
    """
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", _FENCED.sub("", text), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def links(text: str) -> list[str]:
    """Return where the links and images of a page lead to."""
    return _LINK.findall(prose(text))


def rules_page() -> str:
    """Return `docs/rules.md` as it has to be: a table of all rules, and the page of each.

    What an example's cure runs belongs to the finding above it and to no other place, so its block is plain text here.
    """
    rows = [
        f"| [`{rule.name}`](#{rule.name}) | {'(warning) ' if rule.severity == 'warning' else ''}{rule.says} |\n"
        for rule in RULES.values()
    ]
    pages = [re.sub(r"^(#+ )", r"#\1", explain.page(name).markdown, flags=re.MULTILINE) for name in RULES]
    return (
        _RULES_INTRO + "".join(rows) + "".join(f"\n{page.strip()}\n" for page in pages).replace("```sh\n", "```text\n")
    )


if __name__ == "__main__":
    RULES_PAGE.write_text(rules_page(), encoding="utf-8")
