"""What is remembered of each host: who may ask it now, how it fared lately, and when it is given up."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from lockhouse.errors import FetchError

_AGAIN = "run the same command again; what came whole is kept"
# So many requests without any answer in a row: then the host is probed by one request at a time.
_DOWN = 3
# The longest wait between two such probes, in seconds.
_PROBE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How much trouble is waited out; times are in seconds."""

    # For how long a host that has worked before, and one that never has, may fail every request; waits that it asks
    # for do not count.
    patience: float = 30.0
    first_patience: float = 3.0
    # How many tries, and how much time in them, one request may take without getting any further.
    tries: int = 16
    fruitless: float = 60.0
    # The longest wait between two tries of one request.
    backoff: float = 1.0
    # How long a host may ask to be left alone (Retry-After), all in all, until it works again.
    pause: float = 120.0
    # A transfer that brings fewer bytes than `least` in a `window` is broken off, and resumed on another connection.
    window: float = 20.0
    least: int = 20 * 1024


STANDARD = Policy()


class Host:
    """The memory of one host; its methods are called from several threads.

    `alone` has it asked by one request at a time until it has answered, so that credentials are settled once. One that
    has stopped to answer is asked so, too.
    """

    def __init__(self, connections: int, policy: Policy, *, alone: bool) -> None:
        self._connections = connections
        self._policy = policy
        self._condition = threading.Condition()
        self._limit = float(connections)
        self._active = 0
        self._alone = alone
        self._asking = 0
        self._worked = False
        self._failing_since: float | None = None
        self._unanswered = 0
        self._asked = 0.0
        self._not_before = 0.0
        self._slowed_at = 0.0
        self._given_up: FetchError | None = None
        self.leads_to: Self | None = None

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the connections that the host may have now. Raises FetchError where it has been given up."""
        with self._condition:
            self._wait(lambda: self._active < int(self._limit))
            self._active += 1
        try:
            yield
        finally:
            with self._condition:
                self._active -= 1
                self._condition.notify_all()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Wait until the host may be asked, and hold that until it has answered. Raises FetchError as `slot` does."""
        with self._condition:
            self._wait(lambda: not (self._alone and self._asking))
            self._asking += 1
        try:
            yield
        finally:
            with self._condition:
                self._asking -= 1
                self._condition.notify_all()

    def _wait(self, free: Callable[[], bool]) -> None:
        while True:
            if self._given_up:
                raise _copy(self._given_up)
            pause = self._not_before - time.monotonic()
            if pause <= 0 and free():
                return
            self._condition.wait(pause if pause > 0 else None)

    def works(self) -> None:
        """Note that the host gave what it was asked for; one that was slowed down gets a little faster again."""
        with self._condition:
            self._answered()
            self._worked, self._failing_since, self._asked = True, None, 0.0
            self._limit = min(float(self._connections), self._limit + 1 / self._limit)

    def refuses(self, error: FetchError) -> None:
        """Give the host up: whoever asks gets this error."""
        with self._condition:
            self._given_up = self._given_up or error
            self._condition.notify_all()

    def silent(self, trouble: str, began: float) -> FetchError:
        """Note a request without an answer, begun at `began`, and return the error to raise."""
        with self._condition:
            self._unanswered += 1
            if self._unanswered >= _DOWN or not self._worked:
                self._alone = True
                wait = random.uniform(0.5, 1.0) * min(_PROBE, 0.1 * 2**self._unanswered)  # noqa: S311 - no secret
                self._not_before = max(self._not_before, time.monotonic() + wait)
            return self._failed(trouble, began)

    def fails(self, trouble: str, began: float, *, pause: float | None = None, busy: bool = False) -> FetchError:
        """Note an answer that is none, and return the error to raise; `pause` is what the host asks for."""
        now = time.monotonic()
        with self._condition:
            self._answered()
            if busy and now - self._slowed_at > 1:
                self._slowed_at, self._limit = now, max(1.0, self._limit / 2)
            if pause:
                self._asked += max(0.0, now + pause - max(now, self._not_before))
                self._not_before = max(self._not_before, now + pause)
                if self._asked > self._policy.pause:
                    asks = f"{trouble}, and it asks to be left alone for {self._asked:.0f} s"
                    self._given_up = self._given_up or FetchError(asks, hint="run the same command again later")
            return self._failed(trouble, began)

    def _answered(self) -> None:
        self._alone, self._unanswered = False, 0
        self._condition.notify_all()

    def _failed(self, trouble: str, began: float) -> FetchError:
        self._failing_since = began if self._failing_since is None else self._failing_since
        failing = time.monotonic() - self._failing_since - self._asked
        if failing > (self._policy.patience if self._worked else self._policy.first_patience):
            self._given_up = self._given_up or FetchError(trouble, hint=_AGAIN)
        self._condition.notify_all()
        return _copy(self._given_up) if self._given_up else FetchError(trouble, transient=True)


def _copy(error: FetchError) -> FetchError:
    # One exception must not be raised by several threads.
    return FetchError(error.reason, hint=error.hint, status=error.status)


class Attempt:
    """One try: as a context it swallows trouble that another try may overcome, and lets everything else through."""

    def __init__(self) -> None:
        self.error: FetchError | None = None
        self.got_further = False
        # When it got its turn, and how long the host asked to be left alone after it.
        self.began = time.monotonic()
        self.pause = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, FetchError) and error.transient:
            self.error = error
            return True
        return False


def attempts(policy: Policy) -> Iterator[Attempt]:
    """Yield one try after the other; raises the error of the last when none of them gets any further."""
    count, spent, pauses = 0, 0.0, 0.0
    while True:
        attempt = Attempt()
        yield attempt
        if attempt.got_further:
            count, spent, pauses = 0, 0.0, 0.0
        count += 1
        spent += time.monotonic() - attempt.began
        pauses += attempt.pause
        if attempt.error and (count >= policy.tries or spent > policy.fruitless or pauses > policy.pause):
            raise FetchError(f"{attempt.error.reason} (given up after {count} tries)", hint=_AGAIN)
        # Full jitter: those that failed together must not come back together.
        wait = random.uniform(0, min(policy.backoff, 0.05 * 2**count))  # noqa: S311 - no secret depends on it
        spent += wait
        time.sleep(wait)
