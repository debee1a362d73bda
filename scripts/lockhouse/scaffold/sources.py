"""The part of `init` that finds what a project asks for, wherever it wrote that down, and makes layers of it.

Tables of pyproject.toml become layers as they are; requirement files are copied to `requirements/*.in`; hashed ones are locks.
"""

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.utils import canonicalize_name

from lockhouse import config, lines, links, pyproject, requirements
from lockhouse.requirements import IncludeLine, OptionLine, RequirementLine, RequirementsFile, UnlockableLine
from lockhouse.scaffold import change, configuration
from lockhouse.scaffold.change import Change

_MAIN = "main"
_NAMED = re.compile(r"(?:requirements|reqs)(?:[-_.](?P<after>[\w.-]+))?|(?P<before>[\w.-]+?)[-_.](?:requirements|reqs)")
_EMPTY = (
    "# What the project needs, a line each; limits only where they are needed. `lockhouse lock` pins it, and all below it.",
    "# For example: requests>=2.32",
)
_INDEX = frozenset({"--index-url", "--extra-index-url", "--trusted-host", "--find-links", "--no-index"})


@dataclass(slots=True, kw_only=True)
class Found:
    """The layers of a project as `[tool.lockhouse]` would name them, the files to write for them, and what to tell.

    `plain`: the layers are those of `requirements/*.in` alone, so the configuration need not name them.
    """

    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def plain(self) -> bool:
        """Whether the usual layout says it all."""
        return all(
            not set(layer) - {"sources"} and layer["sources"] == [_source(name)] for name, layer in self.layers.items()
        )


def find(root: Path) -> Found:
    """Return the layers of a project that has none configured. Raises LockhouseError, OSError, UnicodeDecodeError."""
    found = Found()
    if there := config.sources_in(root):
        found.layers = {path.stem: {"sources": [path.as_posix()]} for path in there}
        return found
    if beside := _files(root, (".",), ".in"):
        # A layout of pip-tools' users: each lock stands beside its source.
        for name, path in beside.items():
            found.layers[name] = {"lock": path.with_suffix(".txt").as_posix(), "sources": [path.as_posix()]}
        return found
    _from_tables(configuration.document(root), found)
    _from_files(root, found)
    if not found.layers:
        path = PurePosixPath(_source(_MAIN))
        found.layers[_MAIN] = {"sources": [path.as_posix()]}
        found.changes.append(Change(path=path, before=None, after=change.appended("", _EMPTY)))
    return found


def _source(name: str) -> str:
    return f"requirements/{name}.in"


def _files(root: Path, folders: Iterable[str], suffix: str) -> dict[str, PurePosixPath]:
    """Return the requirement files by the name of the layer that each would be."""
    found: dict[str, PurePosixPath] = {}
    for folder in folders:
        for path in sorted((root / folder).glob(f"*{suffix}")):
            named = _NAMED.fullmatch(path.stem)
            if path.is_file() and not path.name.startswith(".") and (named or folder == "requirements"):
                name = (named["after"] or named["before"] or _MAIN) if named else path.stem
                relative = PurePosixPath(path.relative_to(root).as_posix())
                if relative != config.TOOL.lock and not name.startswith("constraint"):
                    found.setdefault(name, relative)
    return dict(sorted(found.items(), key=lambda item: (item[0] != _MAIN, item[0])))


def _from_tables(document: Mapping[str, Any], found: Found) -> None:
    project = pyproject.table(document, "project", shown=configuration.PATH)
    optional = pyproject.table(document, "project", "optional-dependencies", shown=configuration.PATH)
    groups = pyproject.table(document, "dependency-groups", shown=configuration.PATH)
    dynamic = project.get("dynamic", [])
    if "dependencies" in dynamic or "optional-dependencies" in dynamic:
        found.notes.append("the dependencies in pyproject.toml are dynamic: write them into requirements/main.in too")
        optional = {}
    elif project.get("dependencies") or optional:
        found.layers[_MAIN] = {"sources": ["pyproject.toml"]}
    for extra in optional:
        found.layers[_free(canonicalize_name(extra), found)] = {
            "sources": [f"pyproject.toml[{canonicalize_name(extra)}]"]
        }
    for group in groups:
        found.layers[_free(canonicalize_name(group), found)] = {
            "sources": [f"pyproject.toml:{canonicalize_name(group)}"]
        }
    # What is installed together has to agree: each layer builds on those before it.
    for place, layer in enumerate(found.layers.values()):
        if place:
            layer["constraints"] = list(found.layers)[:place]


def _free(name: str, found: Found) -> str:
    return f"{name}-group" if name in found.layers else name


def _from_files(root: Path, found: Found) -> None:
    files = _files(root, (".", "requirements"), ".txt")
    parsed = {name: requirements.parse((root / path).read_bytes(), path, environ={}) for name, path in files.items()}
    locks = {name for name, file in parsed.items() if _is_lock(file)}
    places = {path: (PurePosixPath(_source(name)), name) for name, path in files.items()}
    for name, path in files.items():
        layer = found.layers.get(name, {})
        if name in locks:
            found.layers[name] = {"lock": path.as_posix(), "sources": layer.get("sources", [])}
            if "constraints" in layer:
                found.layers[name]["constraints"] = layer["constraints"]
            continue
        moving = _Moving(root=root, path=path, file=parsed[name], places=places, locks=locks, found=found)
        text = moving.text(name)
        if not moving.asks and layer:
            continue
        source = PurePosixPath(_source(name))
        found.changes.append(Change(path=source, before=None, after=text))
        if layer:
            layer["sources"].append(source.as_posix())
        else:
            found.layers[name] = {"sources": [source.as_posix()]}
        fate = "becomes the lock" if path == source.with_suffix(".txt") else "stays, and Lockhouse does not read it"
        found.notes.append(f"{path} was copied to {source}; it {fate}")


def _is_lock(file: RequirementsFile) -> bool:
    asked = [line for line in file.lines if isinstance(line, RequirementLine)]
    return bool(asked) and all(line.hashes for line in asked)


@dataclass(slots=True, kw_only=True)
class _Moving:
    """A requirements file on its way to `requirements/NAME.in`; whatever is about its old place is turned round."""

    root: Path
    path: PurePosixPath
    file: RequirementsFile
    places: Mapping[PurePosixPath, tuple[PurePosixPath, str]]
    locks: set[str]
    found: Found

    @property
    def asks(self) -> bool:
        """Whether it asks for anything that is not a folder of this machine."""
        return any(not isinstance(line, OptionLine) and not self._is_local(line) for line in self.file.lines)

    def text(self, name: str) -> str:
        """Return the new file's text: comments and requirements as they were."""
        text = lines.decode((self.root / self.path).read_bytes(), self.path)
        rows = text.splitlines(keepends=True)
        new: dict[int, str | None] = {}
        bases: set[str] = set()
        for line in self.file.lines:
            row = line.location.line - 1
            match line:
                case IncludeLine():
                    new[row] = self._include(line, bases)
                case OptionLine() if line.name in _INDEX:
                    new[row] = None
                    self._note(f"{line.name} of {self.path} stays out: it belongs into pip's own configuration")
                case OptionLine() if line.name == "--require-hashes":
                    new[row] = None
                case UnlockableLine() if self._is_local(line):
                    new[row] = None
                    self._local(line)
                case UnlockableLine():
                    self._note(f"{line.location}: {line.text} cannot be locked by a hash; `check` says what to do")
        end = change.newline(text)
        for first, replacement in new.items():
            # A line goes with those that continue it.
            last = first
            while rows[last].rstrip("\r\n").endswith("\\") and last + 1 < len(rows):
                last += 1
            rows[first : last + 1] = ["" if replacement is None else f"{replacement}{end}", *[""] * (last - first)]
        if name != _MAIN and not bases and _MAIN in self.found.layers:
            rows.insert(0, f"-c {self._relative(self._lock_of(_MAIN))}{end}")
        return "".join(rows)

    def _include(self, line: IncludeLine, bases: set[str]) -> str:
        target = PurePosixPath(posixpath.normpath(posixpath.join(self.path.parent.as_posix(), line.target)))
        if target not in self.places:
            return f"-{'r' if line.kind == 'requirements' else 'c'} {self._relative(target)}"
        _, base = self.places[target]
        bases.add(base)
        return f"-c {self._relative(target if base in self.locks else self._lock_of(base))}"

    def _lock_of(self, name: str) -> PurePosixPath:
        layer = self.found.layers.get(name, {})
        return PurePosixPath(layer.get("lock", f"requirements/{name}.txt"))

    def _relative(self, path: PurePosixPath) -> str:
        return posixpath.relpath(path, "requirements")

    def _is_local(self, line: object) -> bool:
        return isinstance(line, UnlockableLine) and links.kind(line.url) != "vcs" and "://" not in line.url

    def _local(self, line: UnlockableLine) -> None:
        plain = links.without_extras(line.url)
        place = os.path.normpath(self.path.parent / plain)
        entry = f"{'.' if place == '.' else place}{line.url[len(plain) :].strip()}"
        if entry not in self.found.local:
            self.found.local.append(entry)

    def _note(self, text: str) -> None:
        if text not in self.found.notes:
            self.found.notes.append(text)
