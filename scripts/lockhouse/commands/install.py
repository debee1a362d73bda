"""The command `install`."""

import contextlib
import time
from pathlib import Path

import click

from lockhouse import install as step
from lockhouse import report
from lockhouse.check import check
from lockhouse.commands.environment import for_environment
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers, today
from lockhouse.engines import ENGINES, choose
from lockhouse.formats.text import report_text
from lockhouse.inspection import shown
from lockhouse.install import Move, Outcome, Request
from lockhouse.local.kept import LocalWheel, keep
from lockhouse.plan import need_of
from lockhouse.venv import refuse_unnamed
from lockhouse.wheelhouse import Wheelhouse

# So many names of a kind are printed without being asked for; a first install has hundreds.
_NAMES = 20


@click.command()
@layers
@click.option("--env", type=click.Path(path_type=Path), metavar="DIR", help="Install into this environment.")
@click.option("--engine", type=click.Choice(ENGINES), help="Install with pip or uv, whatever the configuration says.")
@click.option("--keep-extra", is_flag=True, help="Leave what no lock asks for in the environment.")
@click.option("--compile", "compiled", is_flag=True, help="Byte-compile what is installed.")
@click.option("--editable/--no-editable", default=None, help="Install local projects in place, or as wheels.")
@click.option("--no-local", is_flag=True, help="Leave local projects out, for layers of an image.")
@command
def install(
    session: Session,
    layers: tuple[str, ...],
    *,
    env: Path | None,
    engine: str | None,
    keep_extra: bool,
    compiled: bool,
    editable: bool | None,
    no_local: bool,
) -> int:
    """Check, then make the environment exactly the locks.

    Locked wheels go into it (`.venv`, unless configured), each by its hash, without an index and without a network; what no
    lock asks for is removed.
    Layers that are named must belong to one environment; without one, the environment `default`, the only one, or that of
    the layer `main` is meant.

    \b
      lockhouse install
      lockhouse install main dev
      lockhouse install --env build/env --engine pip

    Exit status 1, and nothing installed, if there are findings.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = for_environment(session, session.load(), env)
    venv = current.config.venv
    if not env:
        refuse_unnamed(venv)
    chosen = current.environment(layers)
    where = session.target(current)
    began = time.monotonic()
    house = Wheelhouse(current.config.wheelhouse)
    found = check(current, chosen, target=where, house=house, today=today())
    place = shown(venv, current.config.root)
    if found.errors or found.match is None or found.match.unmet:
        # A pin without a usable wheel is one even where that is accepted: what is not whole is not installed.
        session.result(report_text(found))
        session.message("nothing was installed" + (f"; {place} is as it was" if venv.exists() else ""))
        return FAILED
    session.message(report_text(found))
    with contextlib.ExitStack() as stack:
        local: list[LocalWheel] = []
        if current.local and not no_local:
            from lockhouse.commands.local import wheels_of  # noqa: PLC0415 - builds, as most installs do not

            wish = current.config.editable if editable is None else editable
            local = stack.enter_context(wheels_of(session, current, chosen, where, found, editable=wish))
        request = Request(
            house=house,
            venv=venv,
            target=where,
            environ=session.environ,
            engine=lambda: choose(engine or current.config.engine, session.environ),
            again=frozenset(each.project.name for each in local if each.built),
            keep_extra=keep_extra,
            compiled=compiled,
            waiting=session.waiting,
            begin=lambda how: session.message(f"installing into {place} {how}".rstrip()),
        )
        outcome = step.install([*found.match.chosen, *((need_of(each.stored), each.stored) for each in local)], request)
        keep(local, venv)
    for path in outcome.left:
        session.message(f"note: no project owns {place / path}; it was left as it is")
    session.result(outcome_text(outcome, str(place), elapsed(began), verbose=session.verbose))
    return DONE


def outcome_text(outcome: Outcome, place: str, took: str, *, verbose: bool) -> str:
    """Return one line with the counts, and below it the names with their versions, unless there are too many of them."""
    counts = [
        f"{len(outcome.added)} added",
        f"{len(outcome.changed)} changed",
        f"{len(outcome.removed)} removed",
        f"{report.count(outcome.total, 'package')} in all {took}, without a network",
    ]
    lines = [f"{place}: {', '.join(counts)}"]
    for moves, text in ((outcome.added, _added), (outcome.changed, _changed), (outcome.removed, _removed)):
        if verbose or len(moves) <= _NAMES:
            lines.extend(f"  {text(move)}" for move in moves)
    return "\n".join(lines)


def _added(move: Move) -> str:
    return f"+ {move.name} {move.after}"


def _removed(move: Move) -> str:
    return f"- {move.name} {move.before or '(of no version)'}"


def _changed(move: Move) -> str:
    if move.before == move.after:
        return f"~ {move.name} {move.after} (mended)"
    return f"~ {move.name} {move.before or '?'} -> {move.after}"
