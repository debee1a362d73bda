"""The step `wheelhouse`: make the directory exactly what the locks say.

Uses the network only for bytes whose hash is locked; a complete wheelhouse needs none. Stops with an error, keeping
what came, where anything is missing in the end.
"""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

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
# How many seconds an interruption waits for transfers to notice.
_GRACE = 2.0
# How many pins one error names.
_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fill did: file names that were fetched and removed, how many were kept, and the bytes that came."""

    fetched: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    bytes: int
    strays: tuple[str, ...]


class IncompleteError(LockhouseError):
    """Some needs could not be met; `failures` has one entry for each reason, and what came has been kept."""

    def __init__(self, count: int, failures: Sequence[tuple[Need, LockhouseError]]) -> None:
        super().__init__(f"{count} wheel{'s' if count > 1 else ''} could not be had")
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
        unmet = plan.match(required, allowed, inventory, target).unmet
        origins = house.origins()
        fetched = _Fetched()
        if unmet:
            with connect() as source, progress:
                progress.expect(len(unmet))
                fetched = _Fetch(house, source, target, progress).all(unmet, connections)
            origins |= {arrival.stored.filename: arrival.origin for arrival in fetched.arrivals}
            inventory = _with(inventory, fetched.arrivals)
        after = plan.match(required, allowed, inventory, target)
        failed = {need for need, _ in fetched.failures}
        failures = [*fetched.failures, *((need, _overwritten()) for need in after.unmet if need not in failed)]
        spare = {stored.filename for stored in after.spare}
        house.describe((stored for stored in inventory.wheels if stored.filename not in spare), origins)
        if failures:
            raise IncompleteError(len(failures), _by_reason(failures))
        useless = {stray.filename for stray in inventory.strays if stray.removable}
        for filename in spare | useless:
            house.remove(filename)
    names = {arrival.stored.filename for arrival in fetched.arrivals}
    return Outcome(
        fetched=tuple(sorted(names)),
        removed=tuple(sorted(spare | useless)),
        kept=len(inventory.wheels) - len(names) - len(spare),
        bytes=sum(arrival.stored.size for arrival in fetched.arrivals),
        strays=tuple(stray.filename for stray in inventory.strays if not stray.removable),
    )


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A wheel that was fetched, verified and put in place."""

    stored: StoredWheel
    origin: str


_Failure: TypeAlias = tuple[Need, LockhouseError]


@dataclass(frozen=True, slots=True)
class _Fetched:
    arrivals: tuple[_Arrival, ...] = ()
    failures: tuple[_Failure, ...] = ()


def _with(inventory: Inventory, arrivals: Sequence[_Arrival]) -> Inventory:
    new = {arrival.stored.filename: arrival.stored for arrival in arrivals}
    old = {stored.filename: stored for stored in inventory.wheels}
    wheels = tuple(sorted((old | new).values(), key=lambda stored: stored.filename))
    strays = tuple(stray for stray in inventory.strays if stray.filename not in new)
    return Inventory(present=True, wheels=wheels, strays=strays)


def _overwritten() -> FetchError:
    return FetchError(
        "two layers lock different bytes under one file name, and only one of them can be there",
        hint="let one layer build on the other by `-c`, then run `make lock`",
    )


def _by_reason(failures: Sequence[_Failure]) -> list[_Failure]:
    """Return one failure for each reason, naming the first pins that it keeps from being met."""
    groups: dict[tuple[str, str | None], list[Need]] = {}
    for need, error in sorted(failures, key=lambda failure: failure[0].name):
        groups.setdefault((error.reason, error.hint), []).append(need)
    told: list[_Failure] = []
    for (reason, hint), needs in groups.items():
        more = f" and {len(needs) - _NAMED} more" if len(needs) > _NAMED else ""
        labels = ", ".join(need.label for need in needs[:_NAMED]) + more
        told.append((needs[0], FetchError(f"{labels}: {reason}", where=needs[0].pins[0].location, hint=hint)))
    return told


@dataclass(frozen=True, slots=True)
class _Fetch:
    house: Wheelhouse
    source: Source
    target: Target
    progress: Progress

    def all(self, needs: Sequence[Need], connections: int) -> _Fetched:
        """Meet every need, in parallel, and return what came and what failed; an interruption leaves nothing running."""
        todo: SimpleQueue[Need] = SimpleQueue()
        done: SimpleQueue[tuple[Need, _Arrival | BaseException]] = SimpleQueue()
        stop = threading.Event()
        for need in needs:
            todo.put(need)

        def work() -> None:
            with contextlib.suppress(Empty):
                while not stop.is_set():
                    need = todo.get_nowait()
                    try:
                        done.put((need, self._one(need, stop)))
                    except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                        done.put((need, error))

        # Daemons, because the interpreter waits for the threads of an executor, which may hang on a silent server.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(connections, len(needs)))]
        for thread in threads:
            thread.start()
        try:
            return self._gathered(done, len(needs))
        except BaseException:
            stop.set()
            deadline = time.monotonic() + _GRACE
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            raise

    def _gathered(self, done: "SimpleQueue[tuple[Need, _Arrival | BaseException]]", count: int) -> _Fetched:
        arrivals: list[_Arrival] = []
        failures: list[_Failure] = []
        for _ in range(count):
            need, outcome = done.get()
            if isinstance(outcome, _Arrival):
                arrivals.append(outcome)
                self.progress.finished(outcome.stored.filename)
            elif isinstance(outcome, LockhouseError):
                failures.append((need, outcome))
            else:
                raise outcome
        return _Fetched(tuple(arrivals), tuple(failures))

    def _one(self, need: Need, stop: threading.Event) -> _Arrival:
        if not need.hashes:
            raise FetchError(
                "the lock has no sha256 or stronger hash that all its layers share",
                hint="run `make check`, then `make lock`",
            )
        if need.url is not None:
            candidates: tuple[Candidate, ...] = (self.source.at(need.url),)
            failures: tuple[str, ...] = ()
        else:
            listing = self.source.candidates(need.name)
            candidates, failures = listing.candidates, listing.failures
        refused: list[FetchError] = []
        for wheel, candidate in plan.offers(need, candidates, self.target):
            arrival = self._download(need, wheel, candidate, refused, stop)
            if arrival:
                return arrival
        if why := [error.reason for error in refused] or failures:
            hints = [error.hint for error in refused if error.hint]
            raise FetchError("; ".join(why), hint=hints[0] if hints else "run `make wheelhouse` again")
        hint = f"if the lock is out of date, run `make upgrade P={need.name}`"
        raise FetchError(plan.why_none(need, candidates, self.target), hint=hint)

    def _download(
        self, need: Need, wheel: WheelName, candidate: Candidate, refused: list[FetchError], stop: threading.Event
    ) -> _Arrival | None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._attempt(need, wheel, candidate, stop)
            except FetchError as error:
                if attempt == _ATTEMPTS or not error.transient or stop.is_set():
                    refused.append(FetchError(f"{candidate.filename}: {error.reason}", hint=error.hint))
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
