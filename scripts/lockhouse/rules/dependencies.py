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
from lockhouse.local.declaration import LocalProject
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
    """An extra that somebody wants of a project, and who: a line of a source or lock, or a wheel.

    `local`: a local project wants it, and no lock needs to know.
    """

    project: NormalizedName
    extra: NormalizedName
    by: str
    local: bool = False


@dataclass(frozen=True, slots=True)
class _Edge:
    """What one wheel or local project requires on the target, and the extra that makes it do so, if it is one.

    `where` is the place that says so, for a local project.
    """

    requirement: Requirement
    name: NormalizedName
    extra: Asked | None
    where: Location | None = None


class Graph:
    """Which wheel of an environment requires what on the target, with the extras that anybody asks for.

    `layers` are those that are installed together, and `local` the local projects that are installed with them. A
    Requires-Dist that cannot be read is in `unreadable`, by project.
    """

    def __init__(
        self, solution: Solution, layers: Sequence[LoadedLayer], target: Target, local: Sequence[LocalProject] = ()
    ) -> None:
        self.solution = solution
        self.layers = layers
        self.target = target
        self.local = {project.name: project for project in local}
        self.unreadable: dict[NormalizedName, str] = {}
        names = solution.keys() | self.local.keys()
        self.edges: dict[NormalizedName, list[_Edge]] = {name: [] for name in sorted(names)}
        self._active: dict[NormalizedName, dict[NormalizedName, Asked]] = {name: {} for name in names}
        todo = [*(Asked(name, NormalizedName(""), "") for name in sorted(names)), *self._extras()]
        while todo:
            asked = todo.pop()
            if asked.project not in names or asked.extra in self._active[asked.project]:
                continue
            self._active[asked.project][asked.extra] = asked
            todo.extend(self._follow_local(asked) if asked.project in self.local else self._follow(asked))

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
        for project in self.local.values():
            yield from (Asked(project.name, extra, "pyproject.toml", local=True) for extra in project.extras)

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
            if self._counts(requirement, asked.extra):
                name = canonicalize_name(requirement.name)
                self.edges[asked.project].append(_Edge(requirement, name, asked if asked.extra else None))
                for extra in requirement.extras:
                    yield Asked(name, canonicalize_name(extra), f"{pinned.pin.name}=={pinned.version}")

    def _follow_local(self, asked: Asked) -> Iterator[Asked]:
        for declared in self.local[asked.project].requires or ():
            if self._counts(declared.requirement, asked.extra):
                name = canonicalize_name(declared.requirement.name)
                edge = _Edge(declared.requirement, name, asked if asked.extra else None, declared.location)
                self.edges[asked.project].append(edge)
                for extra in declared.requirement.extras:
                    by = f"{asked.project} ({declared.location})"
                    yield Asked(name, canonicalize_name(extra), by, local=True)

    def _counts(self, requirement: Requirement, extra: NormalizedName) -> bool:
        """Return whether something is required for the sake of this extra; without one, whether it is in any case."""
        bare = self.target.applies(requirement.marker)
        # What is required without the extra too has been noted by then, or will be.
        return not extra if bare else self.target.applies(requirement.marker, extra=extra)

    @property
    def missing(self) -> set[NormalizedName]:
        """The projects that something requires and no pin gives."""
        return {edge.name for edges in self.edges.values() for edge in edges} - self.edges.keys()

    def findings(self) -> Iterator[Finding]:
        """Report each requirement that nothing in the environment meets, and the wheels whose own cannot be read."""
        for name, reason in self.unreadable.items():
            pinned = self.solution[name]
            hint = f"lock another release: write `{name}!={pinned.version}` into a source, then run `make lock`"
            yield finding(
                "wheel-broken", Location(pinned.path), f"Requires-Dist cannot be read: {reason}", hint=hint, pin=name
            )
        for name, edges in self.edges.items():
            for edge in edges:
                if unmet := self._unmet(edge):
                    of = self._finding_of_local if name in self.local else self._finding
                    yield of(*unmet, name, edge)

    def _unmet(self, edge: _Edge) -> tuple[str, str] | None:
        """Return the rule that an edge breaks and how, or None."""
        if own := self.local.get(edge.name):
            if own.version is None or edge.requirement.specifier.contains(own.version, prereleases=True):
                return None
            return "dependency-unsatisfied", f"and the local project {own.path} is {edge.name} {own.version}"
        found = self.solution.get(edge.name)
        if found is None:
            return "dependency-missing", "and nothing that is installed with it pins that"
        if _meets(found, edge.requirement):
            return None
        said = found.version if found.pin.url is None else redact(found.pin.url)
        return "dependency-unsatisfied", f"and {edge.name} is pinned to {said}"

    def _facts(self, edge: _Edge) -> Iterator[tuple[str, str]]:
        if edge.extra:
            yield "extra", f"{edge.extra.extra}, asked for by {edge.extra.by}"
        if edge.name in self.solution:
            yield "pin", str(self.solution[edge.name].pin.location)

    def _finding(self, rule: str, but: str, name: NormalizedName, edge: _Edge) -> Finding:
        pinned = self.solution[name]
        facts = [("wheel", pinned.path.name), *self._facts(edge)]
        mend = "run `make lock`"
        if edge.extra and edge.extra.local:
            mend = f"write `{name}[{edge.extra.extra}]` into the source of a layer, then run `make lock`"
        elif not any(pinned.pin.location.path == layer.layer.lock and layer.sources for layer in self.layers):
            mend = "compile this lock again with the tool that made it"
        message = f"{name}=={pinned.version} requires {redact(str(edge.requirement))!r}, {but}"
        where = pinned.pin.location
        return finding(rule, where, message, facts=facts, hint=mend, pin=name, requires=edge.name)

    def _finding_of_local(self, rule: str, but: str, name: NormalizedName, edge: _Edge) -> Finding:
        project = self.local[name]
        source = next((path for layer in self.layers for path in layer.layer.sources), "the source of a layer")
        mend = f"write it into {source}, then run `make lock`"
        if edge.name in self.local:
            mend = "let the two projects agree"
        message = f"the local project {name} requires {redact(_shown(edge.requirement))!r}, {but}"
        return finding(rule, edge.where or project.location, message, facts=list(self._facts(edge)), hint=mend)

    def unreachable(self) -> Iterator[Finding]:
        """Report the pins that nothing needs on the target, each tree of them by its top.

        What a local project requires is needed. What nobody can tell counts as needed: every pin of a lock without sources, and what is there *via* something
        that cannot be read again.
        """
        roots = {edge.name for name in self.local for edge in self.edges[name]}
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
                pin=name,
            )


def _asking(layer: LoadedLayer, target: Target) -> Iterator[RequirementLine]:
    return (line for line in layer.requirements if target.applies(line.marker))


def _meets(found: Pinned, requirement: Requirement) -> bool:
    if requirement.url is not None:
        return found.pin.url is not None and _address(found.pin.url) == _address(requirement.url)
    return requirement.specifier.contains(found.version, prereleases=True)


def _shown(requirement: Requirement) -> str:
    """Return a local project's requirement without its marker, of which an extra was made a part."""
    bare = Requirement(str(requirement))
    bare.marker = None
    return str(bare)


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
