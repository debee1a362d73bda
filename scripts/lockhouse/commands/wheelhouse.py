"""The command `wheelhouse`."""

import time
from collections.abc import Sequence

import click

from lockhouse import fill, progress, report
from lockhouse.commands.making import connected, yard_of
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers, refuse_unusable
from lockhouse.inspection import elsewhere_by, required_and_allowed, shown, undecided_by
from lockhouse.plan import Need
from lockhouse.project import Project
from lockhouse.target import Target
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@click.option("--if-missing", is_flag=True, help="Do nothing where a wheelhouse is there that has once been whole.")
@click.option("--record", is_flag=True, help="Record what is built here and not recorded yet, for this platform.")
@click.option("--rebuild", is_flag=True, help="Build every recorded wheel again, and compare.")
@click.option("--deep", is_flag=True, help="Compare every member of what is fetched with its own wheel's RECORD, too.")
@command
def wheelhouse(
    session: Session, layers: tuple[str, ...], *, if_missing: bool, record: bool, rebuild: bool, deep: bool
) -> int:
    """Make the directory of wheels exactly what the locks say.

    Keeps what is right, fetches what is missing, builds what has no wheel, and removes what no lock asks for. Every byte is
    compared with its locked hash before a file gets its name. The network is used only for what is missing.

    \b
      lockhouse wheelhouse             for all layers
      lockhouse wheelhouse dev         what dev needs; what others need stays
      lockhouse wheelhouse --record    on a platform where `lock` did not run

    Exit status 1 if a wheel is missing in the end, or a build gave other bytes than recorded.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = session.load()
    house = Wheelhouse(current.config.wheelhouse)
    if if_missing and not house.needs_first_fill and not (current.local and house.inputs.needs_first_fill):
        return DONE
    chosen = current.named(layers)
    where = session.target(current)
    refuse_unusable(session, chosen, where)
    required, allowed = required_and_allowed(current, chosen, where)
    undecided, elsewhere = undecided_by(current, allowed, where), elsewhere_by(current, where)
    began = time.monotonic()
    try:
        outcome = fill.fill(
            house,
            required=required,
            allowed=allowed,
            target=where,
            undecided=lambda stored: undecided(stored) or elsewhere(stored),
            connect=lambda: connected(session, current, chosen),
            connections=current.config.connections,
            progress=progress.on(session.stderr, quiet=session.quiet),
            waiting=session.waiting,
            deep=deep,
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
        f"removed {len(outcome.removed)} {elapsed(began)}"
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
    if not current.local and not any(need.buildable or need.from_source for need in required):
        return DONE
    from lockhouse import rebuilding  # noqa: PLC0415 - most projects never build

    began = time.monotonic()
    yard = yard_of(session, current, where)
    again = [need for need in required if need.built] if rebuild else []
    outcome = rebuilding.build(current, yard, left=left, again=again, record=record)
    for made in outcome.housed:
        session.result(f"{made.need.label}: built {made.wheel.filename}, as recorded; {made.origin}")
    for made in outcome.recorded:
        session.result(f"{made.need.label}: {made.wheel.filename} recorded, {made.origin}")
    for failure in outcome.failures:
        session.error(failure)
    if outcome.housed or outcome.recorded:
        session.result(f"built {report.count(len(outcome.housed) + len(outcome.recorded), 'wheel')} {elapsed(began)}")
    return FAILED if outcome.failures else DONE
