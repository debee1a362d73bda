"""The part of the step `lock` that concerns builds: which pins need one, what their backends ask for, and what they build to.

Nothing is asked of anybody where every build lock answers its source and the record knows what it builds to.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from lockhouse import builds, construct, files, plan, process, resolution
from lockhouse.builds import BuildLock, Builds
from lockhouse.config import Config
from lockhouse.construct import Made, Sdist, Yard
from lockhouse.errors import LockhouseError, ProcessError
from lockhouse.inspection import required_and_allowed
from lockhouse.plan import Need
from lockhouse.project import Project
from lockhouse.record import Record
from lockhouse.requirements import Pin
from lockhouse.resolution import Compiler
from lockhouse.rules import Finding
from lockhouse.rules.builds import of_lock
from lockhouse.source import Candidate
from lockhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was built and recorded, and the build locks that no pin needed any more."""

    made: tuple[Made, ...]
    dropped: tuple[NormalizedName, ...]


def unrecorded(current: Project, yard: Yard) -> tuple[Need, ...]:
    """Return the needs whose build lock is stale, or that the record knows no build of; no network is used."""
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    built = [need for need in required if need.from_source or need.buildable]
    if not built:
        return ()
    inventory = yard.house.inventory({digest.algorithm for need in built for digest in need.hashes})
    chosen = dict(plan.match(built, built, inventory, yard.target).chosen)
    found = []
    for need in built:
        stored = chosen.get(need)
        if stored and not need.from_source and stored.is_any_of(need.hashes):
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

    `offered` are the names of the files that indexes have of some pins' versions; about others the index is asked only
    where the last fill found no wheel. Raises LockhouseError for what cannot be locked or built; then the record stays as
    it was.
    """
    _refuse_conflicts(current, yard)
    todo = list(unrecorded(current, yard))
    todo += [need for need in _moving(current, yard, upgrade) if need not in todo]
    unsure = [need for need in todo if not need.from_source and not need.built]
    unsure += [need for need in _doubtful(current, yard, offered) if need not in todo]
    if unsure:
        todo = [need for need in todo if need not in unsure]
        todo += [need for need in unsure if need.name in offered and _is_without_wheel(need, offered[need.name], yard)]
        unknown = [need for need in unsure if need.name not in offered]
        if unknown:
            todo += _with_only_an_sdist(unknown, yard)
    made: list[Made] = []
    if todo:
        with yard.house.held(yard.waiting), yard.house.scratch() as scratch:
            work = Work(current, yard, scratch, connect(), upgrade)
            made = work.through(todo, yard.house, ())
            construct.describe(made, yard)
    dropped = _drop_orphans(current)
    current = current.with_builds(builds.read(current.config, yard.environ))
    _record(current, ())
    return Done(made=tuple(made), dropped=dropped)


def is_ignored(config: Config, environ: Mapping[str, str]) -> bool:
    """Return whether git would leave build locks out of a commit, as many a `.gitignore` says of any folder `build/`."""
    argv = ["git", "check-ignore", "--quiet", (builds.FOLDER / "name.in").as_posix()]
    try:
        done = process.run(argv, cwd=config.root, environ=process.without(environ, "GIT_"), check=False)
    except ProcessError:
        return False
    return done.returncode == 0


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


def _doubtful(current: Project, yard: Yard, offered: Mapping[NormalizedName, Sequence[str]]) -> tuple[Need, ...]:
    """Return the needs that may have no wheel: those of new locks, and those of which the last fill found none."""
    required, _ = required_and_allowed(current, tuple(current.layers.values()), yard.target)
    names = offered.keys() | yard.house.unbuilt
    return tuple(need for need in required if need.name in names and need.hashes and not need.built)


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


@dataclass(slots=True)
class Work:
    """Locks, builds and records: what the pins need, and before it what their builds need."""

    current: Project
    yard: Yard
    scratch: Path
    compiler: Compiler
    upgrade: Callable[[BuildLock], Sequence[str]]

    def through(self, needs: Sequence[Need], into: Wheelhouse, above: tuple[NormalizedName, ...]) -> list[Made]:
        """Bring needs to recorded wheels in a wheelhouse; `above` are the builds that wait for them."""
        for need in needs:
            if need.name in above:
                circle = " -> ".join((*above[above.index(need.name) :], need.name))
                raise LockhouseError(
                    f"these are needed to build each other, and none of them has a wheel: {circle}",
                    hint=f"have a wheel of one of them on the index, or limit it in requirements/build/{above[-1]}.in",
                )
        here = construct.fetched_sdists(needs, self.yard)
        asked = {need: construct.build_system(here[need], self.scratch).build_system.requires for need in needs}
        known, made = self._with_inputs(needs, here, asked, above)
        with ThreadPoolExecutor(2) as threads:
            more = list(
                threads.map(
                    lambda need: construct.asked_by_backend(
                        here[need], known.locks[need.name], known, self.yard, self.scratch
                    ),
                    needs,
                )
            )
        wanting = [need for need, extra in zip(needs, more, strict=True) if set(extra) - set(asked[need])]
        asked |= {need: (*asked[need], *extra) for need, extra in zip(needs, more, strict=True)}
        if wanting:
            known, inner = self._with_inputs(wanting, here, asked, above)
            made += inner
        built = _built([(need, here[need]) for need in needs], known, self.yard, self.scratch)
        for each in built:
            construct.put(each, into)
        self.current = self.current.with_builds(known)
        _record(self.current, built)
        self._reread()
        return [*made, *built]

    def _with_inputs(
        self,
        needs: Sequence[Need],
        here: Mapping[Need, Sdist],
        asked: Mapping[Need, Sequence[str]],
        above: tuple[NormalizedName, ...],
    ) -> tuple[Builds, list[Made]]:
        """Lock what is asked for, and have it here, built where it must be."""
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda need: self._compile(need, here[need], asked[need]), needs))
        made: list[Made] = []
        self._reread()
        for need in needs:
            made += self.fetched(need.name, above)
        return self.current.builds, made

    def fetched(self, name: NormalizedName, above: tuple[NormalizedName, ...] = ()) -> list[Made]:
        """Have here what a build lock asks for, built where it must be; return what was built."""
        self._reread()
        left = construct.fetched_inputs([name], self.current.builds, self.yard)
        return self.through(left, self.yard.house.inputs, (*above, name)) if left else []

    def _compile(self, need: Need, here: Sdist, asked: Sequence[str]) -> None:
        self.compile(
            need.name,
            need.label,
            lambda before: builds.source_text(here.path.name, here.digest, asked, before),
            lambda lock: of_lock(lock, need.pins, self.yard.target),
        )

    def compile(
        self,
        name: NormalizedName,
        label: str,
        text: Callable[[str], str],
        stale: Callable[[BuildLock], Iterable[Finding]],
    ) -> None:
        """Write the source of a build lock (`text` is given what is there), and lock it where it is `stale` or may move."""
        config = self.current.config
        self.yard.say(f"locking what {label} is built with")
        path = config.root / builds.FOLDER / f"{name}.in"
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        files.write_if_different(path, text(before))
        lock = builds.load(name, config, self.yard.environ)
        options = self.upgrade(lock)
        if not lock.layer.lock or any(stale(lock)) or options:
            resolution.run(lock.layer, config, self.compiler, upgrade=options)

    def _reread(self) -> None:
        self.current = self.current.with_builds(builds.read(self.current.config, self.yard.environ))


def _built(jobs: Sequence[tuple[Need, Sdist]], known: Builds, yard: Yard, scratch: Path) -> list[Made]:
    outcomes = list(construct.made(jobs, known, yard, scratch))
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
        for pin in _pins(current)
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
    pinned = {pin.name for pin in _pins(current)} | current.local.keys()
    dropped = tuple(sorted(current.builds.locks.keys() - pinned))
    for name in dropped:
        for suffix in (".in", ".txt"):
            (current.config.root / builds.FOLDER / f"{name}{suffix}").unlink(missing_ok=True)
    return dropped


def _pins(current: Project) -> list[Pin]:
    return [*(pin for layer in current.layers.values() for pin in layer.pins), *current.builds.pins]
