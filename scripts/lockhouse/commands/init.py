"""The command `init`."""

import click

from lockhouse import config, files, scaffold, toollock
from lockhouse.commands.session import DONE, FAILED, Session, command
from lockhouse.errors import LockhouseError, UsageError
from lockhouse.report import plain
from lockhouse.scaffold.ci import PROVIDERS


@click.command()
@click.option("--yes", is_flag=True, help="Write without asking; needed where there is no terminal.")
@click.option("--dry-run", is_flag=True, help="Only show what would be written.")
@click.option("--force", is_flag=True, help="Replace lockhouse.mk, lockhouse.in and the CI template where they differ.")
@click.option("--ci", "provider", type=click.Choice(PROVIDERS), help="Write the files for this CI system as well.")
@command
def init(session: Session, yes: bool, dry_run: bool, force: bool, provider: str | None) -> int:
    """Put Lockhouse into the project here.

    Proposes sources, configuration, Make targets, a hook, and what git is to ignore, shows them as a diff, and asks. What is
    there already stays as it is; a second run has nothing to do.

    \b
      lockhouse init                   show, ask, write
      lockhouse init --yes --ci github

    Exit status 1 if nothing was written because you said no.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    root = session.cwd
    try:
        proposal = scaffold.propose(root, provider=provider, force=force, environ=session.environ)
    except UnicodeDecodeError as error:
        raise LockhouseError(f"a file that init has to read is not UTF-8: {error}") from error
    for note in proposal.notes:
        session.message(f"note: {note}")
    if not proposal.changes:
        session.result("nothing to do: everything that init would write is there")
        return DONE
    if dry_run or not yes:
        session.result("\n".join(plain_diff(each.diff) for each in proposal.changes), verbatim=True)
    if dry_run or not (yes or _agreed(session, len(proposal.changes))):
        session.message("nothing was written")
        return DONE if dry_run else FAILED
    for each in proposal.changes:
        path = root / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write_atomically(path, each.after)
        session.result(f"{'made' if each.before is None else 'changed'} {each.path}")
    if any(each.path == config.TOOL.sources[0] for each in proposal.changes):
        _lock_ourselves(session)
    session.result("\n".join(("next:", *(f"  {step}" for step in proposal.next_steps))))
    return DONE


def _agreed(session: Session, count: int) -> bool:
    if not session.can_ask:
        raise UsageError("there is no terminal to ask on", hint="`lockhouse init --yes` writes this without asking")
    return session.agrees(f"write {'this file' if count == 1 else f'these {count} files'}?")


def plain_diff(diff: str) -> str:
    """Return a diff with control characters written out, lines and tabs apart."""
    return "\n".join("\t".join(map(plain, line.split("\t"))) for line in diff.split("\n"))


def _lock_ourselves(session: Session) -> None:
    """Lock the version of Lockhouse that `make` is to run; without an index that has it, say so and go on."""
    current = config.load(session.cwd)
    tool = toollock.read(current, session.environ)
    if tool is None or (tool.lock and not toollock.stale(tool)):
        return
    from lockhouse import index  # noqa: PLC0415 - imports pip

    session.message("locking lockhouse itself")
    try:
        toollock.compiled(tool, current, session.environ, index.compiler(current, session.environ))
    except LockhouseError as error:
        session.message(f"note: {error}")
        session.message(
            f"note: without {config.TOOL.lock}, `make` runs the lockhouse on the PATH, and CI has nothing to install; "
            "`lockhouse lock lockhouse` makes it where an index has lockhouse"
        )
    else:
        session.result(f"made {config.TOOL.lock}")
