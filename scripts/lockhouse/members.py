"""A wheel's RECORD against its members: the names both ways, and what each member's bytes are (binary distribution format).

Refuses weak hashes: RECORD must state sha256 or better of every file but itself and its signatures.
"""

import base64
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from lockhouse.archive import digest_of, quoted, shortened, told
from lockhouse.digest import Digest
from lockhouse.errors import WheelError


@dataclass(frozen=True, slots=True)
class Record:
    """RECORD, read: its rows by the path that each is about, and the paths that have two rows which differ."""

    rows: Mapping[str, Sequence[str]]
    torn: tuple[str, ...]


def parse(text: str, *, members: int) -> Record:
    """Read the RECORD of a wheel that has so many members; raises WheelError where it is no CSV, or endless."""
    rows: dict[str, list[str]] = {}
    # Empty lines cost time, too.
    limit = 2 * members + 100
    try:
        lines = list(islice(csv.reader(io.StringIO(text)), limit))
    except csv.Error as error:
        raise WheelError(f"RECORD cannot be read: {error}") from error
    if len(lines) == limit:
        raise WheelError("RECORD cannot be read: it has far more lines than there are members")
    torn = tuple(row[0] for row in lines if row and rows.setdefault(row[0], row) != row)
    return Record(rows, torn)


def name_faults(record: Record, names: Sequence[str], info: str) -> Iterator[str]:
    """Say which files RECORD does not list, which it lists that are not there, and which it lists in two ways."""
    listed = record.rows.keys()
    # Directories need not be listed, and may be.
    files = {name for name in names if name[-1:] != "/"}
    unlisted, absent = sorted(files - listed - _signatures(info)), sorted(listed - set(names))
    yield from told((f"RECORD does not list {quoted(name)}" for name in unlisted), "files are not listed")
    yield from told((f"RECORD lists {quoted(name)}, which is not there" for name in absent), "files are not there")
    yield from told((f"RECORD lists {quoted(name)} twice, and differently" for name in record.torn), "are listed twice")


def byte_faults(file: BinaryIO, archive: ZipFile, record: Record, info: str) -> Iterator[str]:
    """Hash every member, and say which are not what RECORD states; `file` is the one that the archive reads."""
    exempt = {f"{info}/RECORD", *_signatures(info)}
    # In the order of the file, so that it is read once.
    members = sorted(archive.infolist(), key=attrgetter("header_offset"))
    faults = (_byte_fault(file, member, record, exempt) for member in members)
    yield from told(filter(None, faults), "members are not what RECORD states")


def _byte_fault(file: BinaryIO, member: ZipInfo, record: Record, exempt: set[str]) -> str | None:
    row = record.rows.get(member.filename, ())
    stated, size = (row[1] if len(row) > 1 else ""), (row[2] if len(row) > 2 else "")
    algorithm, _, value = stated.partition("=")
    name = quoted(member.filename)
    if member.filename in exempt or member.is_dir() or not row:
        # That it is not listed has been said; that it can be read is worth knowing.
        stated, algorithm, size = "", "sha256", ""
    elif not stated:
        return f"RECORD states no hash of {name}"
    elif not Digest(algorithm, "").strong:
        return f"RECORD states only a {shortened(algorithm)} of {name}: sha256 or better is prescribed"
    try:
        actual = digest_of(file, member, algorithm)
    except WheelError as error:
        return error.reason
    found = base64.urlsafe_b64encode(bytes.fromhex(actual.hex)).rstrip(b"=").decode()
    if stated and value.rstrip("=") != found:
        return f"{name} is not what RECORD states ({shortened(stated)} there, {algorithm}={found} in fact)"
    if size and size != str(member.file_size):
        return f"{name} has not the size that RECORD states ({shortened(size)} there, {member.file_size} in fact)"
    return None


def _signatures(info: str) -> frozenset[str]:
    # Signatures cannot be listed (PEP 427).
    return frozenset((f"{info}/RECORD.jws", f"{info}/RECORD.p7s"))
