"""A source of bytes on a test's index, opened as pip is configured to, in this process."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lockhouse.index import Bindings, PipIndex, Scope, pip_environment
from lockhouse.index.hosts import STANDARD, Policy
from support.index import Index

Open = Callable[..., PipIndex]


@contextmanager
def opener(index: Index, environ: dict[str, str]) -> Iterator[Open]:
    """Yield what opens the index with the scopes and variables that a test gives.

    This process's variables are those of the source until the end, as pip reads them late.
    """
    opened: list[PipIndex] = []
    before = dict(os.environ)

    def open_(
        *scopes: Scope,
        bindings: tuple[tuple[str, str], ...] = (),
        connections: int = 2,
        policy: Policy = STANDARD,
        **variables: str,
    ) -> PipIndex:
        given = pip_environment({**environ, "PIP_INDEX_URL": index.url, **variables})
        os.environ.clear()
        os.environ.update(given)
        opened.append(PipIndex(scopes, Bindings(bindings), connections=connections, policy=policy))
        return opened[-1]

    try:
        yield open_
    finally:
        for each in opened:
            each.close()
        os.environ.clear()
        os.environ.update(before)


def fetched(source: PipIndex, url: str, wanted: str) -> bytes:
    """Read one file as a fill does: a piece at position 0 begins anew, and the sha256 that is wanted says when all is there."""
    got = bytearray()

    def is_whole() -> bool:
        return hashlib.sha256(got).hexdigest() == wanted

    for position, chunk in source.read(source.at(url), is_whole):
        if position == 0:
            got.clear()
        assert position == len(got), "no piece may be missing"
        got.extend(chunk)
    return bytes(got)
