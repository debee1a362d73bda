"""Turns the bytes of a requirements file into logical lines, and one line into its requirement and its options.

This is the layer below the meaning of a line, and it is as pip's: encodings, what ends a line, continuations, comments,
environment variables, quoting and abbreviated options. It refuses bytes and options that nobody could read.
"""

import codecs
import functools
import locale
import optparse
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NoReturn, TypeAlias

from lockhouse.errors import Location, RequirementsError

# The longer marks first: that of UTF-32 (LE) begins with that of UTF-16 (LE).
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"coding[:=]\s*([-\w.]+)")
_COMMENT = re.compile(r"(?:^|\s)#")
_QUOTING = ('"', "'", "\\")
# What shlex takes for blanks, and no other white space, parts words.
_WORD = re.compile(r"[^ \t\r\n]+")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

# What pip takes in a requirements file, the long form that we call an option by first. Abbreviations are resolved
# among exactly these, so the set decides what `--require` means (nothing: it is ambiguous).
_WITH_VALUE = (
    ("--index-url", "-i", "--pypi-url"),
    ("--extra-index-url",),
    ("--find-links", "-f"),
    ("--constraint", "-c"),
    ("--requirement", "-r"),
    ("--editable", "-e"),
    ("--no-binary",),
    ("--only-binary",),
    ("--all-releases",),
    ("--only-final",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--hash",),
    ("--config-settings", "-C"),
)
_WITHOUT_VALUE = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")

Given: TypeAlias = tuple[str, str | None]


class UnreadableError(ValueError):
    """What is wrong with a line, and how to mend it; who knows the file and the number makes an error of it."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalLine:
    """A line with its continuations joined and its comment taken off.

    `number` is that of its first physical line. `comments` are what follows each `#`: at its end, and on the
    comment-only lines directly below it, which is where compilers say what a pin is there for.
    """

    number: int
    text: str
    comments: tuple[str, ...] = ()


def decode(content: bytes, path: PurePath) -> str:
    r"""Return the text of a requirements file: by its byte order mark, its PEP 263 line, as UTF-8, or as the locale says.

    >>> decode(b"# -*- coding: latin-1 -*-\n# caf\xe9\n", PurePath("dev.in")).splitlines()[1]
    '# café'
    """
    try:
        for mark, encoding in _BYTE_ORDER_MARKS:
            if content.startswith(mark):
                return content[len(mark) :].decode(encoding)
        for line in content.split(b"\n", 2)[:2]:
            if line.startswith(b"#") and (declared := _DECLARED.search(line)):
                return content.decode(declared.group(1).decode("ascii"))
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            # As pip does. Where the locale's encoding is UTF-8 too, this only says the same again.
            return content.decode(locale.getencoding())
    except UnicodeDecodeError as error:
        where = Location(path, error.object[: error.start].count(b"\n") + 1)
        reason = f"these bytes are not {error.encoding} text: {error.object[error.start : error.end][:8].hex(' ')}"
    except (LookupError, ValueError) as error:
        where = Location(path, 1)
        reason = f"the encoding it declares cannot be read: {error}"
    raise RequirementsError(
        reason,
        where=where,
        hint="save the file as UTF-8, or name its encoding in its first line: # -*- coding: NAME -*-",
    )


def logical_lines(text: str) -> tuple[tuple[str, ...], tuple[LogicalLine, ...]]:
    r"""Return the comments above the first line that says something, and all lines that do.

    >>> logical_lines("# by hand\nsix==1.16.0 \\\n    --hash=sha256:ab\n    # via app\n")[1]
    (LogicalLine(number=2, text='six==1.16.0     --hash=sha256:ab', comments=(' via app',)),)
    """
    above: list[str] = []
    found: list[tuple[int, str, list[str]]] = []
    adjacent = False
    for number, joined in _joined(text):
        mark = _COMMENT.search(joined) if "#" in joined else None
        body = (joined[: mark.start()] if mark else joined).strip()
        comment = joined[mark.end() :].rstrip() if mark else None
        if body:
            found.append((number, body, [] if comment is None else [comment]))
        elif comment is not None and not found:
            above.append(comment)
        elif comment is not None and adjacent:
            found[-1][2].append(comment)
        adjacent = bool(body) or (adjacent and comment is not None)
    lines = (LogicalLine(number=number, text=body, comments=tuple(comments)) for number, body, comments in found)
    return tuple(above), tuple(lines)


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines. A comment line ends a continuation, whatever its last character is."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        first = first if parts else number
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            continue
        # The blank keeps a comment a comment where the line before it ends without one.
        yield first, "".join((*parts, " " if is_comment else "", line))
        parts.clear()
    if parts:
        yield first, "".join(parts)


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace each `${NAME}` that is set to something; one that is not stays as it is.

    >>> expand("${HOST}/${PATH_}", {"HOST": "pkgs.example.com"})
    'pkgs.example.com/${PATH_}'
    """
    for name in _VARIABLE.findall(text) if "$" in text else ():
        text = text.replace(f"${{{name}}}", environ.get(name) or f"${{{name}}}")
    return text


def split(text: str) -> tuple[str, tuple[Given, ...]]:
    """Split a line into what comes before its first option, and its options in order, each by its long name.

    Raises UnreadableError for an unknown or ambiguous option, a value too many or too few, an open quote, or text after the
    options, which pip reads over.

    >>> split("six==1.16.0 --hash sha256:ab -C a=b")
    ('six==1.16.0', (('--hash', 'sha256:ab'), ('--config-settings', 'a=b')))
    """
    # A blank and a dash end the requirement; what comes before may hold quotes of a marker that are not the shell's.
    before, dash, after = f" {text}".partition(" -")
    try:
        words = _words(f"{dash[1:]}{after}")
    except ValueError as error:
        raise UnreadableError(f"the options cannot be split into words: {error}", "close the quote") from error
    if all(word.startswith("--hash=") for word in words):
        # Nearly every line of a lock: nothing in it that takes a parser.
        return before[1:], tuple(("--hash", word.removeprefix("--hash=")) for word in words)
    values = optparse.Values({"given": []})
    _, left_over = _parser().parse_args(words, values)
    if left_over:
        raise UnreadableError(
            f"pip reads over what follows the options: {' '.join(left_over)!r}",
            "put a requirement and its marker before its options, and quote a value with blanks",
        )
    return before[1:], tuple(values.given)


def _words(text: str) -> list[str]:
    # shlex reads letter by letter, which a lock of hundreds of hashes a pin makes felt.
    return shlex.split(text) if any(sign in text for sign in _QUOTING) else _WORD.findall(text)


class _Parser(optparse.OptionParser):
    """The parser pip uses, which explains itself instead of exiting."""

    def error(self, msg: str) -> NoReturn:
        raise UnreadableError(msg, "see `pip install --help` for the options of a requirements file")


@functools.cache
def _parser() -> _Parser:
    parser = _Parser(add_help_option=False)
    for name, *others in _WITH_VALUE:
        parser.add_option(name, *others, action="callback", callback=_note, callback_args=(name,), type="string")
    for name in _WITHOUT_VALUE:
        parser.add_option(name, action="callback", callback=_note, callback_args=(name,))
    return parser


def _note(_option: Any, _spelling: str, value: str | None, parser: optparse.OptionParser, name: str) -> None:
    """Keep an option in the order of the line; optparse alone would sort them by kind."""
    given: list[Given] = parser.values.given  # type: ignore[union-attr]
    given.append((name, value))
