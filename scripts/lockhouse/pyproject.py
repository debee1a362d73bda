"""Reads what a pyproject.toml asks for: `project.dependencies`, extras (PEP 621) and dependency groups (PEP 735).

Refuses what only a build backend could tell (`dynamic`), and names, groups and circles that make no sense; it runs nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import tomli
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from lockhouse.errors import ConfigError, Location, RequirementsError
from lockhouse.includes import Loaded
from lockhouse.redact import redact
from lockhouse.requirements import RequirementLine, read_requirement

_SOURCE = re.compile(r"(?P<path>(?:.*/)?pyproject\.toml)(?:\[(?P<extras>[^\[\]]*)\]|:(?P<group>[^:]+))?")
_Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """Which tables of a pyproject.toml a layer is made from: the dependencies, with extras; or one dependency group."""

    path: PurePosixPath
    extras: tuple[NormalizedName, ...] = ()
    group: NormalizedName | None = None

    def __str__(self) -> str:
        if self.group:
            return f"{self.path}:{self.group}"
        return f"{self.path}[{','.join(self.extras)}]" if self.extras else str(self.path)

    @classmethod
    def parse(cls, text: str) -> "Tables | None":
        """Read `pyproject.toml`, `pyproject.toml[extra]` or, as pip's `--group` has it, `pyproject.toml:group`.

        Other sources are None; raises ValueError for a name that is none.

        >>> print(Tables.parse("api/pyproject.toml[Dev,docs]"), Tables.parse("pyproject.toml:test"), Tables.parse("main.in"))
        api/pyproject.toml[dev,docs] pyproject.toml:test None
        """
        found = _SOURCE.fullmatch(text)
        if not found:
            return None
        words = found["extras"].split(",") if found["extras"] is not None else []
        extras = dict.fromkeys(canonicalize_name(word.strip(), validate=True) for word in words)
        group = canonicalize_name(found["group"], validate=True) if found["group"] else None
        return cls(PurePosixPath(found["path"]), tuple(extras), group)


def is_told_of(entry: str, sources: Sequence[PurePosixPath]) -> bool:
    """Return whether a *via* entry names one of these pyproject.toml files, as pip-compile words it.

    >>> is_told_of("app (pyproject.toml)", [PurePosixPath("pyproject.toml")])
    True
    """
    path = entry.rpartition(" (")[2].removesuffix(")").partition("::")[0]
    return entry.endswith(")") and any(path == source.as_posix() for source in sources)


def load(path: Path, shown: PurePath, picked: Sequence[Tables]) -> Loaded:
    """Read what the tables ask for, each once; `given` are the requirements for pip-compile, and what they come from.

    Raises ConfigError for tables that are not there or cannot be read, RequirementsError for a requirement that is none.
    """
    text = read_text(path, shown)
    document = parse(text, shown)
    reading = _Reading(document=document, shown=shown, lines=_line_numbers(text, document))
    for tables in picked:
        if tables.group:
            reading.group(tables.group, ())
        else:
            reading.project(tables.extras)
    lines = tuple(line for line, _, _ in reading.found)
    return Loaded(
        requirements=tuple(line for line in lines if isinstance(line, RequirementLine)),
        constraints=(),
        unlockables=tuple(line for line in lines if not isinstance(line, RequirementLine)),
        options=(),
        parsed=(),
        files=frozenset({path}),
        given=tuple((asked, origin) for _, asked, origin in reading.found),
    )


def read_text(path: Path, shown: PurePath) -> str:
    """Return the text of a TOML file; raises ConfigError where it is not UTF-8, OSError where it is not there."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", where=Location(shown)) from error


def parse(text: str, shown: PurePath) -> dict[str, Any]:
    """Return a TOML document; raises ConfigError where it is none."""
    try:
        return tomli.loads(text.replace("\r\n", "\n"))
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"not valid TOML: {error}", where=Location(shown)) from error


def table(document: Mapping[str, Any], *keys: str, shown: PurePath) -> dict[str, Any]:
    """Return a table, empty where it is not there; raises ConfigError where something else is."""
    found: Any = document
    for key in keys:
        found = found.get(key, {})
        if not isinstance(found, dict):
            raise ConfigError(f"'{'.'.join(keys)}' should be a table", where=Location(shown))
    return dict(found)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One reading of one file: what was found so far, as lines, as text for pip-compile, and what each comes from."""

    document: Mapping[str, Any]
    shown: PurePath
    lines: Mapping[_Keys, int]
    found: list[tuple[Any, str, str]] = field(default_factory=list)
    done: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def name(self) -> str:
        name = table(self.document, "project", shown=self.shown).get("name")
        return name if isinstance(name, str) else "project"

    @property
    def origin(self) -> str:
        """What plain pip-compile says of a requirement that comes from here."""
        return f"{self.name} ({self.shown.as_posix()})"

    def project(self, extras: Sequence[NormalizedName], marker: Marker | None = None) -> None:
        project = table(self.document, "project", shown=self.shown)
        if not project:
            raise self.error("there is no [project] table", "name a group, as in `pyproject.toml:dev`")
        dynamic = project.get("dynamic", [])
        for key in ("dependencies", *(["optional-dependencies"] if extras else [])):
            if isinstance(dynamic, list) and key in dynamic:
                raise self.error(f"'{key}' is dynamic: only the build backend knows it", "make a layer of a .in file")
        if ("", "dependencies", str(marker)) not in self.done:
            self.done.add(("", "dependencies", str(marker)))
            self.add(("project", "dependencies"), project.get("dependencies", []), self.origin, marker)
        optional = table(self.document, "project", "optional-dependencies", shown=self.shown)
        for extra in extras:
            key = self.key(extra, optional, "extra")
            if ("extra", key, str(marker)) not in self.done:
                self.done.add(("extra", key, str(marker)))
                self.add(("project", "optional-dependencies", key), optional[key], self.origin, marker)

    def group(self, group: NormalizedName, chain: tuple[NormalizedName, ...]) -> None:
        groups = table(self.document, "dependency-groups", shown=self.shown)
        key = self.key(group, groups, "dependency group")
        if group in chain:
            raise self.error(f"this dependency group includes itself: {' -> '.join((*chain, group))}", None)
        if ("group", key, "") in self.done:
            return
        self.done.add(("group", key, ""))
        origin = f"{self.name} ({self.shown.as_posix()}::dependency-groups.{key})"
        self.add(("dependency-groups", key), groups[key], origin, None, (*chain, group))

    def add(
        self,
        keys: _Keys,
        entries: Any,
        origin: str,
        marker: Marker | None,
        chain: tuple[NormalizedName, ...] = (),
    ) -> None:
        if not isinstance(entries, list):
            raise self.error(f"'{'.'.join(map(str, keys))}' should be an array", None)
        for index, entry in enumerate(entries):
            where = Location(self.shown, self.lines.get((*keys, index), 0))
            if isinstance(entry, str):
                self.requirement(entry, where, origin, marker)
            elif chain and isinstance(entry, dict) and list(entry) == ["include-group"]:
                self.group(canonicalize_name(str(entry["include-group"])), chain)
            else:
                raise RequirementsError(f"{entry!r} is no requirement", where=where, hint="see PEP 508 and PEP 735")

    def requirement(self, text: str, where: Location, origin: str, marker: Marker | None) -> None:
        try:
            asked = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).partition("\n")[0]
            raise RequirementsError(
                redact(f"{text!r} is no requirement: {reason}"), where=where, hint="write NAME==VERSION or NAME @ URL"
            ) from None
        both = [each for each in (asked.marker, marker) if each is not None]
        asked.marker = both[0] if len(both) == 1 else Marker(f"({both[0]}) and ({both[1]})") if both else None
        if canonicalize_name(asked.name) == canonicalize_name(self.name) and asked.url is None:
            # The project itself, which no index need have: what is meant is what it asks for.
            self.project([canonicalize_name(extra) for extra in sorted(asked.extras)], asked.marker)
        else:
            self.found.append((read_requirement(str(asked), where, shown=text), str(asked), origin))

    def key(self, name: NormalizedName, keys: Mapping[str, Any], what: str) -> str:
        for key in keys:
            if canonicalize_name(key) == name:
                return key
        raise self.error(f"there is no {what} {name!r}", f"there are: {', '.join(sorted(keys)) or 'none'}")

    def error(self, reason: str, hint: str | None) -> ConfigError:
        return ConfigError(reason, where=Location(self.shown), hint=hint)


def _strings(value: Any, keys: _Keys = ()) -> Iterator[tuple[_Keys, str]]:
    entries: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        if isinstance(entry, str):
            yield (*keys, key), entry
        else:
            yield from _strings(entry, (*keys, key))


def _asking(document: Mapping[str, Any]) -> list[tuple[_Keys, str]]:
    parts = ("project", "dependencies"), ("project", "optional-dependencies"), ("dependency-groups",)
    return [each for each in _strings(document) if any(each[0][: len(part)] == part for part in parts)]


def _line_numbers(text: str, document: Mapping[str, Any]) -> dict[_Keys, int]:
    """Return the lines of all requirements, by their keys; those that are written in some unusual way are missing.

    TOML parsers tell no lines. So each literal that may be one is replaced by its line's number, and the text read again.
    """
    text = text.replace("\r\n", "\n")
    values = {value for _, value in _asking(document)}
    if not values:
        return {}
    spellings = {spelling for value in values for spelling in (value, value.replace('"', '\\"'))}
    ordered = sorted(map(re.escape, spellings), key=len, reverse=True)
    literal = re.compile(rf"""(["'])(?:{"|".join(ordered)})\1(?!\s*[=.])""")
    count = (0, 1)

    def numbered(match: re.Match[str]) -> str:
        nonlocal count
        count = match.start(), count[1] + text.count("\n", count[0], match.start())
        return f"{match[1]}{count[1]}{match[1]}"

    try:
        again = tomli.loads(literal.sub(numbered, text))
    except tomli.TOMLDecodeError:
        return {}
    return {keys: int(value) for keys, value in _asking(again) if value.isdecimal()}
