"""Progress suits its stream: a bar on a terminal, a line now and then in a log, nothing when quiet."""

import contextlib
import io
import os
import pty

import pytest

from lockhouse import progress


def test_a_log_gets_a_line_now_and_then():
    now = 0.0
    stream = io.StringIO()
    lines = progress.Lines(stream, clock=lambda: now)
    with lines:
        lines.expect(3)
        lines.began("a-1-py3-none-any.whl")
        lines.began("b-1-py3-none-any.whl")
        lines.received(1_000_000)
        assert not stream.getvalue()
        now = 10.0
        lines.finished("a-1-py3-none-any.whl")
        lines.sized(1_000_000)
        lines.sized(2_000_000)
        lines.began("c-1-py3-none-any.whl")
        lines.began("d-1-py3-none-any.whl")
        lines.ended("d-1-py3-none-any.whl")
        now = 20.0
        lines.received(2_000_000)
        now = 30.0
        # More than was said, as after a transfer that began anew.
        lines.received(3_000_000)
    assert stream.getvalue().splitlines() == [
        "fetching: 1 of 3 files, 1.0 MB, 100.0 kB/s, b-1-py3-none-any.whl",
        "fetching: 1 of 3 files, 3.0 MB of 3.0 MB, 150.0 kB/s, b-1-py3-none-any.whl and 1 more",
        "fetching: 1 of 3 files, 6.0 MB of 6.0 MB, 200.0 kB/s, b-1-py3-none-any.whl and 1 more",
    ]


@pytest.mark.parametrize("sized", [True, False])
def test_a_terminal_gets_a_bar(sized):
    controller, terminal = pty.openpty()
    os.set_blocking(controller, False)
    with os.fdopen(terminal, "w", encoding="utf-8") as stream:
        bar = progress.on(stream, quiet=False)
        assert isinstance(bar, progress.Bar)
        bar.received(1)  # before it is shown, it only counts
        with bar:
            bar.expect(2)
            if sized:
                bar.sized(4_000_000)
            bar.began("a-1-py3-none-any.whl")
            bar.received(2_000_000)
            bar.finished("a-1-py3-none-any.whl")
        stream.flush()
        shown = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                shown += os.read(controller, 100_000)
    os.close(controller)
    assert b"1/2 files" in shown
    assert (b"2.0 MB of 4.0 MB" in shown) is sized


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
