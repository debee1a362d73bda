"""What a source of bytes is: something that lists the files of a project and hands over their bytes.

Plan and fill know sources by this page only; whether an index, a folder or a store answers is not their business.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from packaging.utils import NormalizedName

from lockhouse.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that a source offers.

    `digests` is what the source *states*, possibly nothing, and proves nothing; `origin` is for people and carries no
    credentials; `handle` means something to the source alone.
    """

    filename: str
    digests: tuple[Digest, ...]
    requires_python: str | None
    origin: str
    handle: object = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a source offers for one project, and why parts of the answer may be missing."""

    candidates: tuple[Candidate, ...]
    failures: tuple[str, ...]


class Source(Protocol):
    """A source of bytes; its methods are called from several threads."""

    def candidates(self, name: NormalizedName) -> Listing:
        """Return every file of the project; what could not be asked stands in `failures`."""

    def at(self, url: str) -> Candidate:
        """Return the one file behind a URL."""

    def read(self, candidate: Candidate) -> Iterator[bytes]:
        """Yield the file's bytes in pieces; raises FetchError, with `transient` where another try may help."""
