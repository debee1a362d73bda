"""The command line: finds the command, and chooses the exit status."""

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import click

from lockhouse import __version__, process
from lockhouse.commands.session import BUG, DONE, FAILED, INTERRUPTED, Session, directory
from lockhouse.errors import LockhouseError, nearest

# In the order in which a project needs them; each is a module of `lockhouse.commands`.
COMMANDS = ("init", "lock", "wheelhouse", "check", "install", "key", "diff", "explain", "bundle")


class _Commands(click.Group):
    """The commands, each loaded only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(f"lockhouse.commands.{cmd_name}"), cmd_name)
        assert isinstance(found, click.Command)  # noqa: S101 - for the type checker; the list above is ours
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # A word with a dash is an option's, which click itself compares with those it knows.
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {args[0]!r}; {nearest(args[0], COMMANDS, 'the commands are')}")
        return super().resolve_command(ctx, args)


def _print_makefile(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        context.ensure_object(Session).result(str(Path(__file__).with_name("lockhouse.mk")).replace(" ", "\\ "))
        context.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lockhouse")
@directory
@click.option(
    "--makefile",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_makefile,
    help="Print where lockhouse.mk is, the targets that your Makefile can include.",
)
def cli() -> None:
    """Turn pinned requirements into a verified, offline install.

    lock -> wheelhouse -> check -> install. Without a LAYER, a command means all of them.

    Exit status: 0 done, 1 findings or a failure that the message explains, 2 wrong usage or configuration, 3 a bug of
    ours, 130 interrupted. `lockhouse COMMAND --help` says more.
    """


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
    stdin: TextIO | None = None,
) -> int:
    """Run one command line and return its exit status; never raises."""
    # As a git hook, we are told which repository we are in; what we start must not take it for its own.
    session = Session(cwd=cwd, environ=process.outside_repository(environ), stdout=stdout, stderr=stderr, stdin=stdin)
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
    except SystemExit as exit_:
        # click's own: what a shell asks for to complete a line was answered, or whoever read the output has had enough.
        return exit_.code if isinstance(exit_.code, int) else FAILED
    except BrokenPipeError:
        return FAILED
    except OSError as error:
        session.error(LockhouseError(f"{error.strerror or error}: {error.filename}" if error.filename else str(error)))
        return FAILED
    except Exception:  # noqa: BLE001 - the last door: what arrives here is a bug of ours, and is said to be one
        import traceback  # noqa: PLC0415 - hardly ever needed, and slow to import

        from lockhouse.redact import redact  # noqa: PLC0415

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
    status = run(sys.argv[1:], cwd=cwd, environ=dict(os.environ), stdout=stdout, stderr=stderr, stdin=sys.stdin)
    try:
        stdout.flush()
    except BrokenPipeError:
        # Python flushes once more while it shuts down, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
    sys.exit(status)
