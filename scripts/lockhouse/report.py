"""Text for people: findings, errors and tables as the command line prints them."""

import re
from collections.abc import Iterable, Sequence

import click

from lockhouse.errors import LockhouseError
from lockhouse.rules import Finding

# A name on disk may hold anything, a terminal's commands and a CI log's among them.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160))}


# What the rules and steps advise, in the words of the Make targets.
_ADVICE = re.compile(r"`make (lock|wheelhouse|check|install|key|upgrade)(?: P=([^`\s]+))?`")


def advised(text: str, make: str | None) -> str:
    """Return the text with the commands that it advises as they are called here.

    `make` is how a target is called, up to its name, as the Make include tells it; None where no make is used.

    >>> advised("run `make lock`", "make lockhouse-"), advised("`make upgrade P=six`", None)
    ('run `make lockhouse-lock`', '`lockhouse lock --upgrade-package six`')
    """

    def called(match: re.Match[str]) -> str:
        target, name = match.groups()
        if make is not None:
            return f"`{make}{target}{f' P={name}' if name else ''}`"
        if target == "upgrade":
            return f"`lockhouse lock --upgrade{f'-package {name}' if name else ''}`"
        return f"`lockhouse {target}`"

    return _ADVICE.sub(called, text)


def plain(text: str) -> str:
    r"""Return the text with control characters written out.

    >>> plain("a\nb")
    'a\\x0ab'
    """
    return text.translate(_CONTROL)


def finding_text(found: Finding) -> str:
    """Return a finding as `file:line: rule: message`, its facts on aligned lines below, then the hint."""
    colour = "red" if found.severity == "error" else "yellow"
    grave = "" if found.severity == "error" else " (warning)"
    where, rule = click.style(plain(str(found.where)), bold=True), click.style(found.rule, fg=colour)
    lines = [f"{where}: {rule}{grave}: {plain(found.message)}", *_aligned(found.facts)]
    return "\n".join([*lines, *([f"  hint: {plain(found.hint)}"] if found.hint else [])])


def _aligned(facts: Sequence[tuple[str, str]]) -> Iterable[str]:
    width = max((len(word) for word, _ in facts), default=0)
    return (f"  {word + ':':<{width + 1}} {plain(value)}" for word, value in facts)


def error_text(error: LockhouseError) -> str:
    """Return an error as `error: file:line: reason`, then the hint."""
    head = f"{click.style('error:', fg='red', bold=True)} {error}"
    return f"{head}\n  hint: {error.hint}" if error.hint else head


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "wheel"), count(2, "wheel")
    ('1 wheel', '2 wheels')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
