"""The command `explain`."""

import click

from lockhouse import explain as step
from lockhouse.commands.session import DONE, Session, command
from lockhouse.formats.pages import page_text, rules_text


@click.command()
@click.argument("rule", required=False)
@command
def explain(session: Session, rule: str | None) -> int:
    """Tell what a rule of `check` means, why it matters and how to mend it; without a RULE, list all."""
    session.result(page_text(step.page(rule)) if rule else rules_text())
    return DONE
