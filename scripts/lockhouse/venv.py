"""The virtual environment itself: held against a second install, marked while it changes, made, and made anew.

Refuses what is no environment, is broken, is one of another Python, or is the one that Lockhouse itself runs in.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from lockhouse import files, process
from lockhouse.engines import said_last, scrubbed
from lockhouse.errors import LockhouseError, ProcessError, TargetError, UsageError
from lockhouse.target import STATE, Target, interpreter_of, is_made, of_environment, unfinished

# What an environment may be asked to lose, but not the one that asks.
_OURSELVES = canonicalize_name("lockhouse")


def refuse_unnamed(venv: Path) -> None:
    """Refuse the environment that Lockhouse itself runs in, which is changed only where the user names it."""
    if _is_ours(venv):
        raise UsageError(
            f"{venv} is the environment that Lockhouse itself runs in", hint=f"if you mean it, name it: `--env {venv}`"
        )


def refuse_unfit(venv: Path, target: Target, environ: Mapping[str, str]) -> None:
    """Refuse an environment that is none, is broken, or is one of another Python; raises TargetError."""
    if is_made(venv):
        found = of_environment(venv, environ=environ)
        if found.series != target.series:
            raise TargetError(
                f"the environment {venv.name} is one of Python {found.series}, the target is Python {target.series}",
                hint=f"remove {venv}, or name another one: `--env DIR`",
            )
    if _is_ours(venv) and unfinished(venv):
        raise TargetError(
            f"an install into {venv} was never finished, and Lockhouse runs from there",
            hint="make it anew with another Python: `python3 -m venv --clear`, then install Lockhouse again",
        )


def refuse_to_lose_ourselves(venv: Path, names: Iterable[NormalizedName]) -> None:
    """Refuse to remove Lockhouse from the environment that it runs in; raises LockhouseError."""
    if _is_ours(venv) and _OURSELVES in names:
        raise LockhouseError(
            f"Lockhouse runs from {venv}, and no lock asks for it: it would remove itself",
            hint="keep what no lock asks for: `--keep-extra`; or let Lockhouse have an environment of its own",
        )


@contextlib.contextmanager
def held(venv: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold the environment against a second install, and yield the lock's descriptor, for installers to inherit.

    `waiting` is called once where another install has it. Raises TargetError where the folder cannot be written to.
    """
    state = venv / STATE
    with contextlib.ExitStack() as stack:
        try:
            if state.is_symlink():
                state.unlink()
            state.mkdir(parents=True, exist_ok=True)
            descriptor = stack.enter_context(files.exclusive(state / "lock", waiting))
        except OSError as error:
            raise TargetError(f"the environment {venv} cannot be written to: {error.strerror}") from error
        yield descriptor


def mark(venv: Path, python: Path | None = None) -> None:
    """Write the marker that stands until the last change is made; it names the Python that the environment is made with."""
    files.write_atomically(venv / STATE / "unfinished", f"{(python or interpreter_of(venv)).resolve()}\n")


def unmark(venv: Path) -> None:
    """Remove the marker: everything is as it should be."""
    if marker := unfinished(venv):
        marker.unlink()


def make(venv: Path, target: Target, environ: Mapping[str, str]) -> None:
    """Make the environment, and leave it marked; one that carries our marker is emptied first, nothing else ever is.

    Raises TargetError.
    """
    if unfinished(venv):
        for entry in venv.iterdir():
            if entry.name != STATE:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    mark(venv, target.interpreter)
    command: list[str | Path] = [target.interpreter, "-I", "-m", "venv", "--without-pip", venv]
    try:
        process.run(command, cwd=venv.parent, environ=scrubbed(environ))
    except ProcessError as error:
        raise TargetError(
            f"cannot make the environment {venv.name}: {said_last(error)}",
            hint="on Debian and Ubuntu, venv is a package of its own: apt-get install python3-venv",
        ) from error


def _is_ours(venv: Path) -> bool:
    return venv.resolve() == Path(sys.prefix).resolve()
