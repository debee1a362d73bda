"""The only door to other programs: run one, without a shell, and keep what it said.

Nothing is inherited unasked: the caller gives the whole environment.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockhouse.errors import ProcessError

# What git tells the hooks that it runs about the repository that they are of (`git rev-parse --local-env-vars`). How to
# reach other repositories (GIT_SSH_COMMAND, GIT_ASKPASS, the configuration that GIT_CONFIG_COUNT counts) is not among it.
_OF_ONE_REPOSITORY = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a program said on its two streams, and the exit status."""

    returncode: int
    stdout: str
    stderr: str


def run(argv: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str], check: bool = True) -> Completed:
    """Run the program to its end and return what it said; both streams are read together, so neither can block.

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


def output(argv: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str]) -> bytes:
    """Run the program to its end and return its standard output, byte for byte; raises ProcessError as `run` does."""
    command = tuple(str(word) for word in argv)
    code, said, why = 127, b"", b""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        code, said, why = done.returncode, done.stdout, done.stderr
        reason = f"{Path(command[0]).name} failed with exit status {code}"
    except OSError as error:
        reason = f"cannot run {command[0]}: {error.strerror}"
    if code:
        text, complaint = (stream.decode("utf-8", errors="replace") for stream in (said, why))
        raise ProcessError(reason, argv=command, returncode=code, stdout=text, stderr=complaint)
    return said


def without(environ: Mapping[str, str], *prefixes: str) -> dict[str, str]:
    """Return a copy of the environment less every variable whose name begins with one of the prefixes."""
    return {name: value for name, value in environ.items() if not name.upper().startswith(prefixes)}


def outside_repository(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of the environment less what ties programs to one git repository, as git does in hooks.

    With GIT_INDEX_FILE left in it, a `git clone` that pip starts would overwrite the index of the commit being made.
    """
    return {name: value for name, value in environ.items() if name not in _OF_ONE_REPOSITORY}


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
