"""The command `key`."""

import click

from lockhouse import plan
from lockhouse.commands.session import DONE, Session, command, layers, refuse_unusable
from lockhouse.inspection import required_and_allowed
from lockhouse.key import cache_key


@click.command()
@layers
@command
def key(session: Session, layers: tuple[str, ...]) -> int:
    """Print the name under which CI can cache the wheelhouse.

    It is made from pins, hashes, the record and the platform, and changes with what is needed, not with comments or order.

    \b
      lockhouse key            for all layers
      lockhouse key main       for one

    Exit status 1 if a lock is missing, or holds what cannot be fetched by hash.
    """  # noqa: D301 - \b keeps click from wrapping the examples
    current = session.load()
    chosen = current.named(layers)
    where = session.target(current)
    refuse_unusable(session, chosen, where)
    required, _ = required_and_allowed(current, chosen, where)
    # What builds are made with lies in the wheelhouse, too, and another build lock is a reason to build again.
    inputs = plan.needs([lock.layer.pins for lock in current.builds.locks.values()], where, builds=current.builds)
    session.result(cache_key((*required, *inputs), where))
    return DONE
