"""The wheelhouse against the locks, both ways: what answers which pin, what lies there besides, and what is inside."""

import os
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from packaging.utils import NormalizedName

from lockhouse import contents, environment, plan, solutions
from lockhouse.contents import WheelContent
from lockhouse.layers import LoadedLayer
from lockhouse.local import kept
from lockhouse.plan import Match, Need
from lockhouse.project import Project
from lockhouse.requirements import Pin
from lockhouse.rules import Finding, finding
from lockhouse.rules.builds import sdist_findings
from lockhouse.rules.dependencies import Graph
from lockhouse.rules.environment import environment_findings, unmade
from lockhouse.rules.wheels import collisions, content_findings, wheel_findings
from lockhouse.solutions import Wheels
from lockhouse.target import Target, is_made, unfinished
from lockhouse.wheelhouse import Inventory, StoredWheel, Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Which wheel answers which pin, what is wrong, and what requires what in the environments that could be judged.

    `wheels` are the answers as they were read.

    `waited` tells that others could not, for want of a wheel.
    """

    match: Match
    wheels: Wheels
    findings: tuple[Finding, ...]
    graphs: tuple[Graph, ...]
    waited: bool


def inspect(
    project: Project,
    layers: Sequence[LoadedLayer],
    target: Target,
    house: Wheelhouse,
    *,
    disputed: Set[NormalizedName],
    deep: bool,
) -> Inspection:
    """Compare the wheelhouse with the locks; with `deep`, hash every member of every wheel, too.

    What the locks contradict themselves about (`disputed`) is left out. Raises OSError where the wheelhouse cannot be read.
    """
    required, allowed = required_and_allowed(project, layers, target)
    inventory = house.inventory({digest.algorithm for need in (*required, *allowed) for digest in need.hashes})
    match = plan.match(required, allowed, inventory, target)
    where = shown(house.path, project.config.root)
    looked = _looked_into(match, house, deep=deep)
    located = {
        need.key: (where / stored.filename, stored.wheel.version, looked[stored].metadata)
        for need, stored in match.chosen
    }
    graphs, waited = solutions.graphs(project, layers, target, located, disputed=disputed, with_local=True)
    lacking = set[NormalizedName]().union(*(graph.missing for graph in graphs))
    # What the locks contradict themselves about is reported as such; which of its wheels is there says nothing new.
    undecided, elsewhere = undecided_by(project, allowed, target), elsewhere_by(project, target)
    wanting = {need.name for need in match.unmet}
    judged = Match(
        chosen=match.chosen,
        unmet=tuple(need for need in match.unmet if need.name not in disputed),
        spare=tuple(
            stored
            for stored in match.spare
            if stored.wheel.name not in disputed | lacking
            and not undecided(stored)
            and not (elsewhere(stored) and stored.wheel.name not in wanting)
        ),
    )
    findings = [
        *wheel_findings(judged, inventory, target, where),
        *_inputs(project, match, allowed, target, house),
        *content_findings(looked, target, where),
        *collisions(_together(project, layers, match), looked, where),
    ]
    return Inspection(match=match, wheels=located, findings=tuple(findings), graphs=tuple(graphs), waited=waited)


def inspect_environment(
    project: Project,
    layers: Sequence[LoadedLayer],
    match: Match,
    target: Target,
    house: Wheelhouse,
    *,
    mend: str,
    deep: bool,
) -> Iterator[Finding]:
    """Judge the environment by the wheels that are there; what has no wheel has a finding of its own."""
    required, _ = required_and_allowed(project, layers, target)
    stored = (*(wheel for _, wheel in match.chosen), *match.spare)
    chosen = plan.match(required, required, Inventory(present=True, wheels=stored, strays=()), target).chosen
    venv = project.config.venv
    place = shown(venv, project.config.root)
    if not is_made(venv):
        yield unmade(place, len(chosen), begun=unfinished(venv) is not None, mend=mend)
        return
    found = environment.read(venv, target.series)
    local = kept.all_of(venv, project.local)
    wanted = {need.name: environment.wanted(wheel, house, found.layout) for need, wheel in chosen}
    wanted |= {name: environment.wanted(wheel, house, found.layout) for name, wheel in local.items()}
    named = {need.name: need for need in (*required, *map(plan.need_of, local.values()))}
    for name in project.local.keys() - {each.name for each in found.installed}:
        where = project.local[name].location
        yield finding("env-missing", where, f"the local project {name} is not in {place.as_posix()}", hint=mend)
    unknown = named.keys() - wanted.keys()
    difference = environment.compare(found, wanted, deep=deep)
    judged = replace(
        difference,
        missing=tuple(name for name in difference.missing if name not in project.local),
        extra=tuple(each for each in difference.extra if each.name not in unknown),
    )
    yield from environment_findings(judged, found, named, place=place, mend=mend)


def required_and_allowed(
    project: Project, layers: Sequence[LoadedLayer], target: Target
) -> tuple[tuple[Need, ...], tuple[Need, ...]]:
    """Return the needs of the named layers, which must be met, and those of all layers, which may be there."""
    required, allowed = (
        plan.needs(project.pins_by_environment(some), target, builds=project.builds, no_binary=project.config.no_binary)
        for some in (layers, project.layers.values())
    )
    return required, allowed


def shown(path: Path, root: Path) -> PurePath:
    """Return the path as the user should read it: relative to the project where it is inside."""
    return path.relative_to(root) if path.is_relative_to(root) else path


def _looked_into(match: Match, house: Wheelhouse, *, deep: bool) -> dict[StoredWheel, WheelContent]:
    """Look inside every wheel that answers a pin; with `deep`, on all cores, as unpacking and hashing release the GIL."""

    def look(stored: StoredWheel) -> WheelContent:
        return contents.read(house.path / stored.filename, stored.wheel, deep=deep)

    chosen = list(dict.fromkeys(stored for _, stored in match.chosen))
    if not deep:
        return {stored: look(stored) for stored in chosen}
    # The biggest first: one that is begun last would keep a single core busy in the end.
    chosen.sort(key=lambda stored: stored.size, reverse=True)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return dict(zip(chosen, threads.map(look, chosen), strict=True))


def _together(project: Project, layers: Sequence[LoadedLayer], match: Match) -> Iterator[list[StoredWheel]]:
    """Yield, for every environment, the wheels that are installed together there."""
    for pins in project.pins_by_environment(layers):
        lines = {pin.location for pin in pins}
        yield [stored for need, stored in match.chosen if any(pin.location in lines for pin in need.pins)]


def _inputs(
    project: Project, match: Match, allowed: Sequence[Need], target: Target, house: Wheelhouse
) -> Iterator[Finding]:
    """Report where what built wheels were made from, and local projects are to be, is not what is locked, both ways."""
    built = [need for need, stored in match.chosen if not stored.is_any_of(need.hashes)]
    locks = project.builds.locks
    may_be = [need for need in allowed if need.buildable or need.from_source]
    local = [name for name in project.local if name in locks]
    if not locks or not (built or local or house.inputs.path.is_dir()):
        return
    root = project.config.root
    every = plan.needs([lock.layer.pins for lock in locks.values()], target, builds=project.builds)
    inventory = house.inputs.inventory({digest.algorithm for need in every for digest in need.hashes})
    # What builds are made with may be built itself, and so on.
    required: tuple[Need, ...] = ()
    todo = [*local, *(need.name for need in built if need.name in locks)]
    while todo:
        more = plan.needs([locks[name].layer.pins for name in todo], target, builds=project.builds)
        required = tuple(dict.fromkeys((*required, *more)))
        chosen = plan.match(more, more, inventory, target).chosen
        inner = [need for need, kept in chosen if not kept.is_any_of(need.hashes) and need not in built]
        built += inner
        todo = [need.name for need in inner if need.name in locks]
    may_be += [need for need in every if need.buildable]
    stored = house.sdists({digest.algorithm for need in (*allowed, *every) for digest in need.hashes})
    yield from sdist_findings(built, may_be, stored, shown(house.sdist_folder, root))
    inputs = plan.match(required, every, inventory, target)
    if len(local) < len(project.local) or any(lock.layer.lock is None for lock in locks.values()):
        # The lock that is not there may ask for them.
        inputs = replace(inputs, spare=())
    yield from wheel_findings(inputs, inventory, target, shown(house.inputs.path, root))


def elsewhere_by(project: Project, target: Target) -> Callable[[StoredWheel], bool]:
    """Return a test for wheels that a pin asks for on another target: locked bytes, which are of no use on this one."""
    pins: dict[NormalizedName, list[Pin]] = {}
    for layer in project.layers.values():
        for pin in layer.pins:
            pins.setdefault(pin.name, []).append(pin)

    def elsewhere(stored: StoredWheel) -> bool:
        fits = target.rank(stored.wheel.tags) is not None
        return any(
            pin.version in {None, stored.wheel.version}
            and stored.is_any_of(digest for digest in pin.hashes if digest.strong)
            and not (fits and target.applies(pin.marker))
            for pin in pins.get(stored.wheel.name, ())
        )

    return elsewhere


def undecided_by(project: Project, allowed: Sequence[Need], target: Target) -> Callable[[StoredWheel], bool]:
    """Return a test for wheels that cannot be called extra, and must not be removed.

    How their projects are locked is a finding by itself, in whichever layer, or a lock is missing that may ask for them.
    """
    contradictory = _contradictory(project, allowed, target)
    pinned = {need.name for need in allowed}
    complete = not project.unlocked
    return lambda stored: stored.wheel.name in contradictory or not (complete or stored.wheel.name in pinned)


def _contradictory(project: Project, allowed: Sequence[Need], target: Target) -> set[NormalizedName]:
    found = {need.name for need in allowed if not need.hashes}
    for layer in project.layers.values():
        found |= {line.name for line in layer.requirements if target.applies(line.marker)}
        if layer.lock:
            found |= {line.name for line in layer.lock.loose}
            found |= {line.name for line in layer.lock.unlockables if line.name}
    return found - {need.name for need in allowed if need.hashes}
