"""The command `install`."""

import time

import click

from lockhouse import install as step
from lockhouse import report
from lockhouse.check import check, shown
from lockhouse.commands.session import DONE, FAILED, Session, command, elapsed, layers
from lockhouse.formats.text import report_text
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@command
def install(session: Session, layers: tuple[str, ...]) -> int:
    """Check, then install the locked wheels and nothing else.

    They go into the environment (`.venv`, unless configured), each by its hash, without an index and without a network.
    Layers that are named must belong to one environment; without one, the environment `default`, the only one, or that of
    the layer `main` is meant.

    \b
      lockhouse install
      lockhouse install main dev

    Exit status 1, and nothing installed, if there are findings.
    """  # noqa: D301 - \b keeps click from wrapping the examples
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
    session.message(f"installing into {place}")
    outcome = step.install(found.match.chosen, house=house, venv=venv, target=where, environ=session.environ)
    done = (
        f"{len(outcome.added)} added, {len(outcome.changed)} changed, {report.count(outcome.total, 'package')} in all"
    )
    session.result(f"{place}: {done} {elapsed(began)}, without a network")
    return DONE
