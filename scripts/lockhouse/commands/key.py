"""The command `key`."""

import click

from lockhouse.check import required_and_allowed
from lockhouse.commands.session import DONE, Session, command, layers, refuse_unusable
from lockhouse.key import cache_key


@click.command()
@layers
@command
def key(session: Session, layers: tuple[str, ...]) -> int:
    """Print the name under which CI can cache the wheelhouse."""
    current = session.load()
    chosen = current.named(layers)
    where = session.target(current)
    refuse_unusable(session, chosen, where)
    required, _ = required_and_allowed(current, chosen, where)
    session.result(cache_key(required, where))
    return DONE
