"""The part of `init` that concerns pyproject.toml: keys of `[tool.lockhouse]` that are not there yet.

Refuses an edit that says anything else than the old text and the new keys: TOML can be written in ways that it would break.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import tomli

from lockhouse import pyproject
from lockhouse.errors import ConfigError, Location
from lockhouse.scaffold import change
from lockhouse.scaffold.change import Change

PATH = PurePosixPath("pyproject.toml")
_HEADER = re.compile(r"\s*\[\s*tool\s*\.\s*lockhouse\s*\]\s*(#.*)?")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def document(root: Path) -> dict[str, Any]:
    """Return pyproject.toml, read; empty where there is none. Raises ConfigError, OSError."""
    if not (root / PATH).exists():
        return {}
    return pyproject.parse(pyproject.read_text(root / PATH, PATH), PATH)


def propose(root: Path, wanted: Mapping[str, Any]) -> Change | None:
    """Return the change that adds the wanted keys, less those that are there, or None where there are none to add.

    Raises ConfigError where the file is written so that they cannot be added without touching something else.
    """
    text = change.read(root, PATH)
    before = document(root)
    table = pyproject.table(before, "tool", "lockhouse", shown=PATH)
    missing = {key: value for key, value in wanted.items() if key not in table}
    if not missing:
        return None
    lines = [line for key, value in missing.items() for line in _lines(key, value)]
    after = _with(text or "", lines)
    if _parsed(after) != {**before, "tool": {**before.get("tool", {}), "lockhouse": {**missing, **table}}}:
        raise ConfigError(
            "[tool.lockhouse] is written in a way that cannot be added to",
            where=Location(PATH),
            hint="add to it yourself: " + "; ".join(lines),
        )
    return Change(path=PATH, before=text, after=after)


def _with(text: str, lines: Sequence[str]) -> str:
    rows = text.splitlines()
    for number, row in enumerate(rows):
        if _HEADER.fullmatch(row):
            return change.inserted(text, number + 1, lines)
    return change.appended(text, [*([""] if text.strip() else []), "[tool.lockhouse]", *lines])


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomli.loads(text.replace("\r\n", "\n"))
    except tomli.TOMLDecodeError:
        return None


def _lines(key: str, value: Any) -> list[str]:
    if isinstance(value, dict) and any(isinstance(entry, dict) for entry in value.values()):
        return [f"{key}.{_key(name)} = {_value(entry)}" for name, entry in value.items()]
    return [f"{key} = {_value(value)}"]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # What JSON escapes, TOML's basic strings escape alike.
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
