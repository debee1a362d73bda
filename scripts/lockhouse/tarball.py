"""A tar whose bytes depend on nothing but its members: sorted, owned by nobody, at one fixed time, in the pax format.

Refuses a file whose bytes are no longer the expected ones when they are copied.
"""

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from lockhouse import files
from lockhouse.digest import Digest
from lockhouse.errors import LockhouseError

# The first moment that a zip knows; some tars complain about 1970.
_TIME = 315532800
_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the archive: where it stands, its size and sha256, and what it holds or the file on disk that holds it."""

    path: PurePosixPath
    size: int
    sha256: Digest
    content: bytes | Path

    @classmethod
    def of(cls, path: PurePosixPath, content: bytes | str) -> "Member":
        """Return a member with this content."""
        data = content.encode() if isinstance(content, str) else content
        return cls(path=path, size=len(data), sha256=Digest("sha256", hashlib.sha256(data).hexdigest()), content=data)


def write(path: Path, members: Iterable[Member]) -> tuple[Digest, int]:
    """Write the tar and return its sha256 and size; the file has its name only when it is whole, and memory use is bounded.

    Raises LockhouseError where a file on disk has changed, and OSError.
    """
    with files.written(path) as file:
        out = _Hashed(file)
        # A stream: nothing is ever written again, so the digest can be taken on the way.
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for member in sorted(members, key=lambda member: member.path):
                _add(archive, member)
        return out.digest, out.size


def _add(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.path.as_posix())
    info.size, info.mode, info.mtime = member.size, _MODE, _TIME
    if isinstance(member.content, bytes):
        archive.addfile(info, io.BytesIO(member.content))
        return
    with member.content.open("rb") as file:
        source = _Hashed(file)
        try:
            archive.addfile(info, source)
        except OSError as error:
            if error.errno is None:  # tarfile's own: the file ended early
                raise _changed(member) from error
            raise
        if source.digest != member.sha256 or file.read(1):
            raise _changed(member)


def _changed(member: Member) -> LockhouseError:
    return LockhouseError(f"{member.path.name} changed while it was read", hint="run `make check`, then try again")


class _Hashed(io.RawIOBase):
    """A file of which everything that is read or written is hashed on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hasher = hashlib.sha256()
        self.size = 0

    @property
    def digest(self) -> Digest:
        """The sha256 of what has passed."""
        return Digest("sha256", self._hasher.hexdigest())

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hasher.update(data)
        return data

    def write(self, data: object) -> int:
        assert isinstance(data, bytes)  # noqa: S101 - for the type checker: tarfile writes nothing else
        self._hasher.update(data)
        self.size += len(data)
        return self._file.write(data)
