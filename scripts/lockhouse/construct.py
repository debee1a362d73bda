"""Wheels built from source: the sdist by its locked hash, an environment of exactly the locked build wheels, no network.

What a build gives is believed only if the record says the same; who may write the record is the caller's business.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from lockhouse import building, builds, contents, engines, fill, hashing, install, plan, sdist
from lockhouse.building import Workshop
from lockhouse.builds import BuildLock, Builds
from lockhouse.config import Config
from lockhouse.digest import Digest
from lockhouse.errors import FetchError, LockhouseError
from lockhouse.filenames import SdistName, WheelName
from lockhouse.plan import Need
from lockhouse.progress import Progress
from lockhouse.receive import receive
from lockhouse.record import Line
from lockhouse.sdist import Unpacked
from lockhouse.source import Source
from lockhouse.target import Target
from lockhouse.wheelhouse import Wheelhouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """Where builds happen, and through what: `connect` is called only if something must be fetched."""

    house: Wheelhouse
    target: Target
    config: Config
    environ: Mapping[str, str]
    connect: Callable[[], AbstractContextManager[Source]]
    progress: Callable[[], Progress]
    say: Callable[[str], None]
    waiting: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """A source distribution that is here, with the locked digest of its bytes."""

    path: Path
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A wheel that was built: its bytes in a scratch file, the line that would record it, and how it was built."""

    need: Need
    path: Path
    wheel: WheelName
    line: Line
    origin: str


def fetched_sdists(needs: Sequence[Need], yard: Yard) -> dict[Need, Sdist]:
    """Return the sdist of every need, fetched by its locked hash where it is not here; what no need asks for stays.

    Raises FetchError where one cannot be had.
    """
    found = _sdists_here(needs, yard)
    missing = [need for need in needs if need not in found]
    if missing:
        yard.house.sdist_folder.mkdir(parents=True, exist_ok=True)
        with yard.connect() as source, yard.progress() as progress:
            progress.expect(len(missing))
            with ThreadPoolExecutor(yard.config.connections) as threads:
                fetch = threads.map(lambda need: _fetch_sdist(need, source, yard, progress), missing)
                found |= dict(zip(missing, fetch, strict=True))
    return found


def _fetch_sdist(need: Need, source: Source, yard: Yard, progress: Progress) -> Sdist:
    if need.url is not None:
        candidates = [source.at(need.url)]
    else:
        listing = source.candidates(need.name, need.version)
        candidates = plan.sdists(need, listing.candidates)
        if not candidates:
            raise FetchError(
                f"{need.label}: no index has a source distribution that the lock allows",
                where=need.pins[0].location,
                hint="; ".join(listing.failures) or "its lock must hold the hash of the sdist: run `make lock`",
            )
    errors = []
    for candidate in candidates:
        progress.began(candidate.filename)
        handle, name = tempfile.mkstemp(dir=yard.house.sdist_folder, prefix=".", suffix=".part")
        scratch = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:
                _, digests = receive(source, candidate, need.hashes, file, progress.received)
            final = yard.house.sdist_folder / SdistName.parse(candidate.filename, need.name).filename
            scratch.replace(final)
            progress.finished(candidate.filename)
            return Sdist(path=final, digest=next(digest for digest in digests if digest in need.hashes))
        except FetchError as error:
            errors.append(error.reason)
        finally:
            scratch.unlink(missing_ok=True)
    raise FetchError(
        f"{need.label}: {'; '.join(errors)}", where=need.pins[0].location, hint="run `make wheelhouse` again"
    )


def _sdists_here(needs: Sequence[Need], yard: Yard) -> dict[Need, Sdist]:
    there = yard.house.sdists({digest.algorithm for need in needs for digest in need.hashes})
    return {
        need: Sdist(path=yard.house.sdist_folder / stored.filename, digest=min(stored.digests & need.hashes))
        for need in needs
        for stored in there
        if stored.digests & need.hashes and need.is_for_sdist(stored.filename)
    }


def build_needs(locks: Iterable[BuildLock], known: Builds, target: Target) -> tuple[Need, ...]:
    """Return the wheels that the build locks ask for; every build lock is an environment of its own."""
    return plan.needs([lock.layer.pins for lock in locks], target, builds=known)


def fetched_inputs(names: Iterable[NormalizedName], known: Builds, yard: Yard) -> tuple[Need, ...]:
    """Have every wheel of these build locks here, and no other; return what must be built itself. Raises IncompleteError."""
    outcome = fill.fill(
        yard.house.inputs,
        required=build_needs([known.locks[name] for name in names], known, yard.target),
        allowed=build_needs(known.locks.values(), known, yard.target),
        target=yard.target,
        undecided=lambda _: False,
        connect=yard.connect,
        connections=yard.config.connections,
        progress=yard.progress(),
        waiting=yard.waiting,
        leave_sdists=True,
    )
    return outcome.left


def asked_by_backend(here: Sdist, lock: BuildLock, known: Builds, yard: Yard, scratch: Path) -> tuple[str, ...]:
    """Return what the sdist's backend asks for beyond `build-system.requires` (PEP 517). Raises BuildError."""
    workshop = _workshop(here, lock, known, yard, scratch)
    try:
        return building.requires(workshop)
    except LockhouseError as error:
        raise named(error, lock) from error


def named(error: LockhouseError, lock: BuildLock) -> LockhouseError:
    """Return the error with a hint that names the build lock."""
    # Whoever builds does not know where the build lock is that could be mended.
    if error.hint:
        error.hint = error.hint.replace("build/NAME.in", f"build/{lock.name}.in")
    return error


def build_system(here: Sdist, scratch: Path) -> Unpacked:
    """Unpack an sdist, and return what it says about its build."""
    return sdist.unpack(here.path, Path(tempfile.mkdtemp(dir=scratch)))


def made(
    jobs: Sequence[tuple[Need, Sdist]], known: Builds, yard: Yard, scratch: Path
) -> Iterator[tuple[Need, "Made | LockhouseError"]]:
    """Build every need, as many at a time as there are cores, and yield each as it is given, failures as errors.

    `scratch` is the caller's, and must be gone when he is done.
    """

    def build(job: tuple[Need, Sdist]) -> "Made | LockhouseError":
        need, here = job
        try:
            return _made(need, here, known, yard, scratch)
        except LockhouseError as error:
            return named(error, known.locks[need.name])

    before = committed(yard.config)
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        outcomes = list(threads.map(build, jobs))
    # Where the system cuts builds off they cannot do that; elsewhere they must not go unnoticed.
    refuse_changes(before, yard.config, ", ".join(need.label for need, _ in jobs))
    yield from zip((need for need, _ in jobs), outcomes, strict=True)


def committed(config: Config) -> set[tuple[str, Digest]]:
    """Return the locks, build locks and record as they are now: no build may change them."""
    paths = [config.root / layer.lock for layer in config.layers.values()]
    paths += [*(config.root / builds.FOLDER).glob("*"), config.root / builds.RECORD]
    return {(path.relative_to(config.root).as_posix(), hashing.digests(path)[0]) for path in paths if path.is_file()}


def refuse_changes(before: Set[tuple[str, Digest]], config: Config, built: str) -> None:
    """Raise LockhouseError where something that is committed is not as it was before a build."""
    if changed := sorted(path for path, _ in before ^ committed(config)):
        raise LockhouseError(
            f"{', '.join(dict.fromkeys(changed))} changed while {built} was built",
            hint="look at what changed there, and take it back; nothing of this build was kept",
        )


def _made(need: Need, here: Sdist, known: Builds, yard: Yard, scratch: Path) -> Made:
    yard.say(f"building {need.label}")
    lock = known.locks[need.name]
    workshop = _workshop(here, lock, known, yard, scratch)
    try:
        done = building.build(workshop)
    finally:
        keep_logs(workshop, need.name, yard)
    name = WheelName.parse(done.wheel.name)
    if not need.is_for(name):
        raise LockhouseError(
            f"{here.path.name} builds to {name.filename}, which is not {need.label}", where=need.pins[0].location
        )
    if yard.target.rank(name.tags) is None:
        raise LockhouseError(
            f"{here.path.name} builds to {name.filename}, which does not fit {yard.target.name}",
            where=need.pins[0].location,
        )
    content = contents.read(done.wheel, name, deep=True)
    if wrong := (*content.misnamed, *content.broken):
        raise LockhouseError(f"{here.path.name} builds to a wheel that is not sound: {'; '.join(wrong)}")
    build_lock = lock.digest
    if build_lock is None:
        raise LockhouseError(f"{need.label} has no build lock", hint="run `make lock`")
    line = Line(
        wheel=name.filename,
        digest=hashing.digests(done.wheel)[0],
        sdist=here.path.name,
        sdist_digest=here.digest,
        build_lock=build_lock,
    )
    how = {"namespaces": "cut off from network and other files", "scrubbed": "not cut off by the system"}[
        done.isolation
    ]
    tied = "; tied to this machine's libraries" if _is_tied(name) else ""
    origin = f"built from {here.path.name}, {how}, with {done.toolchain}{tied}"
    return Made(need=need, path=done.wheel, wheel=name, line=line, origin=origin)


def keep_logs(workshop: Workshop, name: NormalizedName, yard: Yard) -> None:
    """Keep the logs of a project's build in the wheelhouse, where it can be written to."""
    folder = yard.house.state / "logs"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for log in workshop.scratch.glob("*.log"):
            if log.is_file() and not log.is_symlink():
                shutil.copyfile(log, folder / f"{name}-{log.name}")


def _is_tied(name: WheelName) -> bool:
    return any(tag.platform.startswith("linux_") for tag in name.tags)


def _workshop(here: Sdist, lock: BuildLock, known: Builds, yard: Yard, scratch: Path) -> Workshop:
    own = Path(tempfile.mkdtemp(dir=scratch, prefix=f"{lock.name}-"))
    if hashing.digests(here.path, {here.digest.algorithm})[0] != here.digest:
        raise LockhouseError(f"{here.path.name} is not the locked sdist any more", hint="run `make wheelhouse` again")
    (own / "source").mkdir()
    unpacked = sdist.unpack(here.path, own / "source")
    return Workshop(
        source=unpacked.folder,
        scratch=own,
        epoch=unpacked.epoch,
        environment=furnished(lock, known, yard, own),
        environ=yard.environ,
        isolation=yard.config.build_isolation,
    )


def furnished(lock: BuildLock, known: Builds, yard: Yard, folder: Path) -> Path:
    """Make an environment of exactly the locked build wheels below a folder, and return it; LockhouseError if one lacks."""
    needs = build_needs([lock], known, yard.target)
    inventory = yard.house.inputs.inventory({digest.algorithm for need in needs for digest in need.hashes})
    match = plan.match(needs, needs, inventory, yard.target)
    if match.unmet:
        missing = ", ".join(need.label for need in match.unmet)
        raise LockhouseError(
            f"the build wheels of {lock.name} are not all here: {missing}", hint="run `make wheelhouse`"
        )
    request = install.Request(
        house=yard.house.inputs,
        venv=folder / "environment",
        target=yard.target,
        environ=yard.environ,
        # One installer everywhere: nothing about a build may hang on which ones a machine has.
        engine=lambda: engines.choose("pip", yard.environ),
        compiled=True,
    )
    install.install(match.chosen, request)
    return request.venv


def put(each: Made, house: Wheelhouse) -> None:
    """Put a built wheel into a wheelhouse, if its bytes are still those that were built."""
    hasher = hashlib.sha256()
    with house.incoming() as (file, give_name), each.path.open("rb") as built:
        while chunk := built.read(1 << 20):
            hasher.update(chunk)
            file.write(chunk)
        if hasher.hexdigest() != each.line.digest.hex:
            raise LockhouseError(f"{each.wheel.filename} changed while it was put into the wheelhouse")
        give_name(each.wheel)


def describe(made: Iterable[Made], yard: Yard) -> None:
    """Write down what is in the wheelhouse now, and how what was built came about."""
    origins = {each.wheel.filename: each.origin for each in made}
    yard.house.describe(yard.house.inventory().wheels, yard.house.origins() | origins)


def keep_aside(each: Made, yard: Yard) -> Path:
    """Keep a build that nothing vouches for, where no installer looks; return where."""
    folder = yard.house.state / "unrecorded"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / each.wheel.filename
    shutil.copyfile(each.path, kept)
    return kept


def differing_members(one: Path, other: Path) -> list[str]:
    """Return the members of two wheels that are not the same in both, by name."""
    with zipfile.ZipFile(one) as left, zipfile.ZipFile(other) as right:
        ours, theirs = (
            {info.filename: (info.CRC, info.file_size) for info in each.infolist()} for each in (left, right)
        )
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def drop_unneeded(needs: Iterable[Need], yard: Yard) -> None:
    """Remove the sdists that none of the needs is built from."""
    hashes = {digest for need in needs for digest in need.hashes}
    for stored in yard.house.sdists({digest.algorithm for digest in hashes}):
        if stored.digests.isdisjoint(hashes):
            (yard.house.sdist_folder / stored.filename).unlink(missing_ok=True)
