"""The step `check`: every rule, all findings at once, and nothing that only follows from another finding."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from packaging.utils import NormalizedName

from lockhouse import environment, plan, solutions, wheel
from lockhouse.layers import LoadedLayer
from lockhouse.local import kept
from lockhouse.plan import Match, Need
from lockhouse.project import Project
from lockhouse.rules import Finding, finding
from lockhouse.rules.builds import build_findings, sdist_findings
from lockhouse.rules.dependencies import Graph
from lockhouse.rules.environment import environment_findings, unmade
from lockhouse.rules.freshness import freshness
from lockhouse.rules.local import pinned_too
from lockhouse.rules.locks import disagreements, duplicated, lock_findings
from lockhouse.rules.wheels import content_findings, wheel_findings
from lockhouse.solutions import Wheels
from lockhouse.target import Target, is_made, unfinished
from lockhouse.wheelhouse import Inventory, StoredWheel, Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings, sorted by place; what was judged (`locks`, `pins`, `wheels`), and in `notes` what was not.

    `waited` says which rules could not be judged before other findings are mended.

    `match` says which wheel answers which pin; it is None where the wheelhouse was not looked at. `read` are the wheels
    that answer, as they were read.
    """

    findings: tuple[Finding, ...]
    locks: int
    pins: int
    wheels: int
    notes: tuple[str, ...]
    waited: tuple[str, ...]
    match: Match | None
    read: Wheels = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the exit status 1."""
        return tuple(found for found in self.findings if found.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that do not, unless asked to be strict."""
        return tuple(found for found in self.findings if found.severity == "warning")


def check(
    project: Project,
    layers: Sequence[LoadedLayer],
    *,
    target: Target,
    house: Wheelhouse | None,
    installed: Sequence[LoadedLayer] = (),
    mend: str = "run `make install`",
    deep: bool = False,
) -> Report:
    """Judge the layers on the target, and the wheelhouse with them unless `house` is None; nothing is changed.

    `installed` are layers that the project's environment should hold: it is judged as well (`mend` is the hint), and with
    `deep` by the digests of its files.

    Raises OSError where the wheelhouse cannot be read.
    """
    chosen = {layer.name for layer in layers}
    differing = [found for found in disagreements(project, target) if found.layer in chosen]
    disputed = {each.name for each in differing}.union(
        *(duplicated(layer.lock, target) for layer in layers if layer.lock)
    )
    findings = [each.finding for each in differing]
    outdated: set[str] = set()
    for layer in layers:
        of_sources = list(freshness(layer, target, disputed=disputed))
        if of_sources:
            outdated.add(layer.name)
        findings.extend(of_sources)
        if layer.lock:
            findings.extend(lock_findings(layer.lock, target))
            findings.extend(pinned_too(layer.lock, project.local, target))
    findings.extend(build_findings(project, target))
    match, waited, proven = None, False, set[str]()
    read: Wheels = {}
    if house:
        match, read, found, graphs, waited = _wheels(project, layers, target, house, disputed=disputed)
        findings.extend(found)
        for graph in graphs:
            findings.extend(graph.findings())
            names = {layer.name for layer in graph.layers}
            proven |= names
            if names.isdisjoint(outdated):
                findings.extend(graph.unreachable())
        if installed:
            findings.extend(_environment(project, installed, match, target, house, mend=mend, deep=deep))
    return Report(
        findings=tuple(sorted(set(findings))),
        locks=sum(layer.lock is not None for layer in layers),
        pins=sum(len(layer.lock.pins) for layer in layers if layer.lock),
        wheels=len(match.chosen) if match else 0,
        notes=tuple(_not_judged(project, layers, house, proven)),
        waited=("the dependency rules wait until every pin has its wheel",) if waited else (),
        match=match,
        read=read,
    )


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


def _wheels(
    project: Project,
    layers: Sequence[LoadedLayer],
    target: Target,
    house: Wheelhouse,
    *,
    disputed: Set[NormalizedName],
) -> tuple[Match, Wheels, list[Finding], list[Graph], bool]:
    required, allowed = required_and_allowed(project, layers, target)
    algorithms = {digest.algorithm for need in (*required, *allowed) for digest in need.hashes}
    inventory: Inventory = house.inventory(algorithms)
    match = plan.match(required, allowed, inventory, target)
    where = shown(house.path, project.config.root)
    contents = {stored: wheel.read(house.path / stored.filename, stored.wheel) for _, stored in match.chosen}
    located = {
        need.key: (where / stored.filename, stored.wheel.version, contents[stored].metadata)
        for need, stored in match.chosen
    }
    graphs, waited = solutions.graphs(project, layers, target, located, disputed=disputed, with_local=True)
    lacking = set[NormalizedName]().union(*(graph.missing for graph in graphs))
    # What the locks contradict themselves about is reported as such; which of its wheels is there says nothing new.
    undecided = undecided_by(project, allowed, target)
    judged = Match(
        chosen=match.chosen,
        unmet=tuple(need for need in match.unmet if need.name not in disputed),
        spare=tuple(
            stored for stored in match.spare if stored.wheel.name not in disputed | lacking and not undecided(stored)
        ),
    )
    findings = list(wheel_findings(judged, inventory, target, where))
    findings.extend(_inputs(project, match, allowed, target, house))
    findings.extend(content_findings(contents, target, where))
    return match, located, findings, graphs, waited


def _environment(
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


def undecided_by(project: Project, allowed: Sequence[Need], target: Target) -> Callable[[StoredWheel], bool]:
    """Return a test for wheels that cannot be called extra, and must not be removed.

    How their projects are locked is a finding by itself, in whichever layer, or a lock is missing that may ask for them.
    """
    contradictory = _contradictory(project, allowed, target)
    pinned = {need.name for need in allowed}
    complete = not _unlocked(project)
    return lambda stored: stored.wheel.name in contradictory or not (complete or stored.wheel.name in pinned)


def _contradictory(project: Project, allowed: Sequence[Need], target: Target) -> set[NormalizedName]:
    found = {need.name for need in allowed if not need.hashes}
    for layer in project.layers.values():
        found |= {line.name for line in layer.requirements if target.applies(line.marker)}
        if layer.lock:
            found |= {line.name for line in layer.lock.loose}
            found |= {line.name for line in layer.lock.unlockables if line.name}
    return found - {need.name for need in allowed if need.hashes}


def _unlocked(project: Project) -> list[str]:
    return [str(layer.layer.lock) for layer in project.layers.values() if layer.lock is None]


def _not_judged(
    project: Project, layers: Sequence[LoadedLayer], house: Wheelhouse | None, proven: Set[str]
) -> list[str]:
    """Return what could not be told, less what the wheels of the `proven` layers tell themselves."""
    notes = []
    undeclared = [local.path.as_posix() for local in project.local.values() if local.requires is None]
    if house and undeclared:
        notes.append(f"what {', '.join(undeclared)} requires is for its build to tell: `install` judges it")
    if house and (unlocked := _unlocked(project)):
        notes.append(f"without {', '.join(unlocked)}, wheels that nothing asks for were not judged")
    for layer in layers:
        if layer.lock is None:
            continue
        if not layer.sources:
            notes.append(f"{layer.layer.lock} has no sources here: whether it is fresh was not judged")
        elif layer.name in proven:
            continue
        elif not any(pin.via for pin in layer.lock.pins) and layer.lock.pins:
            notes.append(f"{layer.layer.lock} has no `via` comments: pins that nothing asks for were not judged")
        if layer.sources and not layer.lock.keeps_extras and any(line.extras for line in layer.requirements):
            notes.append(f"{layer.layer.lock} keeps no extras: those that its sources ask for were not judged")
    return notes
