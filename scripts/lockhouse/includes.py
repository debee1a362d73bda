"""Reads a requirements file with everything it reaches by `-r` and `-c`.

Refuses a file that includes itself, with the whole chain, and one that cannot be read, with the line that includes it.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from lockhouse.errors import Location, RequirementsError
from lockhouse.requirements import (
    IncludeLine,
    OptionLine,
    RequirementLine,
    RequirementsFile,
    UnlockableLine,
    parse,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """All that a file asks for, in the order in which pip meets it; a line's location says which file it is in.

    `constraints` only limit versions. A file that is reached twice in the same way counts once. `parsed` holds each
    file by itself, the first being the one that was asked for; `files` are their absolute paths. `given` are pairs of
    a requirement, as it stands, and what it comes from, where pip-compile cannot read the file as we do.
    """

    requirements: tuple[RequirementLine, ...]
    constraints: tuple[RequirementLine, ...]
    unlockables: tuple[UnlockableLine, ...]
    options: tuple[OptionLine, ...]
    parsed: tuple[RequirementsFile, ...]
    files: frozenset[Path]
    given: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def load(
    path: Path,
    *,
    root: Path,
    environ: Mapping[str, str],
    may_be_missing: Set[Path] = frozenset(),
    read_bytes: Callable[[Path], bytes] = Path.read_bytes,
    label: str = "",
) -> Loaded:
    """Read a file and every file that it includes; locations show paths relative to `root`, behind `label`.

    As in pip, a path is relative to the file that names it, and what a `-c` file includes by `-r` is required, not
    limited. A file of `may_be_missing` (absolute paths) that is not there says nothing. Raises RequirementsError for a
    line, a file or a cycle that cannot be read. `read_bytes` gets absolute paths, and raises OSError where there is no file.
    """
    walk = _Walk(
        root=Path(os.path.abspath(root)),  # noqa: PTH100
        environ=environ,
        may_be_missing=may_be_missing,
        read_bytes=read_bytes,
        label=label,
    )
    walk.visit(Path(os.path.abspath(path)), (), None, constraint=False)  # noqa: PTH100
    # One line per place: a file may be reached both as a requirement and as a constraint.
    return Loaded(
        requirements=tuple(walk.requirements),
        constraints=tuple(walk.constraints),
        unlockables=tuple(dict.fromkeys(walk.unlockables)),
        options=tuple(dict.fromkeys(walk.options)),
        parsed=tuple(walk.parsed.values()),
        files=frozenset(walk.parsed) | walk.missing,
    )


@dataclasses.dataclass(slots=True, kw_only=True, eq=False, repr=False)
class _Walk:
    """What has been met on the way so far."""

    root: Path
    environ: Mapping[str, str]
    may_be_missing: Set[Path]
    read_bytes: Callable[[Path], bytes]
    label: str
    missing: set[Path] = field(default_factory=set)
    requirements: list[RequirementLine] = field(default_factory=list)
    constraints: list[RequirementLine] = field(default_factory=list)
    unlockables: list[UnlockableLine] = field(default_factory=list)
    options: list[OptionLine] = field(default_factory=list)
    parsed: dict[Path, RequirementsFile] = field(default_factory=dict)
    done: set[tuple[Path, bool]] = field(default_factory=set)

    def visit(self, path: Path, chain: tuple[Path, ...], includer: Location | None, *, constraint: bool) -> None:
        if path in chain:
            names = " -> ".join(self.shown(each).as_posix() for each in (*chain[chain.index(path) :], path))
            raise RequirementsError(
                f"this file includes itself: {names}", where=includer, hint="remove one -r or -c of the chain"
            )
        if (path, constraint) in self.done:
            return
        if path in self.may_be_missing and not path.exists():
            self.missing.add(path)
            return
        if path not in self.parsed:
            self.parsed[path] = self.read(path, includer)
        for line in self.parsed[path].lines:
            match line:
                case IncludeLine():
                    # Not Path.resolve: a symbolic link's neighbours are where the link is, as for pip.
                    target = Path(os.path.normpath(path.parent / line.target))
                    self.visit(target, (*chain, path), line.location, constraint=line.kind == "constraints")
                case RequirementLine():
                    (self.constraints if constraint else self.requirements).append(line)
                case UnlockableLine():
                    self.unlockables.append(line)
                case OptionLine():
                    self.options.append(line)
        self.done.add((path, constraint))

    def read(self, path: Path, includer: Location | None) -> RequirementsFile:
        shown = self.shown(path)
        try:
            content = self.read_bytes(path)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise RequirementsError(
                f"cannot read {shown.as_posix()}: {why}",
                where=includer or Location(shown),
                hint="a path after -r or -c is relative to the file it stands in" if includer else None,
            ) from error
        return parse(content, shown, environ=self.environ)

    def shown(self, path: Path) -> PurePath:
        try:
            return PurePath(self.label + os.path.relpath(path, self.root))
        except ValueError:  # another drive
            return path
