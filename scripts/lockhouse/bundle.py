"""The step `bundle`: one archive of checked wheels and their locks, which installs itself where there is no network.

Refuses where no layer pins pip: the machine that it is for may have none, so pip travels along, locked like the rest.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import tomli
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from lockhouse import builds, contents, solutions, tarball
from lockhouse.bundled import install as installer
from lockhouse.digest import Digest
from lockhouse.errors import ConfigError, Location, LockhouseError, UsageError
from lockhouse.inspection import required_and_allowed
from lockhouse.layers import LoadedLayer
from lockhouse.metadata import Metadata
from lockhouse.plan import Match, Need
from lockhouse.project import OF_BUNDLES, Project
from lockhouse.rules.dependencies import Graph
from lockhouse.tarball import Member
from lockhouse.target import Target
from lockhouse.wheelhouse import StoredWheel, Wheelhouse

_PIP = NormalizedName("pip")
# The installer uses options that came with it.
_OLDEST_PIP = Version("23.1")
_WHEELS, _LOCKS = PurePosixPath("wheels"), PurePosixPath("locks")

README = """\
{name}

{count} Python packages for {series} on {platform}, with everything that it takes to install them without a network.

0. Before you unpack the archive, compare its sha256 with the one that you were given on another way:

       echo 'DIGEST  {name}.tar' | sha256sum -c

   Nothing in the archive can do that for you: whoever can change the archive can change install.py as well.
1. Unpack it: tar xf {name}.tar
2. Install it: python{series} -I {name}/install.py --env .venv

install.py compares every file with SHA256SUMS, every wheel with the locks, and this machine with the one that the bundle
was made for. Then it makes the environment and installs the wheels into it. Run it again at any time: it says that there
is nothing to do, or mends what is not as it was installed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A wheel of the bundle: what asks for it, the file, its METADATA, and the sdist it was built from here, if it was."""

    need: Need
    stored: StoredWheel
    metadata: Metadata
    locked: Digest
    sdist: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What goes into a bundle: its name, the wheels to install, pip to install them with, and what requires what."""

    name: str
    packed: tuple[Packed, ...]
    pip: Packed
    graphs: tuple[Graph, ...]
    layers: tuple[LoadedLayer, ...]


def layer_of_pip(project: Project, layers: Sequence[LoadedLayer], target: Target) -> LoadedLayer:
    """Return the layer whose pin of pip the bundle takes along: that of bundles, else one of those named, else any.

    Raises LockhouseError where there is none.
    """
    own = [layer for name, layer in project.layers.items() if name == OF_BUNDLES]
    for layer in (*own, *layers, *project.layers.values()):
        if any(pin.name == _PIP and target.applies(pin.marker) for pin in layer.pins):
            return layer
    raise LockhouseError(
        "no layer pins pip, and the bundle needs a wheel of it: the machine it is for may have none",
        hint=f"`echo pip > requirements/{OF_BUNDLES}.in`, then `make lock wheelhouse`; this layer is never installed",
    )


def gather(
    project: Project, layers: Sequence[LoadedLayer], of_pip: LoadedLayer, match: Match, target: Target
) -> Contents:
    """Return what goes into the bundle of these layers, whose wheels have been checked and matched."""
    house = Wheelhouse(project.config.wheelhouse)
    chosen = {need.key: (need, stored) for need, stored in match.chosen}

    def pack(need: Need) -> Packed:
        _, stored = chosen[need.key]
        content = contents.read(house.path / stored.filename, stored.wheel)
        locked = sorted(need.hashes.intersection(stored.digests))
        sdist = ""
        if not locked:
            [line, *_] = [
                line for line in project.builds.vouched(need.name, need.hashes) if line.digest in stored.digests
            ]
            locked, sdist = [line.sdist_digest], line.sdist
        if content.metadata is None:
            raise LockhouseError(f"{stored.filename} cannot be read", hint="run `make check`")
        return Packed(need=need, stored=stored, metadata=content.metadata, locked=locked[0], sdist=sdist)

    required, _ = required_and_allowed(project, layers, target)
    packed = tuple(map(pack, required))
    [pip] = [pack(need) for need in required_and_allowed(project, [of_pip], target)[0] if need.name == _PIP]
    if pip.stored.wheel.version < _OLDEST_PIP:
        raise LockhouseError(f"{pip.need.label} is too old to install a bundle", hint=f"pin pip>={_OLDEST_PIP}")
    wheels = {
        each.need.key: (PurePosixPath(each.stored.filename), each.stored.wheel.version, each.metadata)
        for each in packed
    }
    graphs, _ = solutions.graphs(project, layers, target, wheels, disputed=frozenset())
    name = "-".join([*([said] if (said := _name(project)) else []), "lockhouse", target.name])
    return Contents(name=name, packed=packed, pip=pip, graphs=tuple(graphs), layers=(*layers, of_pip))


def write(
    contents: Contents, project: Project, target: Target, output: Path, extra: Mapping[str, str]
) -> tuple[Digest, int]:
    """Write the archive, with `extra` files at its top, and return its sha256 and size; it appears only when it is whole.

    The same contents give the same bytes, anywhere and at any time. Raises LockhouseError where a wheel or a lock is not
    what was checked, UsageError for a path that no archive can hold, and OSError.
    """
    house = Wheelhouse(project.config.wheelhouse)
    locks = {_LOCKS / path: data for path, data in _locks(contents, project)}
    stored = {each.stored.filename: each.stored for each in (*contents.packed, contents.pip)}
    manifest = _manifest(contents, target)
    known = {str(_WHEELS / filename): each for filename, each in stored.items()}

    def digest_of(path: str, algorithm: str) -> str:
        return next(digest.hex for digest in known[path].digests if digest.algorithm == algorithm)

    # What the installer will ask, asked here: a lock that changed since the check, or that it cannot read, is found now.
    texts = {str(path): data.decode("utf-8-sig", errors="replace") for path, data in locks.items()}
    if faults := installer.lock_faults([*manifest["pins"], manifest["pip"]], texts, digest_of):
        raise LockhouseError(f"the locks do not vouch for the wheels: {'; '.join(faults)}", hint="run `make check`")
    readme = README.format(
        name=contents.name, count=len(contents.packed), series=target.series, platform=target.name.partition("-")[2]
    )
    members = [
        Member.of(PurePosixPath("README.txt"), readme),
        Member.of(PurePosixPath(installer.MANIFEST), json.dumps(manifest, indent=1, sort_keys=True) + "\n"),
        Member.of(PurePosixPath("install.py"), Path(installer.__file__).read_bytes()),
        *(Member.of(PurePosixPath(path), text) for path, text in extra.items()),
        *(Member.of(path, data) for path, data in locks.items()),
        *(
            Member(path=_WHEELS / name, size=each.size, sha256=each.sha256, content=house.path / name)
            for name, each in stored.items()
        ),
    ]
    ordered = sorted(members, key=lambda member: member.path)
    sums = "".join(f"{member.sha256.hex}  {member.path}\n" for member in ordered)
    members.append(Member.of(PurePosixPath(installer.SUMS), sums))
    return tarball.write(output, [_below(contents.name, member) for member in members])


def _below(folder: str, member: Member) -> Member:
    return Member(path=folder / member.path, size=member.size, sha256=member.sha256, content=member.content)


def _name(project: Project) -> NormalizedName | None:
    """Return the project's name where it says one; its folder's would differ from machine to machine."""
    path = PurePosixPath("pyproject.toml")
    try:
        document = tomli.loads((project.config.root / path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    table = document.get("project", {})
    said = table.get("name") if isinstance(table, dict) else None
    try:
        return None if said is None else canonicalize_name(str(said), validate=True)
    except InvalidName as error:
        raise ConfigError(f"{said!r} is not a project's name", where=Location(path)) from error


def _locks(contents: Contents, project: Project) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield every lock with what it includes, every build lock and the record, by their paths in the project."""
    root = project.config.root
    found = {path for layer in contents.layers if layer.lock for path in layer.lock.tree.files}
    for lock in project.builds.locks.values():
        found |= {root / lock.layer.layer.lock, *(root / source for source in lock.layer.layer.sources)}
    found.add(root / builds.RECORD)
    for path in sorted(path for path in found if path.is_file()):
        if not path.is_relative_to(root):
            raise UsageError(f"{path.name} lies outside the project, where no bundle can put it")
        inside = PurePosixPath(path.relative_to(root).as_posix())
        if not str(inside).isprintable() or "\\" in str(inside):
            raise UsageError(f"{str(inside)!r} is no name for a file of a bundle", hint="rename it")
        yield inside, path.read_bytes()


def _manifest(contents: Contents, target: Target) -> dict[str, Any]:
    return {
        "format": installer.FORMAT,
        "markers": _markers(contents, target),
        "name": contents.name,
        "pins": [_pin(each) for each in contents.packed],
        "pip": _pin(contents.pip),
        "python": {
            "implementation": target.markers["implementation_name"],
            "machine": target.markers["platform_machine"],
            "platform": target.markers["sys_platform"],
            "series": target.series,
        },
    }


def _pin(each: Packed) -> dict[str, Any]:
    return {
        "locked": str(each.locked),
        "locks": sorted({(_LOCKS / pin.location.path).as_posix() for pin in each.need.pins}),
        "name": each.need.name,
        "record": str(_LOCKS / builds.RECORD) if each.sdist else "",
        "sdist": each.sdist,
        "sha256": each.stored.sha256.hex,
        "version": str(each.stored.wheel.version),
        "wheel": str(_WHEELS / each.stored.filename),
    }


def _markers(contents: Contents, target: Target) -> list[tuple[str, str, bool]]:
    """Return every marker that decided what is in the bundle, the extra that it was asked with, and whether it held.

    Where they all hold alike, the pins that were checked here are the right and complete ones there.
    """
    found = {
        (str(pin.marker), "", target.applies(pin.marker))
        for layer in contents.layers
        for pin in layer.pins
        if pin.marker is not None
    }
    for graph in contents.graphs:
        extras: dict[NormalizedName, set[NormalizedName]] = {name: set() for name in graph.solution}
        for name, asked in _asked(graph):
            extras.setdefault(name, set()).update(asked)
        for name, pinned in graph.solution.items():
            for requirement in pinned.metadata.requirements(extras[name]):
                found |= {
                    (str(requirement.marker), extra, target.applies(requirement.marker, extra=extra))
                    for extra in ("", *extras[name])
                    if requirement.marker is not None
                }
    return sorted(found)


def _asked(graph: Graph) -> Iterator[tuple[NormalizedName, set[NormalizedName]]]:
    """Yield the extras that locks, sources and wheels ask for."""
    for layer in graph.layers:
        yield from ((line.name, set(line.extras)) for line in layer.requirements)
        yield from ((pin.name, set(pin.extras)) for pin in layer.pins)
    for edges in graph.edges.values():
        yield from ((edge.name, set(map(canonicalize_name, edge.requirement.extras))) for edge in edges)
