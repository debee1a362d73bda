"""Text for people: findings, errors and tables as the command line prints them."""

import re
from collections.abc import Iterable, Mapping, Sequence

import click

from lockhouse.errors import LockhouseError
from lockhouse.redact import redact
from lockhouse.rules import Finding, Severity

COLOURS: Mapping[Severity, str] = {"error": "red", "warning": "yellow"}

# A name on disk may hold anything: a terminal's commands, what is invisible or turns the direction, bytes that are no text.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
# What CI systems take for a command to them: "::" where a line begins; "##[" and "##vso[" wherever they stand.
_COMMAND = re.compile(r"^(?P<blank>\s*):(?=:)|#(?=#[A-Za-z]*\[)")


# What the rules and steps advise, in the words of the Make targets.
_ADVICE = re.compile(r"`make (lock|wheelhouse|check|install|key|bundle|upgrade)(?: P=([^`\s]+))?`")


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
    r"""Return the text with everything written out that a terminal or a CI system would not just show.

    >>> plain("a\nb")
    'a\\x0ab'
    >>> plain("x##[error]y")
    'x\\x23#[error]y'
    """
    return _COMMAND.sub(_written_out, _UNSAFE.sub(_code, text))


def safe(text: str) -> str:
    """Return a text as any format may show it: plain, and without what a URL in it would give away."""
    return redact(plain(text))


def _code(found: re.Match[str]) -> str:
    code = ord(found.group())
    # A byte of a file name that is no text is a lone surrogate in Python.
    byte = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{byte:02x}" if byte < 0x100 else f"\\u{byte:04x}"


def _written_out(found: re.Match[str]) -> str:
    return "\\x23" if found.group() == "#" else f"{found['blank']}\\x3a"


def finding_text(found: Finding) -> str:
    """Return a finding as `file:line: rule: message`, its facts on aligned lines below, then the hint."""
    grave = "" if found.severity == "error" else " (warning)"
    where, rule = click.style(plain(str(found.where)), bold=True), click.style(found.rule, fg=COLOURS[found.severity])
    return "\n".join([f"{where}: {rule}{grave}: {safe(found.message)}", *(f"  {line}" for line in below(found))])


def below(found: Finding) -> list[str]:
    """Return what stands below a finding's message: its facts, aligned, and the hint."""
    return [*aligned(found.facts), *([f"hint: {safe(found.hint)}"] if found.hint else [])]


def aligned(facts: Sequence[tuple[str, str]]) -> Iterable[str]:
    """Return pairs of a word and a value as lines, with the values below each other."""
    words = [f"{safe(word)}:" for word, _ in facts]
    width = max(map(len, words), default=0)
    return (f"{word:<{width}} {safe(value)}" for word, (_, value) in zip(words, facts, strict=True))


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
