"""What the commands need that fetch and build: connections to the indexes, and a place to build in."""

import contextlib
from collections.abc import Iterator, Sequence

from lockhouse import progress
from lockhouse.commands.session import Session
from lockhouse.construct import Yard
from lockhouse.layers import LoadedLayer
from lockhouse.project import Project
from lockhouse.source import Source
from lockhouse.target import Target
from lockhouse.wheelhouse import Wheelhouse


@contextlib.contextmanager
def connected(session: Session, current: Project, layers: Sequence[LoadedLayer]) -> Iterator[Source]:
    """Open connections to the indexes of the layers, as pip is configured to reach them."""
    from lockhouse import index, process  # noqa: PLC0415 - imports pip, which takes longer than a whole check

    environ = index.pip_environment(session.environ)
    with process.own_environment(environ):
        scopes = [index.Scope.of(layer, current.config) for layer in layers]
        bindings = index.Bindings(current.config.index_for)
        source = index.PipIndex(scopes, bindings, connections=current.config.connections)
        try:
            yield source
        finally:
            source.close()


def yard_of(session: Session, current: Project, where: Target) -> Yard:
    """Return the place where wheels are built from source."""
    return Yard(
        house=Wheelhouse(current.config.wheelhouse),
        target=where,
        config=current.config,
        environ=session.environ,
        connect=lambda: connected(session, current, tuple(current.layers.values())),
        progress=lambda: progress.on(session.stderr, quiet=session.quiet),
        say=session.message,
        waiting=session.waiting,
    )
