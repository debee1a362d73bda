"""Progress suits its stream: a bar on a terminal, a line now and then in a log, nothing when quiet."""

import io
import os
import pty

from lockhouse import progress


def test_a_log_gets_a_line_now_and_then():
    now = 0.0
    stream = io.StringIO()
    lines = progress.Lines(stream, clock=lambda: now)
    with lines:
        lines.expect(3)
        lines.received(1_000_000)
        assert not stream.getvalue()
        now = 10.0
        lines.finished("a-1-py3-none-any.whl")
        lines.received(500_000)
        now = 20.5
        lines.received(1)
    assert stream.getvalue().splitlines() == [
        "fetching: 1 of 3 files, 1.0 MB a-1-py3-none-any.whl",
        "fetching: 1 of 3 files, 1.5 MB",
    ]


def test_a_terminal_gets_a_bar():
    controller, terminal = pty.openpty()
    os.set_blocking(controller, False)
    with os.fdopen(terminal, "w", encoding="utf-8") as stream:
        bar = progress.on(stream, quiet=False)
        assert isinstance(bar, progress.Bar)
        bar.received(1)  # before it is shown, it only counts
        with bar:
            bar.expect(2)
            bar.received(2_000_000)
            bar.finished("a-1-py3-none-any.whl")
        stream.flush()
        shown = os.read(controller, 100_000).decode()
    os.close(controller)
    assert "1/2 files" in shown
    assert "2.0 MB" in shown


def test_quiet_is_silent_and_a_file_is_no_terminal():
    stream = io.StringIO()
    assert isinstance(progress.on(stream, quiet=False), progress.Lines)
    silent = progress.on(stream, quiet=True)
    with silent:
        silent.expect(1)
        silent.finished("x")
    assert not stream.getvalue()


def test_sizes_are_written_for_people():
    assert [progress.size(count) for count in (0, 1000, 12_345_678, 5_000_000_000_000)] == [
        "0 B",
        "1.0 kB",
        "12.3 MB",
        "5000.0 GB",
    ]
