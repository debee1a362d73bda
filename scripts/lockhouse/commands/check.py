"""The command `check`."""

import click

from lockhouse.check import check as step
from lockhouse.commands.environment import with_environment
from lockhouse.commands.session import DONE, FAILED, Session, command, layers
from lockhouse.errors import UsageError
from lockhouse.formats.text import report_text
from lockhouse.wheelhouse import Wheelhouse


@click.command()
@layers
@click.option("--locks-only", is_flag=True, help="Judge the locks, and leave the wheelhouse aside.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@click.option(
    "--env",
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Judge the environment as well, or this one.",
)
@command
def check(session: Session, layers: tuple[str, ...], locks_only: bool, strict: bool, env: str | None) -> int:
    """Prove that the locks answer their sources, and that wheelhouse and locks match, both ways."""
    current, installed, mend = with_environment(session, session.load(), env, layers)
    if installed and locks_only:
        raise UsageError("an environment is judged by its wheels: --env and --locks-only do not go together")
    house = None if locks_only else Wheelhouse(current.config.wheelhouse)
    found = step(
        current,
        current.named(layers),
        target=session.target(current),
        house=house,
        installed=installed,
        mend=mend,
    )
    session.result(report_text(found))
    return FAILED if found.errors or (strict and found.warnings) else DONE
