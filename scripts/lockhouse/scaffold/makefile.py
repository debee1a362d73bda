"""The Makefile's part of `init`: lockhouse.mk beside it, and the line that includes it, under names that are still free.

It reads Makefiles as text and runs nothing; a name that a Makefile computes is not seen.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lockhouse.scaffold import change
from lockhouse.scaffold.change import Change

INCLUDE = PurePosixPath("lockhouse.mk")
TARGETS = ("lock", "upgrade", "wheelhouse", "check", "install", "key")
PREFIX = "lockhouse-"
# In the order in which GNU make looks for them.
_NAMES = ("GNUmakefile", "makefile", "Makefile")
_RULE = re.compile(r"([^\s#:=][^:=#]*?)\s*::?(?!=)")
_INCLUDE = re.compile(r"\s*[-s]?include\s+(.*)")
_ALONE = (
    "# The steps of Lockhouse: make lock, make wheelhouse, make check, make install, make key, make upgrade P=name",
    ".DEFAULT_GOAL := install",
)


def propose(root: Path) -> tuple[Change | None, str]:
    """Return what has to change in the Makefile, None where it includes us already, and what its targets begin with.

    Raises OSError, and UnicodeDecodeError where a Makefile is no UTF-8.
    """
    there = {path.name for path in root.iterdir()}
    path = PurePosixPath(next((name for name in _NAMES if name in there), "Makefile"))
    text = change.read(root, path)
    if text is None:
        return Change(path=path, before=None, after=change.appended("", [*_ALONE, "", f"include {INCLUDE}"])), ""
    if any("lockhouse" in included for included in _included(text)):
        said = re.findall(r"^\s*LOCKHOUSE_PREFIX\s*[:?]?=\s*(\S*)", text, re.MULTILINE)
        return None, said[-1] if said else ""
    taken = set(_targets(root, text, {path.name}))
    prefix = PREFIX if taken.intersection(TARGETS) else ""
    lines = [
        "",
        "# The steps of Lockhouse",
        *([f"LOCKHOUSE_PREFIX := {prefix}"] if prefix else []),
        f"include {INCLUDE}",
    ]
    return Change(path=path, before=text, after=change.appended(text, lines)), prefix


def _included(text: str) -> list[str]:
    return [match[1] for line in text.splitlines() if (match := _INCLUDE.match(line))]


def _targets(root: Path, text: str, seen: set[str]) -> Iterator[str]:
    """Return what the rules of a Makefile, and of the files that it names to include, make."""
    for line in text.replace("\r\n", "\n").replace("\\\n", " ").splitlines():
        if not line.startswith("\t") and (match := _RULE.match(line)):
            yield from match[1].split()
    for word in " ".join(_included(text)).split():
        if "$" in word or word in seen or Path(word).is_absolute() or ".." in word:
            continue
        for path in root.glob(word):
            seen.add(word)
            if path.is_file():
                yield from _targets(root, path.read_bytes().decode(), seen)
