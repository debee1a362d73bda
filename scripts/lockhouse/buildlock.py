"""The part of the step `lock` that concerns builds: which pins need one, what their backends ask for, and what they build to.

Nothing is asked of anybody where every build lock answers its source and the record knows what it builds to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from lockhouse import builds, construct, files, plan, resolution
from lockhouse.builds import BuildLock
from lockhouse.check import required_and_allowed
from lockhouse.construct import Made, Sdist, Yard
from lockhouse.errors import LockhouseError
from lockhouse.plan import Need
from lockhouse.project import Project
from lockhouse.record import Record
from lockhouse.resolution import Compiler
from lockhouse.rules.builds import of_lock
from lockhouse.source import Candidate
from lockhouse.wheelhouse import Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was built and recorded, and the build locks that no pin needed any more."""

    made: tuple[Made, ...]
    dropped: tuple[NormalizedName, ...]


def unrecorded(current: Project, yard: Yard, inventory: Inventory) -> tuple[Need, ...]:
    """Return the needs whose build lock is stale, or that the record knows no build of; no network is used."""
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    chosen = dict(plan.match(required, required, inventory, yard.target).chosen)
    found = []
    for need in required:
        stored = chosen.get(need)
        if not (need.from_source or need.buildable) or (stored and stored.is_any_of(need.hashes)):
            continue
        lock = current.builds.locks.get(need.name)
        if lock is None or not need.built or any(of_lock(lock, need.pins, yard.target)):
            found.append(need)
    return tuple(found)


def lock_builds(
    current: Project,
    yard: Yard,
    *,
    connect: Callable[[], Compiler],
    upgrade: Callable[[BuildLock], Sequence[str]],
    offered: Mapping[NormalizedName, Sequence[str]],
) -> Done:
    """Lock and record what must be built; `upgrade` gives pip-compile's options for what may move in a build lock.

    `offered` are the names of the files that indexes have of some pins' versions; about others of which no wheel is here,
    the index is asked once there is a wheelhouse. Raises LockhouseError for what cannot be locked or built; then the
    record stays as it was.
    """
    _refuse_conflicts(current, yard)
    algorithms = {d.algorithm for layer in current.layers.values() for pin in layer.pins for d in pin.hashes}
    inventory = yard.house.inventory(algorithms)
    todo = list(unrecorded(current, yard, inventory))
    todo += [need for need in _moving(current, yard, upgrade) if need not in todo]
    unsure = [need for need in todo if not need.from_source and not need.built]
    unsure += [need for need in _unmet(current, yard, inventory) if need not in todo]
    if unsure:
        todo = [need for need in todo if need not in unsure]
        todo += [need for need in unsure if need.name in offered and _is_without_wheel(need, offered[need.name], yard)]
        unknown = [need for need in unsure if need.name not in offered and (need.buildable or inventory.wheels)]
        if unknown:
            todo += _with_only_an_sdist(unknown, yard)
    made: list[Made] = []
    if todo:
        with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
            locks = _locked(current, todo, yard, scratch, connect=connect, upgrade=upgrade)
            current = current.with_builds(builds.read(current.config, yard.environ))
            made = _built(
                [(need, here, current.builds.locks[need.name]) for need, here in locks.items()], yard, scratch
            )
            for each in made:
                construct.put(each, yard)
            construct.describe(made, yard)
            _record(current, made)
    dropped = _drop_orphans(current)
    current = current.with_builds(builds.read(current.config, yard.environ))
    _record(current, ())
    return Done(made=tuple(made), dropped=dropped)


def _refuse_conflicts(current: Project, yard: Yard) -> None:
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    versions: dict[NormalizedName, Need] = {}
    for need in required:
        other = versions.setdefault(need.name, need)
        if need.from_source and other.version != need.version:
            raise LockhouseError(
                f"{need.label} and {other.label} would both be built, and there is one build lock for a project",
                where=need.pins[0].location,
                hint="let the layers agree on one version",
            )


def _moving(current: Project, yard: Yard, upgrade: Callable[[BuildLock], Sequence[str]]) -> Iterator[Need]:
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    for need in required:
        lock = current.builds.locks.get(need.name)
        if lock and upgrade(lock):
            yield need


def _unmet(current: Project, yard: Yard, inventory: Inventory) -> tuple[Need, ...]:
    required, allowed = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    unmet = plan.match(required, allowed, inventory, yard.target).unmet
    return tuple(need for need in unmet if need.hashes and not need.from_source and not need.built)


def _is_without_wheel(need: Need, filenames: Sequence[str], yard: Yard) -> bool:
    candidates = [
        Candidate(filename=name, digests=(), requires_python=None, size=None, origin="", handle=None)
        for name in filenames
    ]
    return plan.has_only_an_sdist(need, candidates, yard.target)


def _with_only_an_sdist(needs: Sequence[Need], yard: Yard) -> list[Need]:
    def ask(need: Need) -> bool:
        candidates = [source.at(need.url)] if need.url else source.candidates(need.name, need.version).candidates
        return plan.has_only_an_sdist(need, candidates, yard.target)

    with yard.connect() as source, ThreadPoolExecutor(yard.config.connections) as threads:
        return [need for need, only in zip(needs, threads.map(ask, needs), strict=True) if only]


def _locked(
    current: Project,
    needs: Sequence[Need],
    yard: Yard,
    scratch: Path,
    *,
    connect: Callable[[], Compiler],
    upgrade: Callable[[BuildLock], Sequence[str]],
) -> Mapping[Need, Sdist]:
    """Bring the build locks of the needs up to date: with what the sdist asks for, then with what its backend does."""
    here = construct.fetched_sdists(needs, yard)
    compiler = connect()
    asked: dict[Need, tuple[str, ...]] = {}

    def compile_lock(need: Need) -> None:
        yard.say(f"locking what {need.label} is built with")
        path = current.config.root / builds.FOLDER / f"{need.name}.in"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        text = builds.source_text(here[need].path.name, here[need].digest, asked[need], before)
        files.write_if_different(path, text)
        lock = builds.load(need.name, current.config, yard.environ)
        if not lock.layer.lock or any(of_lock(lock, need.pins, yard.target)) or upgrade(lock):
            resolution.run(lock.layer, current.config, compiler, upgrade=upgrade(lock))

    def compile_all(some: Sequence[Need]) -> dict[NormalizedName, BuildLock]:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(compile_lock, some))
        known = builds.read(current.config, yard.environ).locks
        construct.fetched_inputs([known[need.name] for need in needs], known.values(), yard)
        return dict(known)

    for need in needs:
        asked[need] = construct.build_system(here[need], scratch).build_system.requires
    locks = compile_all(needs)
    with ThreadPoolExecutor(2) as threads:
        more = list(
            threads.map(lambda need: construct.asked_by_backend(here[need], locks[need.name], yard, scratch), needs)
        )
    wanting = [need for need, extra in zip(needs, more, strict=True) if set(extra) - set(asked[need])]
    asked |= {need: (*asked[need], *extra) for need, extra in zip(needs, more, strict=True)}
    if wanting:
        compile_all(wanting)
    return here


def _built(jobs: Sequence[tuple[Need, Sdist, BuildLock]], yard: Yard, scratch: Path) -> list[Made]:
    outcomes = list(construct.made(jobs, yard, scratch))
    errors = [outcome for _, outcome in outcomes if isinstance(outcome, LockhouseError)]
    if errors:
        hint = next((error.hint for error in errors if error.hint), None)
        raise LockhouseError("\n".join(str(error) for error in errors), hint=hint)
    return [outcome for _, outcome in outcomes if isinstance(outcome, Made)]


def _record(current: Project, made: Sequence[Made]) -> None:
    """Add what was built, and drop the lines of sdists and build locks that are gone."""
    record: Record = current.builds.record
    for each in made:
        record = record.with_(each.line)
    valid = {
        line
        for layer in current.layers.values()
        for pin in layer.pins
        if (lock := current.builds.locks.get(pin.name))
        for line in record.for_sdist(frozenset(pin.hashes))
        if line.build_lock == lock.digest
    }
    # A layer that is not locked yet may pin what these lines are about.
    if all(layer.lock for layer in current.layers.values()):
        record = record.without(lambda line: line not in valid)
    record.write(current.config.root / builds.RECORD)


def _drop_orphans(current: Project) -> tuple[NormalizedName, ...]:
    if not all(layer.lock for layer in current.layers.values()):
        return ()
    pinned = {pin.name for layer in current.layers.values() for pin in layer.pins}
    dropped = tuple(sorted(current.builds.locks.keys() - pinned))
    for name in dropped:
        for suffix in (".in", ".txt"):
            (current.config.root / builds.FOLDER / f"{name}{suffix}").unlink(missing_ok=True)
    return dropped
