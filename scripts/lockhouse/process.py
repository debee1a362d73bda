"""The only door to other programs: run one, without a shell, and keep what it said.

Nothing is inherited unasked: the caller gives the whole environment.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockhouse.errors import ProcessError


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said on its two streams, and the exit status."""

    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    check: bool = True,
    inherited: Sequence[int] = (),
) -> Completed:
    """Run the program to its end and return what it said; both streams are read together, so neither can block.

    `inherited` are file descriptors that the program gets as well (not on Windows): a lock that it holds on with us.
    Raises ProcessError where it cannot be started or, with `check`, where it exits with anything but 0.
    """
    command = tuple(str(word) for word in argv)
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            pass_fds=() if sys.platform == "win32" else tuple(inherited),
        )
    except OSError as error:
        raise ProcessError(
            f"cannot run {command[0]}: {error.strerror}", argv=command, returncode=127, stdout="", stderr=""
        ) from error
    if check and done.returncode:
        raise ProcessError(
            f"{Path(command[0]).name} failed with exit status {done.returncode}",
            argv=command,
            returncode=done.returncode,
            stdout=done.stdout,
            stderr=done.stderr,
        )
    return Completed(done.returncode, done.stdout, done.stderr)


def without(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """Return a copy of the environment less every variable whose name begins with one of the prefixes."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(prefixes)}


@contextlib.contextmanager
def own_environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Make `environ` this process's environment for the duration: libraries read it behind our back."""
    before, wanted = dict(os.environ), dict(environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
