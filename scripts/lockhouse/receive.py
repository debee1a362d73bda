"""The bytes of one file as they come from a source: written, hashed while they are written, and compared with what is locked."""

import contextlib
import hashlib
from collections.abc import Callable, Set
from typing import BinaryIO

from lockhouse import contents
from lockhouse.digest import Digest
from lockhouse.errors import FetchError
from lockhouse.filenames import WheelName
from lockhouse.source import Candidate, Source


def receive(
    source: Source, candidate: Candidate, wanted: Set[Digest], file: BinaryIO, came: Callable[[int], None]
) -> tuple[int, tuple[Digest, ...]]:
    """Write a candidate's bytes into an empty file, and return their count and digests, of which one is wanted.

    `came` hears of every piece's size; what it raises stops the transfer. Raises FetchError.
    """
    received = _Received(file, wanted)
    with contextlib.closing(source.read(candidate, received.is_whole)) as pieces:
        for position, chunk in pieces:
            received.take(position, chunk)
            came(len(chunk))
    digests = received.digests()
    if wanted.isdisjoint(digests):
        raise FetchError(f"what came is not what is locked ({received.count} bytes from {candidate.origin})")
    return received.count, digests


def receive_wheel(
    source: Source,
    candidate: Candidate,
    wanted: Set[Digest],
    file: BinaryIO,
    came: Callable[[int], None],
) -> tuple[int, tuple[Digest, ...]]:
    """Receive a wheel, and look whether its members are what its own RECORD states; pip does not look.

    Raises FetchError: a wheel that contradicts itself is not let in, though its bytes are the locked ones.
    """
    count, digests = receive(source, candidate, wanted, file, came)
    if faults := contents.read_bytes(file, count):
        wheel = WheelName.parse(candidate.filename)
        raise FetchError(
            f"its bytes are the locked ones, but it is no sound wheel: {'; '.join(faults)}",
            hint=f"lock another release: write `{wheel.name}!={wheel.version}` into a source, then run `make lock`",
        )
    return count, digests


class _Received:
    """What has come of one file so far, hashed while it is written."""

    def __init__(self, file: BinaryIO, wanted: Set[Digest]) -> None:
        self._file = file
        self._wanted = wanted
        self._begin()

    def _begin(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.count = 0
        self._hashers = {name: hashlib.new(name) for name in {"sha256", *(each.algorithm for each in self._wanted)}}

    def take(self, position: int, chunk: bytes) -> None:
        """Add a piece; one at position 0 makes void what came before."""
        if position == 0 and self.count:
            self._begin()
        self._file.write(chunk)
        self.count += len(chunk)
        for hasher in self._hashers.values():
            hasher.update(chunk)

    def digests(self) -> tuple[Digest, ...]:
        """Return the digests of what is there."""
        return tuple(Digest(name, hasher.hexdigest()) for name, hasher in sorted(self._hashers.items()))

    def is_whole(self) -> bool:
        """Return whether it is one of the files that are wanted."""
        return not self._wanted.isdisjoint(self.digests())
