"""Wheels: what a file name says (PEP 427), and whether the archive holds what the name and RECORD promise.

Refuses archives that are no zip, members that leave the tree, and metadata that disagrees with the name.
"""

import csv
import io
import lzma
import posixpath
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PureWindowsPath

from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.utils import (
    BuildTag,
    InvalidName,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from lockhouse.errors import WheelError
from lockhouse.metadata import Metadata

# A METADATA, WHEEL or RECORD larger than this is no honest one; the zip's own statement of size is not trusted either.
_MEMBER_LIMIT = 32 << 20
# Everything that zipfile and the decompressors below it are known to raise over hostile bytes.
UNSOUND = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, NotImplementedError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """A wheel's file name, read: the project, its version, the build tag (`()` for none) and the tags."""

    filename: str
    name: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]

    @classmethod
    def parse(cls, filename: str) -> "WheelName":
        """Read a wheel's file name; raises WheelError where it is not one.

        >>> WheelName.parse("six-1.16.0-1-py2.py3-none-any.whl").build
        (1, '')
        """
        try:
            name, version, build, tags = parse_wheel_filename(filename)
        except (InvalidWheelFilename, InvalidVersion, InvalidName) as error:
            raise WheelError(f"{filename!r} is not a wheel's file name: {error}") from error
        return cls(filename=filename, name=name, version=version, build=build, tags=tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContent:
    """What a look inside a wheel gave: its METADATA (None where there is none to read), and what is wrong with it.

    `misnamed` lists where metadata and file name disagree, `broken` what makes the archive unsound, and `mislabelled`
    where only the tags disagree, as they do in well-known releases: installers go by the file name.
    """

    metadata: Metadata | None
    misnamed: tuple[str, ...]
    broken: tuple[str, ...]
    mislabelled: tuple[str, ...] = ()


def read(path: Path, wheel: WheelName) -> WheelContent:
    """Look inside a wheel and compare it with its name; the members' own bytes are not hashed here.

    Raises OSError where the file cannot be opened. A wheel that is no archive at all comes back as `broken`.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, wheel)
        except WheelError as error:
            return _broken(error.reason)
        except UNSOUND as error:
            return _broken(f"not a sound zip archive: {error}")


def _broken(*reasons: str) -> WheelContent:
    return WheelContent(metadata=None, misnamed=(), broken=reasons)


def _read(archive: zipfile.ZipFile, wheel: WheelName) -> WheelContent:
    members = archive.infolist()
    broken = list(_unsafe_members(archive, members))
    names = [member.filename for member in members]
    infos = sorted({top for name in names if (top := name.partition("/")[0]).endswith(".dist-info")})
    if len(infos) != 1:
        return _broken(*broken, f"there must be one .dist-info directory (there are: {', '.join(infos) or 'none'})")
    [info] = infos
    missing = [part for part in ("METADATA", "WHEEL", "RECORD") if f"{info}/{part}" not in names]
    if missing:
        return _broken(*broken, f"{info} has no {', '.join(missing)}")
    metadata = Metadata.parse(_text(archive, f"{info}/METADATA"))
    tags = HeaderParser().parsestr(_text(archive, f"{info}/WHEEL")).get_all("Tag", [])
    # The directory's spelling is not always normalised, so names are compared as packaging does.
    project, _, version = info.removesuffix(".dist-info").rpartition("-")
    misnamed = [*_disagreements(wheel, metadata.name, metadata.version, "METADATA")] or [
        *_disagreements(wheel, project, version, f"the directory {info}")
    ]
    broken.extend(_record_faults(_text(archive, f"{info}/RECORD"), names, info))
    broken.extend(metadata.faults)
    return WheelContent(
        metadata=metadata,
        misnamed=tuple(misnamed),
        broken=tuple(broken),
        mislabelled=tuple(_tag_disagreements(wheel, tags)),
    )


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        data = member.read(_MEMBER_LIMIT + 1)
    if len(data) > _MEMBER_LIMIT:
        raise WheelError(f"{name} is larger than {_MEMBER_LIMIT >> 20} MiB")
    return data.decode("utf-8", errors="replace")


def _unsafe_members(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[str]:
    counts = Counter(member.filename for member in members)
    for name in sorted(name for name, count in counts.items() if count > 1):
        yield f"the member {name!r} is there {counts[name]} times"
    for member in members:
        # Read as Windows does, which takes both slashes and knows drives: a wheel has to be safe everywhere.
        path = PureWindowsPath(member.filename)
        if path.anchor or ".." in path.parts:
            yield f"the member {member.filename!r} leaves the tree"
        elif (member.external_attr >> 16) & 0o170000 == 0o120000:
            # Installers write the link's text as a file; whoever unpacks it with other tools must stay in the tree.
            target = posixpath.normpath(
                posixpath.join(posixpath.dirname(member.filename), _text(archive, member.filename))
            )
            if target.startswith(("/", "..")):
                yield f"the member {member.filename!r} is a symbolic link out of the tree"


def _disagreements(wheel: WheelName, name: str, version: str, where: str) -> Iterator[str]:
    if canonicalize_name(name) != wheel.name:
        yield f"the file name says the project is {wheel.name}, {where} says {name!r}"
    try:
        same = Version(version) == wheel.version
    except InvalidVersion:
        same = False
    if not same:
        yield f"the file name says the version is {wheel.version}, {where} says {version!r}"


def _tag_disagreements(wheel: WheelName, tags: list[str]) -> Iterator[str]:
    try:
        inside = frozenset[Tag]().union(*(parse_tag(tag.strip()) for tag in tags))
        same = not tags or inside == wheel.tags
    except InvalidTag:
        same = False
    if not same:
        yield f"the file name says the tags are {_listed(map(str, wheel.tags))}, WHEEL says {_listed(tags)}"


def _listed(tags: Iterable[str]) -> str:
    return ", ".join(sorted(tags))


def _record_faults(record: str, names: list[str], info: str) -> Iterator[str]:
    try:
        listed = {row[0] for row in csv.reader(io.StringIO(record)) if row}
    except csv.Error as error:
        yield f"RECORD cannot be read: {error}"
        return
    # Signatures cannot be listed (PEP 427); directories need not be.
    exempt = {f"{info}/RECORD.jws", f"{info}/RECORD.p7s"}
    files = {name for name in names if not name.endswith("/")}
    for name in sorted(files - listed - exempt):
        yield f"RECORD does not list {name!r}"
    for name in sorted(listed - files):
        yield f"RECORD lists {name!r}, which is not there"
