"""Wheels: what a file name says (PEP 427), and whether the archive holds what the name and RECORD promise.

Refuses archives that are no zip, members that leave the tree, and metadata that disagrees with the name.
"""

import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag, parse_tag
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

# A METADATA, WHEEL or RECORD larger than this is no honest one; the zip's own statement of size is not trusted either.
_MEMBER_LIMIT = 32 << 20


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
    """What a look inside a wheel gave: its Requires-Python, and what is wrong with it.

    `misnamed` lists where metadata and file name disagree, `broken` what makes the archive unsound.
    """

    requires_python: SpecifierSet
    misnamed: tuple[str, ...]
    broken: tuple[str, ...]


def read(path: Path, wheel: WheelName) -> WheelContent:
    """Look inside a wheel and compare it with its name; the members' own bytes are not hashed here.

    Raises OSError where the file cannot be read. A wheel that is no archive at all comes back as `broken`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(archive, wheel)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        return WheelContent(requires_python=SpecifierSet(), misnamed=(), broken=(f"not a sound zip archive: {error}",))


def _read(archive: zipfile.ZipFile, wheel: WheelName) -> WheelContent:
    members = archive.infolist()
    broken = list(_unsafe_members(members))
    names = [member.filename for member in members]
    info = _dist_info(names, wheel)
    if info is None:
        broken.append(f"no .dist-info directory for {wheel.name} {wheel.version}")
        return WheelContent(requires_python=SpecifierSet(), misnamed=(), broken=tuple(broken))
    missing = [part for part in ("METADATA", "WHEEL", "RECORD") if f"{info}/{part}" not in names]
    if missing:
        broken.append(f"{info} has no {', '.join(missing)}")
        return WheelContent(requires_python=SpecifierSet(), misnamed=(), broken=tuple(broken))
    metadata = HeaderParser().parsestr(_text(archive, f"{info}/METADATA"))
    tags = HeaderParser().parsestr(_text(archive, f"{info}/WHEEL")).get_all("Tag", [])
    misnamed = [
        *_disagreements(wheel, metadata.get("Name", ""), metadata.get("Version", "")),
        *_tag_disagreements(wheel, tags),
    ]
    broken.extend(_record_faults(_text(archive, f"{info}/RECORD"), names, info))
    try:
        requires_python = SpecifierSet(metadata.get("Requires-Python", ""))
    except InvalidSpecifier:
        broken.append(f"Requires-Python is not a version specifier: {metadata['Requires-Python']!r}")
        requires_python = SpecifierSet()
    return WheelContent(requires_python=requires_python, misnamed=tuple(misnamed), broken=tuple(broken))


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        data = member.read(_MEMBER_LIMIT + 1)
    if len(data) > _MEMBER_LIMIT:
        raise ValueError(f"{name} is larger than {_MEMBER_LIMIT >> 20} MiB")
    return data.decode("utf-8", errors="surrogateescape")


def _unsafe_members(members: list[zipfile.ZipInfo]) -> Iterator[str]:
    counts = Counter(member.filename for member in members)
    for name in sorted(name for name, count in counts.items() if count > 1):
        yield f"the member {name!r} is there {counts[name]} times"
    for member in members:
        path = PurePosixPath(member.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in path.parts[:1]:
            yield f"the member {member.filename!r} leaves the tree"
        elif (member.external_attr >> 16) & 0o170000 == 0o120000:
            yield f"the member {member.filename!r} is a symbolic link"


def _dist_info(names: list[str], wheel: WheelName) -> str | None:
    # The directory's spelling is not always normalised (PEP 427 as practised), so names are compared as packaging does.
    for top in sorted({name.split("/", 1)[0] for name in names}):
        stem, dot, suffix = top.rpartition(".")
        project, _, version = stem.rpartition("-")
        if dot and suffix == "dist-info" and not _disagreements(wheel, project, version):
            return top
    return None


def _disagreements(wheel: WheelName, name: str, version: str) -> list[str]:
    found = []
    if canonicalize_name(name) != wheel.name:
        found.append(f"METADATA names the project {name!r}")
    try:
        same = Version(version) == wheel.version
    except InvalidVersion:
        same = False
    if not same:
        found.append(f"METADATA gives the version {version!r}")
    return found


def _tag_disagreements(wheel: WheelName, tags: list[str]) -> list[str]:
    inside = frozenset[Tag]().union(*(parse_tag(tag.strip()) for tag in tags)) if tags else frozenset()
    if tags and inside != wheel.tags:
        return [f"WHEEL has the tags {', '.join(sorted(map(str, inside)))}"]
    return []


def _record_faults(record: str, names: list[str], info: str) -> Iterator[str]:
    listed = {row[0] for row in csv.reader(io.StringIO(record)) if row}
    # Signatures cannot be listed (PEP 427); directories need not be.
    exempt = {f"{info}/RECORD.jws", f"{info}/RECORD.p7s"}
    files = {name for name in names if not name.endswith("/")}
    for name in sorted(files - listed - exempt):
        yield f"RECORD does not list {name!r}"
    for name in sorted(listed - files):
        yield f"RECORD lists {name!r}, which is not there"
