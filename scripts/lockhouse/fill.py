"""The step `wheelhouse`: make the directory exactly what the locks say.

Uses the network only for bytes whose hash is locked; a complete wheelhouse needs none. Stops with an error, keeping
what came, where anything is missing in the end.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass

from lockhouse import plan
from lockhouse.digest import Digest
from lockhouse.errors import FetchError, LockhouseError
from lockhouse.plan import Need
from lockhouse.progress import Progress
from lockhouse.source import Candidate, Source
from lockhouse.target import Target
from lockhouse.wheel import WheelName
from lockhouse.wheelhouse import Inventory, StoredWheel, Wheelhouse

# How often one file is asked for when transfers break.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fill did: file names that were fetched and removed, how many were kept, and the bytes that came."""

    fetched: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    bytes: int
    strays: tuple[str, ...]


class IncompleteError(LockhouseError):
    """Some needs could not be met; `failures` has one entry for each, and what came has been kept."""

    def __init__(self, failures: Sequence[tuple[Need, LockhouseError]]) -> None:
        plural = "s" if len(failures) > 1 else ""
        super().__init__(f"{len(failures)} wheel{plural} could not be had")
        self.failures = tuple(failures)


def fill(
    house: Wheelhouse,
    *,
    required: Sequence[Need],
    allowed: Sequence[Need],
    target: Target,
    connect: Callable[[], AbstractContextManager[Source]],
    connections: int,
    progress: Progress,
    waiting: Callable[[], None],
) -> Outcome:
    """Fetch what is needed and not there, remove what nobody asks for, and write down what there is.

    `connect` is called only if something must be fetched. Raises IncompleteError when wheels are missing in the end;
    then nothing has been removed.
    """
    algorithms = {digest.algorithm for need in (*required, *allowed) for digest in need.hashes}
    with house.held(waiting):
        inventory = house.inventory(algorithms)
        before = plan.match(required, allowed, inventory, target)
        origins = house.origins()
        arrivals: tuple[_Arrival, ...] = ()
        if before.unmet:
            with connect() as source, progress:
                progress.expect(len(before.unmet))
                arrivals = _Fetch(house, source, target, progress).all(before.unmet, connections)
            origins |= {arrival.stored.filename: arrival.origin for arrival in arrivals}
            inventory = _with(inventory, arrivals)
        after = plan.match(required, allowed, inventory, target)
        spare = {stored.filename for stored in after.spare}
        links = {stray.filename for stray in inventory.strays if (house.path / stray.filename).is_symlink()}
        for filename in spare | links:
            house.remove(filename)
        house.describe((stored for stored in inventory.wheels if stored.filename not in spare), origins)
    return Outcome(
        fetched=tuple(sorted(arrival.stored.filename for arrival in arrivals)),
        removed=tuple(sorted(spare | links)),
        kept=len(inventory.wheels) - len(arrivals) - len(spare),
        bytes=sum(arrival.stored.size for arrival in arrivals),
        strays=tuple(stray.filename for stray in inventory.strays if stray.filename not in links),
    )


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A wheel that was fetched, verified and put in place."""

    stored: StoredWheel
    origin: str


def _with(inventory: Inventory, arrivals: Sequence[_Arrival]) -> Inventory:
    new = {arrival.stored.filename: arrival.stored for arrival in arrivals}
    old = {stored.filename: stored for stored in inventory.wheels}
    wheels = tuple(sorted((old | new).values(), key=lambda stored: stored.filename))
    strays = tuple(stray for stray in inventory.strays if stray.filename not in new)
    return Inventory(present=True, wheels=wheels, strays=strays)


@dataclass(frozen=True, slots=True)
class _Fetch:
    house: Wheelhouse
    source: Source
    target: Target
    progress: Progress

    def all(self, needs: Sequence[Need], connections: int) -> tuple[_Arrival, ...]:
        """Meet every need, in parallel; raises IncompleteError at the end with all that failed."""
        arrivals: list[_Arrival] = []
        failures: list[tuple[Need, LockhouseError]] = []
        stop = threading.Event()
        with ThreadPoolExecutor(max_workers=min(connections, len(needs))) as pool:
            futures = {pool.submit(self._one, need, stop): need for need in needs}
            try:
                for future in as_completed(futures):
                    try:
                        arrivals.append(future.result())
                    except LockhouseError as error:
                        failures.append((futures[future], error))
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if failures:
            raise IncompleteError(sorted(failures, key=lambda failure: failure[0].name))
        return tuple(arrivals)

    def _one(self, need: Need, stop: threading.Event) -> _Arrival:
        if not need.hashes:
            raise FetchError(f"{need.label} has no sha256 or stronger hash in the lock", where=need.pins[0].location)
        if need.url is not None:
            candidates: tuple[Candidate, ...] = (self.source.at(need.url),)
            failures: tuple[str, ...] = ()
        else:
            listing = self.source.candidates(need.name)
            candidates, failures = listing.candidates, listing.failures
        refused: list[str] = []
        for wheel, candidate in plan.offers(need, candidates, self.target):
            arrival = self._download(need, wheel, candidate, refused, stop)
            if arrival:
                self.progress.finished(arrival.stored.filename)
                return arrival
        why = refused or failures or [plan.why_none(need, candidates, self.target)]
        raise FetchError(f"{need.label}: {'; '.join(why)}", where=need.pins[0].location, hint=_hint(need, refused))

    def _download(
        self, need: Need, wheel: WheelName, candidate: Candidate, refused: list[str], stop: threading.Event
    ) -> _Arrival | None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._attempt(need, wheel, candidate, stop)
            except FetchError as error:
                if attempt == _ATTEMPTS or not error.transient:
                    refused.append(f"{candidate.filename}: {error.reason}")
                    break
        return None

    def _attempt(self, need: Need, wheel: WheelName, candidate: Candidate, stop: threading.Event) -> _Arrival:
        hashers = {name: hashlib.new(name) for name in {"sha256", *(digest.algorithm for digest in need.hashes)}}
        count = 0
        with self.house.incoming() as (file, put):
            for chunk in self.source.read(candidate):
                if stop.is_set():
                    raise FetchError("interrupted")
                file.write(chunk)
                count += len(chunk)
                self.progress.received(len(chunk))
                for hasher in hashers.values():
                    hasher.update(chunk)
            digests = tuple(Digest(name, hasher.hexdigest()) for name, hasher in sorted(hashers.items()))
            stored = StoredWheel(wheel=wheel, size=count, digests=digests)
            if not stored.is_any_of(need.hashes):
                raise FetchError(f"what came is not what is locked ({count} bytes from {candidate.origin})")
            put(wheel)
        return _Arrival(stored, candidate.origin)


def _hint(need: Need, refused: Sequence[str]) -> str:
    if refused:
        return "run `make wheelhouse` again; what came whole has been kept"
    return f"if the lock is out of date, run `make upgrade P={need.name}`"


def summary(outcome: Outcome) -> Mapping[str, int]:
    """Return the numbers of an outcome by name, for messages."""
    return {"fetched": len(outcome.fetched), "kept": outcome.kept, "removed": len(outcome.removed)}
