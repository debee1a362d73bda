"""The command `check`."""

import click

from lockhouse.check import check as step
from lockhouse.commands.session import DONE, FAILED, Session, command, layers
from lockhouse.formats.text import report_text


@click.command()
@layers
@click.option("--locks-only", is_flag=True, help="Judge the locks, and leave the wheelhouse aside.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@command
def check(session: Session, layers: tuple[str, ...], locks_only: bool, strict: bool) -> int:
    """Prove that sources, locks and wheelhouse match, both ways.

    Says everything that is wrong at once, each with file, line and how to mend it. Changes nothing, and uses no network.

    \b
      lockhouse check                       everything
      lockhouse check main --locks-only     one lock against its sources

    Exit status 1 if there are findings; warnings are none, except under --strict.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = session.load()
    house = None
    if not locks_only:
        from lockhouse.wheelhouse import Wheelhouse  # noqa: PLC0415 - takes longer to import than locks take to judge

        house = Wheelhouse(current.config.wheelhouse)
    found = step(current, current.named(layers), target=session.target(current), house=house)
    session.result(report_text(found))
    return FAILED if found.errors or (strict and found.warnings) else DONE
