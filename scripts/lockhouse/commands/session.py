"""What every command works with: the project, the target and the streams; nothing else prints.

Results go to standard output, progress and messages to standard error.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TextIO

import click

from lockhouse import config, project, report, target
from lockhouse.errors import LockhouseError
from lockhouse.layers import LoadedLayer
from lockhouse.project import Project
from lockhouse.rules.locks import unfetchable
from lockhouse.target import Target

DONE, FAILED, BUG, INTERRUPTED = 0, 1, 3, 130


@dataclass(slots=True)
class Session:
    """What a command works on and with; nothing is taken from the process behind the command's back."""

    cwd: Path
    environ: Mapping[str, str]
    stdout: TextIO
    stderr: TextIO
    quiet: bool = False
    verbose: bool = False
    # Whether the user named the project's directory: then none above it is meant.
    named: bool = False
    stdin: TextIO | None = None

    def result(self, text: str, *, verbatim: bool = False) -> None:
        """Print a result; `verbatim` where it is the text of a file and no advice."""
        self._print(text, self.stdout, verbatim=verbatim)

    def message(self, text: str) -> None:
        """Print a message, unless the user asked for quiet."""
        if not self.quiet:
            self._print(text, self.stderr)

    def error(self, error: LockhouseError) -> None:
        """Print an error, quiet or not."""
        self._print(report.error_text(error), self.stderr)

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to be asked."""
        return bool(self.stdin and self.stdin.isatty() and self.stderr.isatty())

    def agrees(self, question: str) -> bool:
        """Ask a question on the terminal, and return whether the answer is yes; no answer is a no."""
        self._print(f"{question} [y/N]", self.stderr)
        return self.stdin is not None and self.stdin.readline().strip().lower() in {"y", "yes"}

    def _print(self, text: str, stream: TextIO, *, verbatim: bool = False) -> None:
        colour = stream.isatty() and not self.environ.get("NO_COLOR")
        said = text if verbatim else report.advised(text, self.environ.get("LOCKHOUSE_MAKE"))
        click.echo(said, file=stream, color=colour)

    def load(self) -> Project:
        """Read the project in the directory that was named, else in or above the working directory."""
        return project.read(self.configuration(), self.environ)

    def configuration(self) -> config.Config:
        """Read the configuration of the project, and no lock or source."""
        return config.load(self.root)

    @property
    def root(self) -> Path:
        """The directory that was named, else the project's in or above the working directory, else that one."""
        return self.cwd if self.named else _root(self.cwd)

    def target(self, current: Project) -> Target:
        """Return the configured Python, which the environment's must be, else the environment's, else the running one."""
        return target.of_environment(current.config.venv, series=current.config.python, environ=self.environ)

    def waiting(self) -> None:
        """Tell that another run is being waited for."""
        self.message("waiting for another run of lockhouse to finish")


def _root(cwd: Path) -> Path:
    for folder in (cwd, *cwd.parents):
        if (folder / "pyproject.toml").is_file() or config.sources_in(folder):
            return folder
    return cwd


def _set(name: str) -> Callable[[click.Context, click.Parameter, bool], None]:
    def callback(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            setattr(context.find_object(Session), name, True)

    return callback


def _work_in(context: click.Context, _: click.Parameter, value: Path | None) -> None:
    session = context.find_object(Session)
    if value is not None and session:
        folder = (session.cwd / value).resolve()
        if not folder.is_dir():
            raise click.BadParameter(f"there is no directory {str(value)!r}")
        session.cwd, session.named = folder, True


# Before the command and behind it: pre-commit, for one, can only add arguments at the end.
directory = click.option(
    "-C",
    "--directory",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_work_in,
    help="Work on the project in this directory instead of the one here or above.",
)


def command(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the options that all have."""
    for flags, name, text in (
        (("-q", "--quiet"), "quiet", "Print results and errors only."),
        (("-v", "--verbose"), "verbose", "Print more about what is done."),
    ):
        function = click.option(*flags, is_flag=True, expose_value=False, callback=_set(name), help=text)(function)
    return click.pass_obj(directory(function))


def layer_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the layers that a word of the command line may become, for a shell; none where nothing can be read."""
    session = context.find_object(Session)
    if session is None:
        return []
    folder = context.find_root().params.get("directory")
    there = replace(session, cwd=session.cwd / folder) if folder else session
    try:
        names = there.configuration().layers
    except (LockhouseError, OSError, ValueError, RecursionError):
        # A shell asks for words, and has no place for an error; the command itself will tell it.
        return []
    given = context.params.get(parameter.name or "") or ()
    # A line of the answer is a word; a name with a line end in it would be two.
    return [name for name in names if name.startswith(incomplete) and name not in given and name.isprintable()]


layers = click.argument("layers", nargs=-1, metavar="[LAYER]...", shell_complete=layer_names)


def elapsed(began: float) -> str:
    """Return, in words, how long ago a monotonic time in seconds is."""
    return f"in {time.monotonic() - began:.1f} s"


def today() -> date:
    """Return the date, the same one all over the world."""
    return datetime.now(tz=UTC).date()


def refuse_unusable(session: Session, layers: Sequence[LoadedLayer], where: Target) -> None:
    """Stop where a lock is missing, or has lines that no wheel could be fetched for by hash."""
    missing = [str(layer.layer.lock) for layer in layers if layer.lock is None]
    if missing:
        raise LockhouseError(f"{', '.join(missing)} does not exist", hint="run `make lock`, and commit what it writes")
    unusable = [found for layer in layers if layer.lock for found in unfetchable(layer.lock, where)]
    if unusable:
        session.result("\n".join(map(report.finding_text, sorted(unusable))))
        raise LockhouseError("what these locks ask for cannot be fetched by hash")
