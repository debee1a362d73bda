"""The command `key`."""

import click

from lockhouse import plan
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
    # What local projects are built with lies in the wheelhouse, too.
    locks = [lock for name, lock in current.builds.locks.items() if name in current.local]
    inputs = plan.needs([lock.layer.pins for lock in locks], where, builds=current.builds)
    session.result(cache_key((*required, *inputs), where))
    return DONE
