"""The step `explain`: what a rule means, why it matters, and how to mend what it reports.

A page is a Markdown file beside the rules, read only when it is asked for; refuses rules that do not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lockhouse.errors import UsageError, nearest
from lockhouse.rules import RULES, Rule

PAGES = Path(__file__).with_name("rules") / "pages"
SECTIONS = ("What it means", "Why it matters", "How to mend it", "Example")


@dataclass(frozen=True, slots=True)
class Page:
    """The page of a rule, as Markdown."""

    rule: Rule
    markdown: str

    def section(self, heading: str) -> str:
        """Return what stands below one of the headings; raises KeyError."""
        found = dict(part.split("\n", 1) for part in self.markdown.split("\n## ")[1:])
        return found[heading].strip()


def page(name: str) -> Page:
    """Return the page of a rule. Raises UsageError, naming the nearest rule, for one that does not exist."""
    rule = rule_named(name)
    return Page(rule, (PAGES / f"{rule.name}.md").read_text(encoding="utf-8"))


def rule_named(name: str) -> Rule:
    """Return the rule of this name. Raises UsageError, naming the nearest, for one that does not exist."""
    if name not in RULES:
        raise UsageError(f"there is no rule {name!r}", hint=nearest(name, RULES, "the rules are"))
    return RULES[name]


def named(words: Iterable[str]) -> frozenset[str]:
    """Return the rules that the words of the command line name, each a rule or a list with commas.

    Raises UsageError, naming the nearest rule, for one that does not exist.
    """
    names = (name.strip() for word in words for name in word.split(","))
    return frozenset(rule_named(name).name for name in names if name)
