"""The command line: parses, calls one step, prints, and chooses the exit status. Nothing else prints.

Results go to standard output, progress and messages to standard error.
"""

import contextlib
import io
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from packaging.utils import NormalizedName

from lockhouse import __version__, config, fill, progress, project, report, target
from lockhouse.builds import BuildLock
from lockhouse.check import check as run_check
from lockhouse.check import required_and_allowed, shown, undecided_by
from lockhouse.errors import LockhouseError
from lockhouse.key import cache_key
from lockhouse.layers import LoadedLayer
from lockhouse.plan import Need
from lockhouse.project import Project
from lockhouse.redact import redact
from lockhouse.resolution import Compiler
from lockhouse.rules.builds import build_findings
from lockhouse.rules.locks import unfetchable
from lockhouse.source import Source
from lockhouse.target import Target
from lockhouse.wheelhouse import Wheelhouse

if TYPE_CHECKING:
    from lockhouse.construct import Yard

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

    def result(self, text: str) -> None:
        """Print a result."""
        self._print(text, self.stdout)

    def message(self, text: str) -> None:
        """Print a message, unless the user asked for quiet."""
        if not self.quiet:
            self._print(text, self.stderr)

    def error(self, error: LockhouseError) -> None:
        """Print an error, quiet or not."""
        self._print(report.error_text(error), self.stderr)

    def _print(self, text: str, stream: TextIO) -> None:
        colour = stream.isatty() and not self.environ.get("NO_COLOR")
        click.echo(text, file=stream, color=colour)

    def load(self) -> Project:
        """Read the project in or above the working directory."""
        return project.read(config.load(_root(self.cwd)), self.environ)

    def target(self, current: Project) -> Target:
        """Return the environment's interpreter, or the running one."""
        return target.of_environment(current.config.venv, environ=self.environ)

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


def _command(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the options that all have."""
    for flags, name, text in (
        (("-q", "--quiet"), "quiet", "Print results and errors only."),
        (("-v", "--verbose"), "verbose", "Print more about what is done."),
    ):
        function = click.option(*flags, is_flag=True, expose_value=False, callback=_set(name), help=text)(function)
    return click.pass_obj(function)


def _print_makefile(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).result(str(Path(__file__).with_name("lockhouse.mk")).replace(" ", "\\ "))
        context.exit()


_layers = click.argument("layers", nargs=-1, metavar="[LAYER]...")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lockhouse")
@click.option(
    "-C",
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Work on the project in this directory instead of the one here or above.",
)
@click.option(
    "--makefile",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_makefile,
    help="Print where lockhouse.mk is, the targets that your Makefile can include.",
)
@click.pass_obj
def cli(session: Session, directory: Path | None) -> None:
    """Turn pinned requirements into a verified, offline install.

    lock -> wheelhouse -> check -> install. Without a LAYER, a command means all of them.
    """
    if directory:
        session.cwd = (session.cwd / directory).resolve()


@cli.command()
@_layers
@click.option("--upgrade", is_flag=True, help="Let every pin move to the newest version that its sources allow.")
@click.option("-P", "--upgrade-package", "names", multiple=True, metavar="NAME", help="Let this project's pin move.")
@click.option("--check", "only_say", is_flag=True, help="Only say what would be recompiled; exit 1 if anything would.")
@_command
def lock(session: Session, layers: tuple[str, ...], upgrade: bool, names: tuple[str, ...], only_say: bool) -> int:
    """Recompile the layers whose lock no longer satisfies its sources."""
    from lockhouse import lock as step  # noqa: PLC0415 - see `connect`: the other commands stay quick

    current = session.load()
    chosen = current.named(layers)
    where = session.target(current)
    began = time.monotonic()
    if only_say:
        stale = [found for each in step.stale_layers(current, chosen, where).values() for found in each]
        stale += build_findings(current, where)
        if stale:
            session.result("\n".join(map(report.finding_text, sorted(stale))))
        return FAILED if any(found.severity == "error" for found in stale) else DONE

    def connect() -> Compiler:
        from lockhouse import index  # noqa: PLC0415 - imports pip

        return index.compiler(current.config, session.environ)

    def starting(name: str, reasons: Sequence[Any]) -> None:
        session.message(f"locking {name}")
        if session.verbose:
            session.message("\n".join(map(report.finding_text, reasons)))

    compiled = step.lock(
        current,
        chosen,
        target=where,
        environ=session.environ,
        upgrade=step.Upgrade(all=upgrade, names=step.parse_names(names)),
        connect=connect,
        starting=starting,
    )
    count = 0
    offered: dict[NormalizedName, Sequence[str]] = {}
    for done in compiled:
        count += 1
        offered |= done.offered
        for note in done.notes:
            session.message(f"note: {note}")
        session.message(f"{done.layer}: asked {', '.join(done.asked) or 'no index'}")
        session.result(f"{done.layer}: {report.count(len(done.moves), 'pin')} moved")
        if done.moves:
            session.result(report.moves_text(done.moves, origins=len(done.asked) > 1 or session.verbose))
    built = _lock_builds(session, where, connect, step.parse_names(names), everything=upgrade, offered=offered)
    fresh = len(chosen) - count
    session.result(
        f"locked {report.count(count, 'layer')}"
        + (f" and built {report.count(built, 'wheel')}" if built else "")
        + f" {_in(began)}"
        + (f"; {fresh} fresh already" if fresh else "")
    )
    return DONE


def _lock_builds(
    session: Session,
    where: Target,
    connect: Callable[[], Compiler],
    names: Sequence[NormalizedName],
    *,
    everything: bool,
    offered: Mapping[NormalizedName, Sequence[str]],
) -> int:
    """Lock, build and record what the locks pin without a wheel; return how many wheels were built."""
    from lockhouse import buildlock  # noqa: PLC0415 - most commands never build

    current = session.load()

    def upgrade(lock: BuildLock) -> list[str]:
        if everything:
            return ["--upgrade"]
        pinned = {pin.name for pin in lock.layer.pins}
        return [f"--upgrade-package={name}" for name in names if name in pinned]

    yard = _yard(session, current, where)
    done = buildlock.lock_builds(current, yard, connect=connect, upgrade=upgrade, offered=offered)
    for name in done.dropped:
        session.message(f"removed the build lock of {name}, which no layer pins any more")
    for made in done.made:
        session.result(f"{made.need.label}: {made.wheel.filename} recorded, {made.origin}")
    return len(done.made)


def _yard(session: Session, current: Project, where: Target) -> "Yard":
    from lockhouse.construct import Yard  # noqa: PLC0415 - most commands never build

    return Yard(
        house=Wheelhouse(current.config.wheelhouse),
        target=where,
        config=current.config,
        environ=session.environ,
        connect=lambda: _connected(session, current, tuple(current.layers.values())),
        progress=lambda: progress.on(session.stderr, quiet=session.quiet),
        say=session.message,
        waiting=session.waiting,
    )


@cli.command()
@_layers
@click.option("--if-missing", is_flag=True, help="Do nothing where a wheelhouse is there that has once been whole.")
@click.option("--record", is_flag=True, help="Record what is built here and not recorded yet, for this platform.")
@click.option("--rebuild", is_flag=True, help="Build every recorded wheel again, and compare.")
@_command
def wheelhouse(session: Session, layers: tuple[str, ...], if_missing: bool, record: bool, rebuild: bool) -> int:
    """Make the directory of wheels exactly what the locks say."""
    current = session.load()
    house = Wheelhouse(current.config.wheelhouse)
    if if_missing and not house.needs_first_fill:
        return DONE
    chosen = current.named(layers)
    where = session.target(current)
    _refuse_unusable(session, chosen, where)
    required, allowed = required_and_allowed(current, chosen, where)
    began = time.monotonic()
    try:
        outcome = fill.fill(
            house,
            required=required,
            allowed=allowed,
            target=where,
            undecided=undecided_by(current, allowed, where),
            connect=lambda: _connected(session, current, chosen),
            connections=current.config.connections,
            progress=progress.on(session.stderr, quiet=session.quiet),
            waiting=session.waiting,
        )
    except fill.IncompleteError as error:
        for _, failure in error.failures:
            session.error(failure)
        raise
    place = shown(house.path, current.config.root)
    for filename in outcome.removed:
        session.message(f"removed: {report.plain(str(place / filename))}")
    for filename in outcome.strays:
        session.message(f"left alone: {report.plain(str(place / filename))} (not a wheel, and `check` refuses it)")
    session.result(
        f"{place}: fetched {len(outcome.fetched)} ({progress.size(outcome.bytes)}), kept {outcome.kept}, "
        f"removed {len(outcome.removed)} {_in(began)}"
    )
    return _build(session, current, required, where, outcome.left, record=record, rebuild=rebuild)


def _build(
    session: Session,
    current: Project,
    required: Sequence[Need],
    where: Target,
    left: Sequence[Need],
    *,
    record: bool,
    rebuild: bool,
) -> int:
    """Build what must be built, and say of each wheel what became of it."""
    if not any(need.buildable or need.from_source for need in required):
        return DONE
    from lockhouse import rebuilding  # noqa: PLC0415 - most projects never build

    began = time.monotonic()
    yard = _yard(session, current, where)
    again = [need for need in required if need.built] if rebuild else []
    outcome = rebuilding.build(current, yard, left=left, again=again, record=record)
    for made in outcome.housed:
        session.result(f"{made.need.label}: built {made.wheel.filename}, as recorded; {made.origin}")
    for made in outcome.recorded:
        session.result(f"{made.need.label}: {made.wheel.filename} recorded, {made.origin}")
    for failure in outcome.failures:
        session.error(failure)
    if outcome.housed or outcome.recorded:
        session.result(f"built {report.count(len(outcome.housed) + len(outcome.recorded), 'wheel')} {_in(began)}")
    return FAILED if outcome.failures else DONE


@contextlib.contextmanager
def _connected(session: Session, current: Project, layers: Sequence[LoadedLayer]) -> Iterator[Source]:
    from lockhouse import index, process  # noqa: PLC0415 - imports pip, which takes longer than a whole check

    environ = index.pip_environment(session.environ)
    with process.own_environment(environ):
        scopes = [index.Scope.of(layer, current.config) for layer in layers]
        bindings = index.Bindings(current.config.index_for)
        source = index.PipIndex(scopes, bindings, connections=current.config.connections)
        try:
            yield source
        finally:
            source.close()


def _refuse_unusable(session: Session, layers: Sequence[LoadedLayer], where: Target) -> None:
    """Stop where a lock is missing, or has lines that no wheel could be fetched for by hash."""
    missing = [str(layer.layer.lock) for layer in layers if layer.lock is None]
    if missing:
        raise LockhouseError(f"{', '.join(missing)} does not exist", hint="run `make lock`, and commit what it writes")
    unusable = [found for layer in layers if layer.lock for found in unfetchable(layer.lock, where)]
    if unusable:
        session.result("\n".join(map(report.finding_text, sorted(unusable))))
        raise LockhouseError("what these locks ask for cannot be fetched by hash")


@cli.command()
@_layers
@click.option("--locks-only", is_flag=True, help="Judge the locks, and leave the wheelhouse aside.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@_command
def check(session: Session, layers: tuple[str, ...], locks_only: bool, strict: bool) -> int:
    """Prove that the locks answer their sources, and that wheelhouse and locks match, both ways."""
    current = session.load()
    house = None if locks_only else Wheelhouse(current.config.wheelhouse)
    found = run_check(current, current.named(layers), target=session.target(current), house=house)
    session.result(report.report_text(found))
    return FAILED if found.errors or (strict and found.warnings) else DONE


@cli.command()
@_layers
@_command
def install(session: Session, layers: tuple[str, ...]) -> int:
    """Check, then put the locked wheels into the environment, without an index and without a network."""
    from lockhouse import install as step  # noqa: PLC0415 - not needed by the other commands

    current = session.load()
    chosen = current.environment(layers)
    where = session.target(current)
    venv = current.config.venv
    began = time.monotonic()
    house = Wheelhouse(current.config.wheelhouse)
    found = run_check(current, chosen, target=where, house=house)
    place = shown(venv, current.config.root)
    if found.errors or found.match is None:
        session.result(report.report_text(found))
        session.message("nothing was installed" + (f"; {place} is as it was" if venv.exists() else ""))
        return FAILED
    session.message(report.report_text(found))
    session.message(f"installing into {place}")
    outcome = step.install(found.match.chosen, house=house, venv=venv, target=where, environ=session.environ)
    done = (
        f"{len(outcome.added)} added, {len(outcome.changed)} changed, {report.count(outcome.total, 'package')} in all"
    )
    session.result(f"{place}: {done} {_in(began)}, without a network")
    return DONE


@cli.command()
@_layers
@_command
def key(session: Session, layers: tuple[str, ...]) -> int:
    """Print the name under which CI can cache the wheelhouse."""
    current = session.load()
    chosen = current.named(layers)
    where = session.target(current)
    _refuse_unusable(session, chosen, where)
    required, _ = required_and_allowed(current, chosen, where)
    session.result(cache_key(required, where))
    return DONE


def _in(began: float) -> str:
    return f"in {time.monotonic() - began:.1f} s"


def run(argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run one command line and return its exit status; never raises."""
    session = Session(cwd=cwd, environ=environ, stdout=stdout, stderr=stderr)
    try:
        with contextlib.redirect_stdout(stdout):
            status = cli.main(args=list(argv), prog_name="lockhouse", standalone_mode=False, obj=session)
    except LockhouseError as error:
        session.error(error)
        return error.exit_status
    except click.ClickException as error:
        error.show(file=stderr)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", file=stderr)
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read the output has had enough; click turns that into an exit of its own.
        return FAILED
    except OSError as error:
        session.error(LockhouseError(f"{error.strerror or error}: {error.filename}" if error.filename else str(error)))
        return FAILED
    except Exception:  # noqa: BLE001 - the last door: what arrives here is a bug of ours, and is said to be one
        click.echo(redact(traceback.format_exc()), file=stderr)
        click.echo("This is a bug in lockhouse. Please report it, with the lines above.", file=stderr)
        return BUG
    return status if isinstance(status, int) else DONE


def entry_point() -> None:
    """Run the command line of this process, and exit with its status."""
    # A closed stream is None; a name on disk may be what the stream's encoding cannot write.
    stdout, stderr = (stream or open(os.devnull, "w", encoding="utf-8") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115, PTH123
    for stream in (stdout, stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cwd = Path.cwd()
    except FileNotFoundError:
        sys.exit("error: the working directory does not exist any more")
    status = run(sys.argv[1:], cwd=cwd, environ=dict(os.environ), stdout=stdout, stderr=stderr)
    try:
        stdout.flush()
    except BrokenPipeError:
        # Python flushes once more while it shuts down, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
    sys.exit(status)
