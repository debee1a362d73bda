"""The command `install`."""

import contextlib
import time

import click

from lockhouse import install as step
from lockhouse import report
from lockhouse.check import check, shown
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers
from lockhouse.formats.text import report_text
from lockhouse.local.kept import LocalWheel, keep
from lockhouse.plan import need_of
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@click.option("--editable/--no-editable", default=None, help="Install local projects in place, or as wheels.")
@click.option("--no-local", is_flag=True, help="Leave local projects out, for layers of an image.")
@command
def install(session: Session, layers: tuple[str, ...], editable: bool | None, no_local: bool) -> int:
    """Check, then put the locked wheels into the environment, without an index and without a network."""
    current = session.load()
    chosen = current.environment(layers)
    where = session.target(current)
    venv = current.config.venv
    began = time.monotonic()
    house = Wheelhouse(current.config.wheelhouse)
    found = check(current, chosen, target=where, house=house)
    place = shown(venv, current.config.root)
    if found.errors or found.match is None:
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
        session.message(f"installing into {place}")
        outcome = step.install(
            [*found.match.chosen, *((need_of(each.stored), each.stored) for each in local)],
            house=house,
            venv=venv,
            target=where,
            environ=session.environ,
            again=frozenset(each.project.name for each in local if each.built),
        )
        keep(local, venv)
    done = (
        f"{len(outcome.added)} added, {len(outcome.changed)} changed, {report.count(outcome.total, 'package')} in all"
    )
    session.result(f"{place}: {done} {elapsed(began)}, without a network")
    return DONE
