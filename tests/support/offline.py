"""A namespace without a network, and the proof that it is one."""

import functools
import shutil
import socket
import subprocess
import sys

import pytest

_CONNECT = """\
import socket, sys
try:
    socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5).close()
except OSError as error:
    sys.exit(f"unreachable: {error}")
print("connected")
"""


def offline_prefix() -> tuple[str, ...]:
    """Return what to put before a command so that it has no network; not even loopback is up there.

    Files stay what they are; the user becomes root of a namespace of its own, which needs no rights.
    """
    return ("unshare", "--map-root-user", "--net", "--")


@functools.cache
def offline_obstacle() -> str | None:
    """Return why commands cannot be cut off from the network here, or None if they can."""
    if shutil.which("unshare") is None:
        return "no `unshare` here"
    done = subprocess.run([*offline_prefix(), "true"], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"`unshare -rn` is forbidden here: {done.stderr.strip()}"


def require_offline() -> tuple[str, ...]:
    """Return the prefix, or skip the test with the reason where there is none."""
    if obstacle := offline_obstacle():
        pytest.skip(obstacle)
    return offline_prefix()


def assert_no_network(prefix: tuple[str, ...]) -> None:
    """Prove that a server which is reachable without the prefix is not reachable with it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-I", "-c", _CONNECT, str(server.getsockname()[1])]
        without = subprocess.run(command, capture_output=True, text=True, check=False)
        assert without.stdout == "connected\n", f"the control server cannot be reached at all: {without.stderr}"
        within = subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)
    assert within.returncode == 1, f"{prefix} leaves the network open: {within.stdout}{within.stderr}"
    assert within.stderr.startswith("unreachable: "), f"{prefix} fails for another reason: {within.stderr}"
