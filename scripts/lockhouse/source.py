"""What a source of bytes is: something that lists the files of a project and hands over their bytes.

Plan and fill know sources by this page only; whether an index, a folder or a store answers is not their business.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that a source offers.

    `digests` and `size` (in bytes) are what the source *states*, possibly nothing, and prove nothing; `origin` is for
    people and carries no credentials; `handle` means something to the source alone.
    """

    filename: str
    digests: tuple[Digest, ...]
    requires_python: str | None
    size: int | None
    origin: str
    handle: object = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a source offers of one project: the files of the version that was asked for, and how many others it has.

    `failures` says why parts of the answer may be missing.
    """

    candidates: tuple[Candidate, ...]
    others: int
    failures: tuple[str, ...]


class Source(Protocol):
    """A source of bytes; its methods are called from several threads."""

    def candidates(self, name: NormalizedName, version: Version | None) -> Listing:
        """Return every file of this version (None: of all); what could not be asked stands in `failures`."""

    def at(self, url: str) -> Candidate:
        """Return the one file behind a URL."""

    def read(self, candidate: Candidate, is_whole: Callable[[], bool]) -> Generator[tuple[int, bytes], None, None]:
        """Yield the file's bytes in pieces, each with its position, until `is_whole` says that they are all there.

        The source tries again by itself; a piece at position 0 begins anew and makes void what came before. Raises
        FetchError when no try gets any further.
        """
