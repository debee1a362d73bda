"""The program around a build: makes the sandbox, starts the command in it, and lets nothing of it live on.

Its standard input is a pipe that whoever started it holds and never writes to: the end of it is the end of the build.
"""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lockhouse.building import namespaces

NO_SANDBOX = 71
"""The exit status that says that the sandbox could not be made (EX_OSERR of sysexits.h)."""
_LINUX = sys.platform == "linux"


def main(argv: Sequence[str]) -> int:
    """Run `command` as the JSON in the first argument says and return its exit status, 128 and the number for a signal."""
    wanted = json.loads(argv[0])
    os.umask(0o022)
    kill: Callable[[int], None]
    if wanted["isolated"]:
        try:
            namespaces.enter()
        except OSError as error:
            return _no_sandbox(error)
        alive, ours = os.pipe()
        child = _forked(lambda: _first(wanted, alive, ours))
        os.close(alive)
        kill = _kill
    else:
        if _LINUX:
            namespaces.adopt_orphans()
        child = _forked(lambda: _become(wanted))
        kill = _kill_all
    status = _awaited(child)
    kill(child)
    return status


def _awaited(child: int) -> int:
    """Return the child's exit status, or that of one that was killed as soon as nobody waits for it any more."""
    # No thread may watch the pipe: whoever has left its PID namespace cannot start one.
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return _exit_status(status)
        ready, _, _ = select.select([0, told], [], [])
        if 0 in ready and not os.read(0, 1):
            return 128 + signal.SIGKILL
        if told in ready:
            os.read(told, 512)


def _first(wanted: dict[str, Any], alive: int, ours: int) -> int:
    """Be the first process of the PID namespace: with its end, the kernel ends all others."""
    os.close(ours)
    namespaces.die_with_parent()
    os.set_blocking(alive, False)
    with contextlib.suppress(BlockingIOError):
        # Not blocked: the parent has ended before it could take us with it.
        os.read(alive, 1)
        return 128 + signal.SIGKILL
    try:
        namespaces.furnish(
            Path(wanted["stage"]), [Path(p) for p in wanted["writable"]], [Path(p) for p in wanted["hidden"]]
        )
    except OSError as error:
        return _no_sandbox(error)
    child = _forked(lambda: _become(wanted, drop=True))
    while True:
        # Orphans come here too.
        pid, status = os.wait()
        if pid == child:
            return _exit_status(status)


def _become(wanted: dict[str, Any], *, drop: bool = False) -> int:
    """Turn into the command; return only where that fails."""
    command = wanted["command"]
    os.setsid()
    # A fresh look: the old working directory belongs to the mount below, which is read-only by now.
    os.chdir(wanted["folder"])
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    if drop:
        namespaces.drop_privileges()
    os.execv(command[0], command)  # noqa: S606 - no shell, as everywhere


def _forked(body: Callable[[], int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = NO_SANDBOX
    try:
        status = body()
    except OSError as error:
        _no_sandbox(error)
    finally:
        os._exit(status)


def _no_sandbox(error: OSError) -> int:
    sys.stderr.write(f"the sandbox cannot be made: {error.filename}: {error.strerror}\n")
    sys.stderr.flush()
    return NO_SANDBOX


def _exit_status(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_all(child: int) -> None:
    """Kill the child's process group and, on Linux, every descendant: an orphan becomes a child of ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while pids := _children():
        for pid in pids:
            _kill(pid)
        for pid in pids:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _children() -> list[int]:
    if not _LINUX:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                # The name of the program may hold anything, parentheses and spaces among it.
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.append(int(entry.name))
    return found
