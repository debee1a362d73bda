"""The command `explain`."""

import click

from lockhouse import explain as step
from lockhouse.commands.session import DONE, Session, command
from lockhouse.formats.pages import page_text, rules_text


@click.command()
@click.argument("rule", required=False)
@command
def explain(session: Session, rule: str | None) -> int:
    """Tell what a rule of `check` means and how to mend it.

    Without a RULE, all of them are listed.

    \b
      lockhouse explain                     every rule, a line each
      lockhouse explain lock-stale          the page of one

    Exit status 2 where there is no such rule; the nearest one is named.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    session.result(page_text(step.page(rule)) if rule else rules_text())
    return DONE
