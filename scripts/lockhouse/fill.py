"""The step `wheelhouse`: make the directory exactly what the locks say.

Uses the network only for bytes whose hash is locked; a complete wheelhouse needs none. Stops with an error, keeping
what came, where anything is missing in the end.
"""

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

from lockhouse import plan
from lockhouse.errors import FetchError, LockhouseError
from lockhouse.filenames import WheelName
from lockhouse.plan import Need
from lockhouse.progress import Progress
from lockhouse.receive import receive
from lockhouse.source import Candidate, Listing, Source
from lockhouse.target import Target
from lockhouse.wheelhouse import Inventory, StoredWheel, Wheelhouse

# A wheel of so many bytes is begun as soon as it is known: the longest transfers decide when all is done.
_BIG = 4_000_000
# How many seconds an interruption waits for transfers to notice.
_GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fill did: file names that were fetched and removed, how many were kept, and the bytes that came.

    `left` are the needs that must be built from source.
    """

    fetched: tuple[str, ...]
    removed: tuple[str, ...]
    kept: int
    bytes: int
    strays: tuple[str, ...]
    left: tuple[Need, ...]


class OnlySdistError(FetchError):
    """There is no wheel of a need for the target, but a source distribution that the lock allows."""


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
    undecided: Callable[[StoredWheel], bool],
    connect: Callable[[], AbstractContextManager[Source]],
    connections: int,
    progress: Progress,
    waiting: Callable[[], None],
    leave_sdists: bool = False,
) -> Outcome:
    """Fetch what is needed and not there, remove what nobody asks for, and write down what there is.

    With `leave_sdists`, whatever has a source distribution alone is `left`; otherwise only what has a build lock is.
    Wheels that `undecided` holds for are never removed. `connect` is called only if something must be fetched. Raises
    IncompleteError when wheels are missing in the end; then nothing has been removed.
    """
    algorithms = {digest.algorithm for need in (*required, *allowed) for digest in need.hashes}
    with house.held(waiting):
        inventory = house.inventory(algorithms)
        unmet = plan.match(required, allowed, inventory, target).unmet
        origins = house.origins()
        fetched = _Fetched()
        left = {need for need in unmet if need.from_source or need.built}
        if wanted := [need for need in unmet if need not in left]:
            with connect() as source, progress:
                progress.expect(len(wanted))
                fetched = _Fetch(house, source, target, progress).all(wanted, connections)
            origins |= {arrival.stored.filename: arrival.origin for arrival in fetched.arrivals}
            inventory = _with(inventory, fetched.arrivals)
        after = plan.match(required, allowed, inventory, target)
        left |= {
            need
            for need, error in fetched.failures
            if isinstance(error, OnlySdistError) and (need.buildable or leave_sdists)
        }
        failures = [(need, error) for need, error in fetched.failures if need not in left]
        house.note_unbuilt(need.name for need, error in failures if isinstance(error, OnlySdistError))
        failed = {need for need, _ in failures}
        failures += [(need, _overwritten()) for need in after.unmet if need not in failed | left]
        spare = {stored.filename for stored in after.spare if not undecided(stored)}
        house.describe((stored for stored in inventory.wheels if stored.filename not in spare), origins)
        if failures:
            raise IncompleteError(len(failures), _by_reason(failures))
        useless = {stray.filename for stray in inventory.strays if stray.removable}
        for filename in spare | useless:
            house.remove(filename)
        if not left:
            house.filled()
    names = {arrival.stored.filename for arrival in fetched.arrivals}
    return Outcome(
        fetched=tuple(sorted(names)),
        removed=tuple(sorted(spare | useless)),
        kept=len(inventory.wheels) - len(names) - len(spare),
        bytes=sum(arrival.stored.size for arrival in fetched.arrivals),
        strays=tuple(stray.filename for stray in inventory.strays if not stray.removable),
        left=tuple(sorted(left, key=lambda need: need.label)),
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
    """Return one failure for each reason, naming every pin that it keeps from being met."""
    groups: dict[tuple[str, str | None], list[Need]] = {}
    for need, error in sorted(failures, key=lambda failure: failure[0].name):
        groups.setdefault((error.reason, error.hint), []).append(need)
    told: list[_Failure] = []
    for (reason, hint), needs in groups.items():
        labels = ", ".join(need.label for need in needs)
        told.append((needs[0], FetchError(f"{labels}: {reason}", where=needs[0].pins[0].location, hint=hint)))
    return told


class _Fetch:
    """Meets needs in parallel: pages first, but a big wheel as soon as it is known, then the rest, biggest first."""

    def __init__(self, house: Wheelhouse, source: Source, target: Target, progress: Progress) -> None:
        self._house = house
        self._source = source
        self._target = target
        self._progress = progress
        self._condition = threading.Condition()
        self._unlisted: list[Need] = []
        self._listing = 0
        self._offered: list[tuple[int, int, _Offer]] = []
        self._stop = threading.Event()
        self._done: SimpleQueue[tuple[Need, _Arrival | BaseException]] = SimpleQueue()

    def all(self, needs: Sequence[Need], connections: int) -> _Fetched:
        """Meet every need, and return what came and what failed; an interruption leaves nothing running."""
        self._unlisted = list(reversed(needs))
        # Daemons, because the interpreter waits for the threads of an executor, which may hang on a silent server.
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(min(connections, len(needs)))]
        for thread in threads:
            thread.start()
        try:
            return self._gathered(len(needs))
        except BaseException:
            self._stop.set()
            with self._condition:
                self._condition.notify_all()
            deadline = time.monotonic() + _GRACE
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
            raise

    def _gathered(self, count: int) -> _Fetched:
        arrivals: list[_Arrival] = []
        failures: list[_Failure] = []
        for _ in range(count):
            need, outcome = self._done.get()
            if isinstance(outcome, _Arrival):
                arrivals.append(outcome)
                self._progress.finished(outcome.stored.filename)
            elif isinstance(outcome, LockhouseError):
                failures.append((need, outcome))
            else:
                raise outcome
        return _Fetched(tuple(arrivals), tuple(failures))

    def _work(self) -> None:
        while job := self._next():
            need = job.need if isinstance(job, _Offer) else job
            try:
                if isinstance(job, _Offer):
                    self._done.put((need, self._download(job)))
                else:
                    self._list(job)
            except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
                self._done.put((need, error))

    def _next(self) -> "Need | _Offer | None":
        """Return what a free thread should do next; None when nothing is left that it could do."""
        with self._condition:
            while not self._stop.is_set():
                if self._offered and (not self._unlisted or -self._offered[0][0] >= _BIG):
                    return heapq.heappop(self._offered)[2]
                if self._unlisted:
                    self._listing += 1
                    return self._unlisted.pop()
                if not self._listing:
                    return None
                self._condition.wait()
            return None

    def _list(self, need: Need) -> None:
        offer: _Offer | None = None
        try:
            offer = self._offer(need)
            self._progress.sized(offer.wheels[0][1].size or 0)
        finally:
            # Both at once: a thread that sees nothing listed and nothing offered goes home.
            with self._condition:
                self._listing -= 1
                if offer is not None:
                    heapq.heappush(self._offered, (-(offer.wheels[0][1].size or 0), id(offer), offer))
                self._condition.notify_all()

    def _offer(self, need: Need) -> "_Offer":
        if not need.hashes:
            raise FetchError(
                "the lock has no sha256 or stronger hash that all its layers share",
                hint="run `make check`, then `make lock`",
            )
        if need.url is not None:
            listing = Listing(candidates=(self._source.at(need.url),), others=0, failures=())
        else:
            listing = self._source.candidates(need.name, need.version)
        wheels = plan.offers(need, listing.candidates, self._target)
        if wheels:
            return _Offer(need, wheels)
        if listing.failures:
            raise FetchError("; ".join(listing.failures), hint="run `make wheelhouse` again")
        why = plan.why_none(need, listing, self._target)
        if plan.has_only_an_sdist(need, listing.candidates, self._target):
            raise OnlySdistError(why, hint="run `make lock`, which finds out how to build it")
        raise FetchError(why, hint=f"if the lock is out of date, run `make upgrade P={need.name}`")

    def _download(self, offer: "_Offer") -> _Arrival:
        refused: list[FetchError] = []
        for wheel, candidate in offer.wheels:
            self._progress.began(candidate.filename)
            try:
                return self._fetch(offer.need, wheel, candidate)
            except FetchError as error:
                self._progress.ended(candidate.filename)
                refused.append(FetchError(f"{candidate.filename}: {error.reason}", hint=error.hint))
        hints = [error.hint for error in refused if error.hint]
        raise FetchError(
            "; ".join(error.reason for error in refused), hint=hints[0] if hints else "run `make wheelhouse` again"
        )

    def _fetch(self, need: Need, wheel: WheelName, candidate: Candidate) -> _Arrival:
        with self._house.incoming() as (file, put):
            size, digests = receive(self._source, candidate, need.accepted, file, self._came)
            put(wheel)
        return _Arrival(StoredWheel(wheel=wheel, size=size, digests=digests), candidate.origin)

    def _came(self, count: int) -> None:
        if self._stop.is_set():
            raise FetchError("interrupted")
        self._progress.received(count)


@dataclass(frozen=True, slots=True)
class _Offer:
    """The files that may answer a need, in the order in which to try them."""

    need: Need
    wheels: Sequence[tuple[WheelName, Candidate]]
