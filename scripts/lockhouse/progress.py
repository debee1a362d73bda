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

    def received(self, count: int) -> None:
        """Hear that so many more bytes have come."""

    def finished(self, filename: str) -> None:
        """Hear that a file is whole, verified and in place."""


class _Counter:
    """The numbers that every kind of progress shows."""

    def __init__(self) -> None:
        self.files = 0
        self.total = 0
        self.bytes = 0
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def expect(self, files: int) -> None:
        with self._mutex:
            self.total += files
            self.show("")

    def received(self, count: int) -> None:
        with self._mutex:
            self.bytes += count
            self.show("")

    def finished(self, filename: str) -> None:
        with self._mutex:
            self.files += 1
            self.show(filename)

    def show(self, filename: str) -> None:
        """Show the numbers as they are now; `filename` is the file that was just finished, if any."""


class Silent(_Counter):
    """Counts and shows nothing."""


class Lines(_Counter):
    """Writes a line every ten seconds: a log keeps it, and a reader sees that work goes on."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._stream = stream
        self._clock = clock
        self._next = clock() + _INTERVAL

    def show(self, filename: str) -> None:
        """Write the line if it is time for one."""
        now = self._clock()
        if now >= self._next:
            self._next = now + _INTERVAL
            print(
                f"fetching: {self.files} of {self.total} files, {size(self.bytes)} {filename}".rstrip(),
                file=self._stream,
                flush=True,
            )


class Bar(_Counter):
    """A live bar with files and bytes, for terminals."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        from rich.console import Console  # noqa: PLC0415 - slow to import, and needed on a terminal only
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bar = Progress(
            TextColumn("fetching"),
            BarColumn(),
            TextColumn("{task.fields[files]} files"),
            TextColumn("{task.fields[got]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}", style="dim"),
            console=Console(file=self._stream),
            transient=True,
        )
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, filename: str) -> None:
        """Move the bar."""
        if not self._bar:
            return
        if self._task is None:
            self._task = self._bar.add_task("", total=None, files="", got="", last="")
        task = self._bar.tasks[self._task]
        self._bar.update(
            self._task,
            total=self.total,
            completed=self.files,
            files=f"{self.files}/{self.total}",
            got=f"{size(self.bytes)}, {size(int(self.bytes / (time.monotonic() - self._began + 0.001)))}/s",
            last=filename or task.fields["last"],
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
