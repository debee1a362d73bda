"""What a local project says about itself without being run: its name, how it is built, and what it requires (PEP 621).

Refuses a folder that is no project, and one whose name only a build could tell. What a build decides stays open.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import tomli
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockhouse.buildsystem import BuildSystem
from lockhouse.config import Config, LocalFolder
from lockhouse.errors import ConfigError, Location, SdistError, nearest
from lockhouse.redact import redact

if TYPE_CHECKING:
    # Reading wheels takes long to import, and only what has been built needs it.
    from lockhouse.metadata import Metadata

_STATE_IT = 'write it into pyproject.toml: `[project]`, `name = "..."`'


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """One requirement of a project, as wheels state it (an extra is part of the marker), and where it says so."""

    requirement: Requirement
    text: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProject:
    """A local project: its folder, as it is configured (`path`) and absolute, and what its files tell.

    `version` and `requires` are None where only a build can tell them.
    """

    name: NormalizedName
    path: PurePosixPath
    folder: Path
    extras: frozenset[NormalizedName]
    build_system: BuildSystem
    version: Version | None
    requires: tuple[Declared, ...] | None

    @property
    def location(self) -> Location:
        """The file that the project is described in."""
        return _location(self.path, self.folder)

    def as_built(self, metadata: "Metadata", version: Version) -> "LocalProject":
        """Return the project as its wheel describes it; raises InvalidRequirement for a line that cannot be read."""
        requires = [(Requirement(text), text) for text in metadata.requires]
        lines = _lines(self.folder / "pyproject.toml")
        return LocalProject(
            name=self.name,
            path=self.path,
            folder=self.folder,
            extras=self.extras,
            build_system=self.build_system,
            version=version,
            requires=tuple(
                Declared(requirement=requirement, text=text, location=_at(self.location, lines, text.partition(";")[0]))
                for requirement, text in requires
            ),
        )


def read_all(config: Config) -> dict[NormalizedName, LocalProject]:
    """Read every local project, by name in the order of the configuration; raises ConfigError."""
    found: dict[NormalizedName, LocalProject] = {}
    for folder in config.local:
        project = read(folder, config.root)
        if other := found.get(project.name):
            raise ConfigError(
                f"two local projects are called {project.name}: {other.path} and {project.path}",
                where=Location(PurePosixPath("pyproject.toml")),
                hint="take one of them out of `local` in [tool.lockhouse]",
            )
        found[project.name] = project
    return found


def read(local: LocalFolder, root: Path) -> LocalProject:
    """Read one local project; nothing of it is run. Raises ConfigError."""
    folder = root / local.path
    where = _location(local.path, folder)
    if not (folder / "pyproject.toml").is_file() and not (folder / "setup.py").is_file():
        what = "has neither a pyproject.toml nor a setup.py" if folder.is_dir() else "is not there"
        raise ConfigError(
            f"the local project {local.path} {what}",
            where=Location(PurePosixPath("pyproject.toml")),
            hint="correct its folder in `local` of [tool.lockhouse], or take it out there",
        )
    try:
        build_system = BuildSystem.read(folder, local.path)
    except SdistError as error:
        raise ConfigError(error.reason, where=error.where) from error
    document = _document(folder)
    table = document.get("project")
    if table is not None and not isinstance(table, dict):
        raise ConfigError("'project' should be a table", where=where)
    name = _name(document, folder, where)
    requires = None if table is None else _requires(table, local.extras, name, folder, where)
    return LocalProject(
        name=name,
        path=local.path,
        folder=folder,
        extras=local.extras,
        build_system=build_system,
        version=_version(table or {}),
        requires=requires,
    )


def _location(path: PurePosixPath, folder: Path) -> Location:
    return Location(path / ("pyproject.toml" if (folder / "pyproject.toml").is_file() else "setup.py"))


def _document(folder: Path) -> Mapping[str, object]:
    # That it can be read has been seen.
    path = folder / "pyproject.toml"
    return tomli.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _name(document: Mapping[str, object], folder: Path, where: Location) -> NormalizedName:
    """Return the name that `[project]`, `[tool.poetry]` or `setup.cfg` states."""
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    tables = [table for table in (document.get("project"), poetry) if isinstance(table, dict)]
    stated = next((table["name"] for table in tables if "name" in table), None) or _name_in_setup_cfg(folder)
    if stated is None:
        raise ConfigError("the name of this local project is stated nowhere", where=where, hint=_STATE_IT)
    try:
        return canonicalize_name(stated, validate=True)
    except (InvalidName, TypeError) as error:
        raise ConfigError(f"{stated!r} is no name of a project", where=where, hint=_STATE_IT) from error


def _name_in_setup_cfg(folder: Path) -> str | None:
    import configparser  # noqa: PLC0415 - hardly a project has the file, and every start would wait for it

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(folder / "setup.cfg", encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return None
    name = parser.get("metadata", "name", fallback=None)
    return None if not name or name.startswith(("file:", "attr:")) else name


def _version(table: Mapping[str, object]) -> Version | None:
    try:
        return Version(str(table["version"])) if "version" in table else None
    except InvalidVersion:
        return None


def _requires(
    table: Mapping[str, object],
    extras: frozenset[NormalizedName],
    name: NormalizedName,
    folder: Path,
    where: Location,
) -> tuple[Declared, ...] | None:
    """Return what `[project]` requires, or None where it leaves some of it to the build."""
    dynamic = table.get("dynamic", [])
    left = set(dynamic) if isinstance(dynamic, list) else set()
    optional = table.get("optional-dependencies", {})
    groups = {canonicalize_name(key): value for key, value in optional.items()} if isinstance(optional, dict) else {}
    if "optional-dependencies" not in left and (unknown := sorted(extras - groups.keys())):
        hint = nearest(unknown[0], groups, "its extras are")
        raise ConfigError(f"{name} has no extra {unknown[0]!r}", where=where, hint=hint)
    if "dependencies" in left or ("optional-dependencies" in left and extras):
        return None
    lines = _lines(folder / "pyproject.toml")
    found = list(_declared(table.get("dependencies", []), None, where, lines))
    for extra, texts in groups.items():
        found.extend(_declared(texts, extra, where, lines))
    return tuple(found)


def _declared(texts: object, extra: NormalizedName | None, where: Location, lines: Sequence[str]) -> Iterator[Declared]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ConfigError("dependencies should be arrays of strings", where=where)
    for text in texts:
        at = _at(where, lines, text)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            # packaging draws a picture below the first line.
            reason = redact(str(error).partition("\n")[0])
            raise ConfigError(f"{redact(text)!r} is no requirement: {reason}", where=at) from error
        if extra is not None:
            condition = f'extra == "{extra}"'
            marker = f"({requirement.marker}) and {condition}" if requirement.marker else condition
            requirement.marker = Marker(marker)
        yield Declared(requirement=requirement, text=text, location=at)


def _lines(path: Path) -> Sequence[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else ()


def _at(where: Location, lines: Sequence[str], text: str) -> Location:
    """Return the line of a requirement in its file: the first that holds it quoted, else the file as a whole."""
    quoted = (f'"{text}', f"'{text}")
    number = next((number for number, line in enumerate(lines, 1) if any(each in line for each in quoted)), 0)
    return Location(where.path, number)
