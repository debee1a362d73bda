"""The command `check`."""

import click

from lockhouse import explain
from lockhouse.check import Report
from lockhouse.check import check as step
from lockhouse.commands.environment import with_environment
from lockhouse.commands.session import DONE, FAILED, Session, command, layers, today
from lockhouse.errors import UsageError
from lockhouse.formats.text import ending_text, report_text
from lockhouse.formats.view import View, top_of
from lockhouse.selection import narrowed

_FORMATS = ("text", "json", "github", "sarif")


@click.command()
@layers
@click.option("--locks-only", is_flag=True, help="Judge the locks, and leave the wheelhouse aside.")
@click.option("--deep", is_flag=True, help="Hash every member of every wheel, too, as its own RECORD states it.")
@click.option("--strict", is_flag=True, help="Let warnings count as findings.")
@click.option(
    "--select", multiple=True, metavar="RULE", help="Read findings of this rule only (RULE,RULE for several)."
)
@click.option(
    "--env", is_flag=False, flag_value="", metavar="[DIR]", help="Judge the environment as well, or this one."
)
@click.option("--ignore", multiple=True, metavar="RULE", help="Leave findings of this rule out, and do not count them.")
@click.option("--format", "form", type=click.Choice(_FORMATS), default="text", help="How to write what was found.")
@command
def check(
    session: Session,
    layers: tuple[str, ...],
    *,
    locks_only: bool,
    deep: bool,
    env: str | None,
    strict: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    form: str,
) -> int:
    """Prove that sources, locks and wheelhouse match, both ways.

    Says everything that is wrong at once, each with file, line and how to mend it. Changes nothing, and uses no network.

    \b
      lockhouse check                       everything
      lockhouse check main --locks-only     one lock against its sources
      lockhouse check --deep                every member of every wheel, too
      lockhouse check --env                 the environment, too

    Exit status 1 if there are findings; warnings are none, except under --strict.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    if deep and locks_only:
        raise UsageError("--deep looks into the wheels, which --locks-only leaves aside", hint="give one of the two")
    selected, ignored = explain.named(select), explain.named(ignore)
    current, installed, mend = with_environment(session, session.load(), env, layers)
    if installed and locks_only:
        raise UsageError("an environment is judged by its wheels: --env and --locks-only do not go together")
    house = None
    if not locks_only:
        from lockhouse.wheelhouse import Wheelhouse  # noqa: PLC0415 - takes longer to import than locks take to judge

        house = Wheelhouse(current.config.wheelhouse)
    where = session.target(current)
    found = step(
        current,
        current.named(layers),
        target=where,
        house=house,
        deep=deep,
        installed=installed,
        mend=mend,
        today=today(),
    )
    found = narrowed(found, select=selected, ignore=ignored)
    ok = not (found.errors or (strict and found.warnings))
    root = current.config.root
    _print(session, form, found, View(ok=ok, target=where, root=root, top=top_of(root)))
    return DONE if ok else FAILED


def _print(session: Session, form: str, found: Report, view: View) -> None:
    """Print the report in a format; what a program reads is alone on standard output."""
    if form == "json":
        from lockhouse.formats.document import report_json  # noqa: PLC0415 - each format needs what others do not

        session.result(report_json(found, view))
    elif form == "sarif":
        from lockhouse.formats.sarif import report_sarif  # noqa: PLC0415 - as above

        session.result(report_sarif(found, view))
    elif form == "github":
        from lockhouse.formats.github import report_commands  # noqa: PLC0415 - as above

        if commands := report_commands(found, view):
            session.result(commands)
        session.message(ending_text(found))
    else:
        session.result(report_text(found))
