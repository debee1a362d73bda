"""Whether the pins of an environment are a complete and consistent solution, as the wheels' own METADATA tells (PEP 508).

Judged only where every pin has its wheel; nothing is resolved, and no index is asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from lockhouse.errors import Location
from lockhouse.layers import LoadedLayer
from lockhouse.metadata import Metadata
from lockhouse.redact import redact
from lockhouse.requirements import Pin, RequirementLine
from lockhouse.rules import Finding, finding
from lockhouse.rules.freshness import untold
from lockhouse.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """A project of an environment: the pin that asks for it, its wheel (`path` as people read it), and its METADATA."""

    pin: Pin
    version: Version
    path: PurePath
    metadata: Metadata


Solution = Mapping[NormalizedName, Pinned]


@dataclass(frozen=True, slots=True)
class Asked:
    """An extra that somebody wants of a project, and who: a line of a source or lock, or a wheel."""

    project: NormalizedName
    extra: NormalizedName
    by: str


@dataclass(frozen=True, slots=True)
class _Edge:
    """What one wheel requires on the target, and the extra that makes it do so, if it is one."""

    requirement: Requirement
    name: NormalizedName
    extra: Asked | None


class Graph:
    """Which wheel of an environment requires what on the target, with the extras that anybody asks for.

    `layers` are those that are installed together. A Requires-Dist that cannot be read is in `unreadable`, by project.
    """

    def __init__(self, solution: Solution, layers: Sequence[LoadedLayer], target: Target) -> None:
        self.solution = solution
        self.layers = layers
        self.target = target
        self.unreadable: dict[NormalizedName, str] = {}
        self.edges: dict[NormalizedName, list[_Edge]] = {name: [] for name in solution}
        self._active: dict[NormalizedName, dict[NormalizedName, Asked]] = {name: {} for name in solution}
        todo = [*(Asked(name, NormalizedName(""), "") for name in solution), *self._extras()]
        while todo:
            asked = todo.pop()
            if asked.project not in solution or asked.extra in self._active[asked.project]:
                continue
            self._active[asked.project][asked.extra] = asked
            todo.extend(self._follow(asked))

    def _extras(self) -> Iterator[Asked]:
        """Yield the extras that sources and locks ask for, but not those whose lack makes a lock stale."""
        for layer in self.layers:
            for line in _asking(layer, self.target):
                pinned = self.solution.get(line.name)
                if layer.lock and layer.lock.keeps_extras and pinned and not line.extras <= pinned.pin.extras:
                    continue
                yield from (Asked(line.name, extra, f"{line.text} ({line.location})") for extra in line.extras)
            for pin in layer.pins:
                if self.target.applies(pin.marker):
                    extras = ",".join(sorted(pin.extras))
                    by = f"{pin.name}[{extras}] ({pin.location})"
                    yield from (Asked(pin.name, extra, by) for extra in pin.extras)

    def _follow(self, asked: Asked) -> Iterator[Asked]:
        """Note what one extra, or the project without any, requires; yield the extras of others that this asks for."""
        pinned = self.solution[asked.project]
        wanted = {asked.extra} if asked.extra else set[NormalizedName]()
        try:
            requirements = list(pinned.metadata.requirements(wanted))
        except InvalidRequirement as error:
            self.unreadable[asked.project] = str(error).splitlines()[0]
            return
        for requirement in requirements:
            marker = requirement.marker
            bare = self.target.applies(marker)
            # What is required without the extra too has been noted by then, or will be.
            if (bare and asked.extra) or not (bare or self.target.applies(marker, extra=asked.extra)):
                continue
            name = canonicalize_name(requirement.name)
            self.edges[asked.project].append(_Edge(requirement, name, asked if asked.extra else None))
            for extra in requirement.extras:
                yield Asked(name, canonicalize_name(extra), f"{pinned.pin.name}=={pinned.version}")

    @property
    def missing(self) -> set[NormalizedName]:
        """The projects that a wheel requires and no pin gives."""
        return {edge.name for edges in self.edges.values() for edge in edges} - self.solution.keys()

    def findings(self) -> Iterator[Finding]:
        """Report each requirement of a wheel that no pin of the environment meets, and those that cannot be read."""
        for name, reason in self.unreadable.items():
            pinned = self.solution[name]
            hint = f"lock another release: write `{name}!={pinned.version}` into a source, then run `make lock`"
            yield finding("wheel-broken", Location(pinned.path), f"Requires-Dist cannot be read: {reason}", hint=hint)
        for name, edges in self.edges.items():
            for edge in edges:
                found = self.solution.get(edge.name)
                if found is None:
                    yield self._finding(
                        "dependency-missing", name, edge, "and nothing that is installed with it pins that"
                    )
                elif not _meets(found, edge.requirement):
                    said = found.version if found.pin.url is None else redact(found.pin.url)
                    yield self._finding("dependency-unsatisfied", name, edge, f"and {edge.name} is pinned to {said}")

    def _finding(self, rule: str, name: NormalizedName, edge: _Edge, but: str) -> Finding:
        pinned = self.solution[name]
        facts = [("wheel", pinned.path.name)]
        if edge.extra:
            facts.append(("extra", f"{edge.extra.extra}, asked for by {edge.extra.by}"))
        if edge.name in self.solution:
            facts.append(("pin", str(self.solution[edge.name].pin.location)))
        mend = "run `make lock`"
        if not any(pinned.pin.location.path == layer.layer.lock and layer.sources for layer in self.layers):
            mend = "compile this lock again with the tool that made it"
        message = f"{name}=={pinned.version} requires {redact(str(edge.requirement))!r}, {but}"
        return finding(rule, pinned.pin.location, message, facts=facts, hint=mend)

    def unreachable(self) -> Iterator[Finding]:
        """Report the pins that nothing needs on the target, each tree of them by its top.

        What nobody can tell counts as needed: every pin of a lock without sources, and what is there *via* something
        that cannot be read again.
        """
        roots: set[NormalizedName] = set()
        for layer in self.layers:
            if layer.sources and layer.lock:
                roots |= {line.name for line in _asking(layer, self.target)} | untold(layer.lock, layer.layer.sources)
            else:
                roots |= {pin.name for pin in layer.pins}
        below = {name: {edge.name for edge in edges} for name, edges in self.edges.items()}
        lost = self.solution.keys() - reached(roots, below)
        for name in tops(lost, below):
            pin = self.solution[name].pin
            yield finding(
                "pin-unreachable",
                pin.location,
                f"nothing needs {name}=={self.solution[name].version} on {self.target.name}",
                facts=[("via", ", ".join(pin.via))] if pin.via else [],
                hint=f"if another platform or Python needs it, leave it; else `make upgrade P={name}` may drop it",
            )


def _asking(layer: LoadedLayer, target: Target) -> Iterator[RequirementLine]:
    return (line for line in layer.requirements if target.applies(line.marker))


def _meets(found: Pinned, requirement: Requirement) -> bool:
    if requirement.url is not None:
        return found.pin.url is not None and _address(found.pin.url) == _address(requirement.url)
    return requirement.specifier.contains(found.version, prereleases=True)


def _address(url: str) -> str:
    return url.partition("#")[0]


def reached(
    roots: Iterable[NormalizedName], below: Mapping[NormalizedName, Set[NormalizedName]]
) -> set[NormalizedName]:
    """Return the roots and everything below them."""
    found: set[NormalizedName] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(below.get(name, ()))
    return found


def tops(names: Set[NormalizedName], below: Mapping[NormalizedName, Set[NormalizedName]]) -> list[NormalizedName]:
    """Return those of the names that stand below none of the others, and one of each circle that has no such top."""
    under = set[NormalizedName]().union(*(below.get(name, frozenset()) - {name} for name in names))
    found = sorted(names - under)
    rest = sorted(names - reached(found, below))
    while rest:
        found.append(rest[0])
        gone = reached(rest[:1], below)
        rest = [name for name in rest if name not in gone]
    return found
