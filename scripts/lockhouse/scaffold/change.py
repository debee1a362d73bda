"""One file that `init` would make or change, as it is and as it would be; and edits of text that keep the rest as it stands.

Nothing is written here. Line endings are those of the file, and a file without a final newline stays without one.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A file's text before and after, newlines as they are; `before` is None where there is no file yet."""

    path: PurePosixPath
    before: str | None
    after: str

    @property
    def diff(self) -> str:
        """What would change, as `diff -u` shows it."""
        name = self.path.as_posix()
        lines = difflib.unified_diff(
            (self.before or "").splitlines(),
            self.after.splitlines(),
            "/dev/null" if self.before is None else f"a/{name}",
            f"b/{name}",
            lineterm="",
        )
        return "\n".join(lines)


def read(root: Path, path: PurePosixPath) -> str | None:
    """Return the text of a file, None where there is none. Raises OSError, and UnicodeDecodeError (a ValueError)."""
    try:
        return (root / path).read_bytes().decode()
    except FileNotFoundError:
        return None


def newline(text: str) -> str:
    r"""Return what ends the lines of a text.

    >>> newline("a\r\nb\r\n"), newline("")
    ('\r\n', '\n')
    """
    return "\r\n" if "\r\n" in text else "\n"


def appended(text: str, lines: Iterable[str]) -> str:
    r"""Return the text with lines behind it.

    >>> appended("a\n", ["b"]), appended("a", ["b"])
    ('a\nb\n', 'a\nb')
    """
    end = newline(text)
    block = end.join(lines)
    if text and not text.endswith("\n"):
        return f"{text}{end}{block}"
    return f"{text}{block}{end}"


def inserted(text: str, number: int, lines: Iterable[str]) -> str:
    r"""Return the text with lines in front of the line `number`, counted from 0.

    >>> inserted("a\nc\n", 1, ["b"])
    'a\nb\nc\n'
    """
    before = text.splitlines(keepends=True)
    if number >= len(before):
        return appended(text, lines)
    end = newline(text)
    return "".join([*before[:number], *(f"{line}{end}" for line in lines), *before[number:]])
