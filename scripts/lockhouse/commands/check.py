"""The command `check`."""

import click

from lockhouse.check import check as step
from lockhouse.commands.session import DONE, FAILED, Session, command, layers, today
from lockhouse.formats.text import report_text
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@click.option("--locks-only", is_flag=True, help="Judge the locks, and leave the wheelhouse aside.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@command
def check(session: Session, layers: tuple[str, ...], locks_only: bool, strict: bool) -> int:
    """Prove that the locks answer their sources, and that wheelhouse and locks match, both ways."""
    current = session.load()
    house = None if locks_only else Wheelhouse(current.config.wheelhouse)
    found = step(current, current.named(layers), target=session.target(current), house=house, today=today())
    session.result(report_text(found))
    return FAILED if found.errors or (strict and found.warnings) else DONE
