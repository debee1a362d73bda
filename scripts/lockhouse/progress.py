"""Progress on standard error: a live bar on a terminal, a line now and then elsewhere, nothing when asked to be quiet.

Only the steps that take long report here; results are the command line's business.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

# Seconds between two lines where there is no terminal.
_INTERVAL = 10.0


class Progress(Protocol):
    """Hears what a fetch does; its methods are called from several threads."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def expect(self, files: int) -> None:
        """Hear how many files will come."""

    def sized(self, size: int) -> None:
        """Hear that one of them is said to have so many bytes."""

    def began(self, filename: str) -> None:
        """Hear that a file is being fetched now."""

    def received(self, count: int) -> None:
        """Hear that so many more bytes have come."""

    def ended(self, filename: str) -> None:
        """Hear that a file has been given up."""

    def finished(self, filename: str) -> None:
        """Hear that a file is whole, verified and in place."""


class _Counter:
    """The numbers that every kind of progress shows."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._started = clock()
        self._files = 0
        self._total = 0
        self._bytes = 0
        self._expected = 0
        self._now: dict[str, None] = {}
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def expect(self, files: int) -> None:
        with self._mutex:
            self._total += files
            self.show()

    def sized(self, size: int) -> None:
        with self._mutex:
            self._expected += size

    def began(self, filename: str) -> None:
        with self._mutex:
            self._now[filename] = None
            self.show()

    def received(self, count: int) -> None:
        with self._mutex:
            self._bytes += count
            self.show()

    def ended(self, filename: str) -> None:
        with self._mutex:
            self._now.pop(filename, None)

    def finished(self, filename: str) -> None:
        with self._mutex:
            self._files += 1
            self._now.pop(filename, None)
            self.show()

    def show(self) -> None:
        """Show the numbers as they are now."""

    @property
    def _amount(self) -> str:
        # Where a transfer had to begin anew, more has come than is needed.
        return (
            f"{size(self._bytes)} of {size(max(self._bytes, self._expected))}" if self._expected else size(self._bytes)
        )

    @property
    def _rate(self) -> str:
        return f"{size(int(self._bytes / max(0.001, self._clock() - self._started)))}/s"

    @property
    def _current(self) -> str:
        # The one that has been under way for the longest is the one to wait for.
        first = next(iter(self._now), "")
        return f"{first} and {len(self._now) - 1} more" if len(self._now) > 1 else first


class Silent(_Counter):
    """Counts and shows nothing."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)


class Lines(_Counter):
    """Writes a line every ten seconds: a log keeps it, and a reader sees that work goes on."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._next = clock() + _INTERVAL

    def show(self) -> None:
        """Write the line if it is time for one."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _INTERVAL
            parts = (f"{self._files} of {self._total} files", self._amount, self._rate, self._current)
            print(f"fetching: {', '.join(part for part in parts if part)}", file=self._stream, flush=True)


class Bar(_Counter):
    """A live bar with files, bytes, rate and what is being fetched now, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(time.monotonic)
        self._stream = stream
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - slow to import, and needed on a terminal only
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.fields[files]}"),
            TextColumn("{task.fields[amount]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", style="dim"),
            console=Console(file=self._stream),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, files="", amount="", rate="", now="")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self) -> None:
        """Move the bar: by bytes where their number is known, else by files."""
        if self._bar is None or self._task is None:
            return
        total, done = (self._expected, self._bytes) if self._expected else (self._total, self._files)
        self._bar.update(
            self._task,
            total=max(total, done),
            completed=done,
            files=f"{self._files}/{self._total} files",
            amount=self._amount,
            rate=self._rate,
            now=self._current,
        )


def on(stream: TextIO, *, quiet: bool) -> Progress:
    """Return the progress that suits the stream."""
    if quiet:
        return Silent()
    return Bar(stream) if stream.isatty() else Lines(stream)


def size(count: int) -> str:
    """Write a number of bytes for people, in decimal units.

    >>> size(999), size(1_500_000)
    ('999 B', '1.5 MB')
    """
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
