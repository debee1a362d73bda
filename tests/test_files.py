"""Files are written whole or not at all, and two runs keep apart."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lockhouse import files
from support.project import SCRIPTS


def test_a_write_replaces_and_keeps_permissions(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    files.write_atomically(path, "new\r\n")
    assert path.read_bytes() == b"new\r\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    os.umask(0o027)
    files.write_atomically(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "taken"
    path.mkdir()
    with pytest.raises(OSError, match="taken"):
        files.write_atomically(path, "x")
    assert list(tmp_path.iterdir()) == [path]


def test_an_unchanged_file_is_not_written(tmp_path):
    path = tmp_path / "sums"
    assert files.write_if_different(path, "a")
    before = path.stat().st_ino
    assert not files.write_if_different(path, "a")
    assert path.stat().st_ino == before
    assert files.write_if_different(path, "b")


HOLD = """
import sys
from pathlib import Path
from lockhouse import files
with files.exclusive(Path(sys.argv[1]), lambda: None):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_waits_and_a_killed_one_leaves_no_lock(tmp_path):
    lock = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)],
        env={"PYTHONPATH": str(SCRIPTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        waited, entered = threading.Event(), threading.Event()

        def second() -> None:
            with files.exclusive(lock, waited.set):
                entered.set()

        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(30)
        assert not entered.is_set()
        holder.kill()
        thread.join(30)
        assert entered.is_set()


def test_where_no_lock_can_be_had_the_error_says_so(tmp_path, monkeypatch):
    import errno
    import fcntl

    from lockhouse.errors import BusyError

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(BusyError, match="No locks available"), files.exclusive(Path(tmp_path / "lock"), lambda: None):
        pass
