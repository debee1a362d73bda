"""The command `lock`."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from packaging.utils import NormalizedName

from lockhouse import lock as step
from lockhouse import report, toollock
from lockhouse.builds import BuildLock
from lockhouse.commands.making import yard_of
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers, today
from lockhouse.config import TOOL
from lockhouse.errors import UsageError
from lockhouse.layers import LoadedLayer
from lockhouse.project import Project
from lockhouse.resolution import Compiler
from lockhouse.rules import Finding
from lockhouse.rules.builds import build_findings
from lockhouse.target import Target


@click.command()
@layers
@click.option("--upgrade", is_flag=True, help="Let every pin move to the newest version that its sources allow.")
@click.option("-P", "--upgrade-package", "names", multiple=True, metavar="NAME", help="Let this project's pin move.")
@click.option("--check", "only_say", is_flag=True, help="Only say what would be recompiled; exit 1 if anything would.")
@command
def lock(session: Session, layers: tuple[str, ...], upgrade: bool, names: tuple[str, ...], only_say: bool) -> int:
    """Recompile the locks that no longer satisfy their sources.

    pip-compile resolves them, bases first, and an index is asked only if something must be resolved. No pin moves that need
    not, unless you let it. Pins without a wheel get a lock for their build and a line in the record. Commit what changes.

    \b
      lockhouse lock                  whatever is stale
      lockhouse lock --check          only say what is
      lockhouse lock -P requests      let one project move

    Exit status 1 if something cannot be locked, or anything would be recompiled under --check.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = session.load()
    if layers == (TOOL.name,) and TOOL.name not in current.layers:
        moving = ["--upgrade"] if upgrade else [f"--upgrade-package={name}" for name in step.parse_names(names)]
        return _lock_ourselves(session, current, moving, only_say=only_say, anew=True)
    _refuse_ourselves(current, step.parse_names(names))
    chosen = current.named(layers)
    where = session.target(current)
    began = time.monotonic()
    lacks = step.incomplete(current, where, today())
    if only_say:
        return _say(session, current, chosen, where, lacks, everything=not layers)

    def connect() -> Compiler:
        from lockhouse import index  # noqa: PLC0415 - imports pip

        step.refuse_other_python(current, (), where, moving=upgrade)
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
        lacks=lacks,
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
            session.result(_moves_text(done.moves, origins=len(done.asked) > 1 or session.verbose))
    built = _lock_builds(session, where, connect, step.parse_names(names), everything=upgrade, offered=offered)
    if not layers:
        _lock_ourselves(session, current, [], only_say=False, anew=False)
    fresh = len(chosen) - count
    session.result(
        f"locked {report.count(count, 'layer')}"
        + (f" and built {report.count(built, 'wheel')}" if built else "")
        + f" {elapsed(began)}"
        + (f"; {fresh} fresh already" if fresh else "")
    )
    return DONE


def _say(
    session: Session,
    current: Project,
    chosen: Sequence[LoadedLayer],
    where: Target,
    lacks: Sequence[Finding],
    *,
    everything: bool,
) -> int:
    """Say what would be recompiled."""
    stale = [found for each in step.stale_layers(current, chosen, where, lacks).values() for found in each]
    stale += build_findings(current, where)
    if everything and (tool := toollock.read(current.config, session.environ)) and tool.lock:
        stale += toollock.stale(tool)
    if stale:
        session.result("\n".join(map(report.finding_text, sorted(stale))))
    return FAILED if any(found.severity == "error" for found in stale) else DONE


def _refuse_ourselves(current: Project, names: Sequence[NormalizedName]) -> None:
    pinned = {pin.name for layer in current.layers.values() for pin in layer.pins}
    if TOOL.name in names and TOOL.name not in pinned and (current.config.root / TOOL.sources[0]).is_file():
        raise UsageError(
            "no layer pins lockhouse itself",
            hint=f"to move it, write its new version into {TOOL.sources[0]}, then run `make lock`",
        )


def _lock_ourselves(session: Session, current: Project, moving: Sequence[str], *, only_say: bool, anew: bool) -> int:
    """Lock Lockhouse itself where its lock is stale; one that is not there is made only where it was asked for (`anew`)."""
    tool = toollock.read(current.config, session.environ)
    if tool is None:
        if anew:
            raise UsageError(f"there is no {TOOL.sources[0]}", hint="`lockhouse init` writes it")
        return DONE
    reasons = toollock.stale(tool)
    if only_say:
        if reasons:
            session.result("\n".join(map(report.finding_text, sorted(reasons))))
        return FAILED if reasons else DONE
    if (reasons or moving) if anew else (reasons and tool.lock):
        from lockhouse import index  # noqa: PLC0415 - imports pip

        session.message("locking lockhouse itself")
        compiler = index.compiler(current.config, session.environ)
        moves = toollock.compiled(tool, current.config, session.environ, compiler, upgrade=moving)
        session.result(f"{TOOL.lock}: {report.count(len(moves), 'pin')} moved")
        if moves:
            session.result(_moves_text(moves, origins=session.verbose))
    elif anew:
        session.result(f"{TOOL.lock} is fresh already")
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
    from lockhouse.local.locking import lock_local  # noqa: PLC0415 - as above

    current = session.load()

    def upgrade(lock: BuildLock) -> list[str]:
        if everything:
            return ["--upgrade"]
        pinned = {pin.name for pin in lock.layer.pins}
        return [f"--upgrade-package={name}" for name in names if name in pinned]

    yard = yard_of(session, current, where)
    if buildlock.unrecorded(current, yard):
        compiled = [lock.layer for lock in current.builds.locks.values()]
        step.refuse_other_python(current, compiled, where, moving=everything)
    done = buildlock.lock_builds(current, yard, connect=connect, upgrade=upgrade, offered=offered)
    for name in done.dropped:
        session.message(f"removed the build lock of {name}, which nothing asks for any more")
    for made in done.made:
        session.result(f"{made.need.label}: {made.wheel.filename} recorded, {made.origin}")
    current = session.load()
    locked = lock_local(current, yard_of(session, current, where), connect=connect, upgrade=upgrade)
    for local in locked:
        session.result(f"{local.path}: locked what it is built with")
    if (done.made or locked) and buildlock.is_ignored(current.config, session.environ):
        session.message("note: git ignores requirements/build: write `!/requirements/build/` into .gitignore")
    return len(done.made)


def _moves_text(moves: Sequence[step.Move], *, origins: bool) -> str:
    """Return what moved in a lock as aligned columns: name, before, after, and the index it came from if asked."""
    width = max((len(move.name) for move in moves), default=0)
    old = max((len(str(move.before or "-")) for move in moves), default=0)
    new = max((len(str(move.after or "gone")) for move in moves), default=0)
    return "\n".join(
        (
            f"  {move.name:<{width}}  {move.before or '-'!s:<{old}} -> {move.after or 'gone'!s:<{new}}"
            f"  {(origins and move.origin) or ''}"
        ).rstrip()
        for move in moves
    )
