"""The parts of `init` that add lines to lists that other tools read: .gitignore and .pre-commit-config.yaml.

YAML is edited as text, at the end of its list of repositories; where that list cannot be told, it is left alone.
"""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from lockhouse.errors import ConfigError, Location
from lockhouse.scaffold import change
from lockhouse.scaffold.change import Change

IGNORED = PurePosixPath(".gitignore")
HOOKS = PurePosixPath(".pre-commit-config.yaml")
_HOOK = (
    "- repo: local",
    "  hooks:",
    "    - id: lockhouse-check",
    "      name: the locks answer their sources",
    "      entry: make --silent lockhouse-check-locks",
    "      language: system",
    "      files: {files}",
    "      pass_filenames: false",
)
_FILES = r"(^|/)(requirements/.*\.(in|txt|sum)|[^/]*(requirements|constraints)[^/]*\.(in|txt)|pyproject\.toml)$"
_ITEM = re.compile(r"( *)-( +)repo:")


def ignored(root: Path, folders: Iterable[str]) -> Change | None:
    """Return what .gitignore lacks of these folders."""
    text = change.read(root, IGNORED)
    known = {line.strip().strip("/") for line in (text or "").splitlines()}
    lines = [f"{folder}/" for folder in folders if folder not in known]
    return Change(path=IGNORED, before=text, after=change.appended(text or "", lines)) if lines else None


def hooked(root: Path) -> Change | None:
    """Return the entry that .pre-commit-config.yaml lacks; the file is made in a git repository only.

    Raises ConfigError where the list of repositories is written in a way that cannot be added to.
    """
    text = change.read(root, HOOKS)
    if text is None:
        if not (root / ".git").exists():
            return None
        return Change(path=HOOKS, before=None, after=change.appended("", ["repos:", *_entry("  ")]))
    if "lockhouse" in text:
        return None
    rows = text.splitlines()
    start = next(
        (number for number, row in enumerate(rows) if re.fullmatch(r"repos:\s*(\[\s*\])?\s*(#.*)?", row)), None
    )
    if start is None:
        hint = "\n".join(("add to its `repos`:", *_entry("  ")))
        raise ConfigError("this list of hooks cannot be added to", where=Location(HOOKS), hint=hint)
    if "[" in rows[start].partition("#")[0]:
        kept = text.splitlines(keepends=True)
        kept[start] = re.sub(r"\s*\[\s*\]", "", kept[start], count=1)
        return Change(path=HOOKS, before=text, after=change.inserted("".join(kept), start + 1, _entry("  ")))
    last = start
    indent = "  "
    for number, row in enumerate(rows[start + 1 :], start + 1):
        if row.strip() and not row.startswith((" ", "-", "#")):
            break
        if item := _ITEM.match(row):
            indent = item[1]
        if row.strip() and not row.startswith("#"):
            last = number
    return Change(path=HOOKS, before=text, after=change.inserted(text, last + 1, _entry(indent)))


def _entry(indent: str) -> list[str]:
    return [f"{indent}{line.format(files=_FILES)}" for line in _HOOK]
