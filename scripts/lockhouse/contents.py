"""Wheels' contents: whether the archive holds what the file name and RECORD promise (binary distribution format).

Refuses archives that are no sound zip, members that leave the tree, and metadata that disagrees with the name.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TypeAlias
from zipfile import ZipFile

from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse.archive import (
    BUFFER,
    is_odd,
    layout_faults,
    member_faults,
    normal,
    opened,
    quoted,
    shortened,
    text_of,
    told,
)
from lockhouse.errors import WheelError
from lockhouse.filenames import WheelName
from lockhouse.members import Record, byte_faults, name_faults, parse
from lockhouse.metadata import Metadata, headers_of

Mark: TypeAlias = tuple[int, int] | str
"""What tells two files of one path apart: CRC and size, or the entry point that a command is made from."""

# More than these are no honest ones. A tag with many dots would stand for billions, and a version of thousands of
# digits is an error only where it is compared.
_SMALL, _TAG_LIMIT = 1 << 20, 255
# As pip, which knows these schemes only.
_SCHEMES = frozenset(("purelib", "platlib", "headers", "scripts", "data"))
_SITE = frozenset(("purelib", "platlib"))
_END_OF_HEADERS = re.compile(r"\A[\r\n]|\r\n[\r\n]|\n[\r\n]|\r\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelContent:
    """What a look inside a wheel gave: its METADATA (None where there is none to read), and what is wrong with it.

    `misnamed` lists where metadata and file name disagree, `broken` what makes the archive unsound, and `mislabelled`
    where only the tags disagree, as they do in well-known releases: installers go by the file name. `files`
    tells by path what is installed: relative to site-packages, or `/scripts/...` and
    `/data/...` for what goes there.
    """

    metadata: Metadata | None
    misnamed: tuple[str, ...]
    broken: tuple[str, ...]
    mislabelled: tuple[str, ...] = ()
    files: Mapping[str, Mark] = field(default_factory=lambda: MappingProxyType({}), repr=False, compare=False)


def read(path: Path, wheel: WheelName, *, deep: bool = False) -> WheelContent:
    """Look inside a wheel and compare it with its name; with `deep`, hash every member as RECORD states it.

    Raises OSError where the file cannot be opened. A wheel that is no archive at all comes back as `broken`.
    """
    with path.open("rb", buffering=BUFFER) as file:
        try:
            with opened(file) as archive:
                return _read(archive, file, path.stat().st_size, wheel, deep=deep)
        except WheelError as error:
            return _broken(error.reason)


def metadata_of(path: Path) -> Metadata | None:
    """Return a wheel's METADATA and look at nothing else in it; None where it cannot be read."""
    with path.open("rb", buffering=BUFFER) as file, contextlib.suppress(WheelError), opened(file) as archive:
        return Metadata.parse(text_of(archive, f"{_info(archive.namelist())}/METADATA"))
    return None


def read_bytes(file: BinaryIO, size: int) -> tuple[str, ...]:
    """Return where the members of a wheel of `size` bytes, open for reading, are not what RECORD states of them."""
    try:
        with opened(file) as archive:
            if faults := (*layout_faults(archive, size), *member_faults(archive)):
                return faults
            info = _info(archive.namelist())
            record = _record(archive, info)
            return (*name_faults(record, archive.namelist(), info), *byte_faults(file, archive, record, info))
    except WheelError as error:
        return (error.reason,)


def _broken(*reasons: str) -> WheelContent:
    return WheelContent(metadata=None, misnamed=(), broken=reasons)


def _read(archive: ZipFile, file: BinaryIO, size: int, wheel: WheelName, *, deep: bool) -> WheelContent:
    if faults := tuple(layout_faults(archive, size)):
        return _broken(*faults)
    broken = list(member_faults(archive))
    names = archive.namelist()
    try:
        info = _info(names)
        metadata = Metadata.parse(text_of(archive, f"{info}/METADATA"))
        tags = HeaderParser().parsestr(headers_of(text_of(archive, f"{info}/WHEEL", _SMALL))).get_all("Tag", [])
    except WheelError as error:
        return _broken(*broken, error.reason)
    try:
        record = _record(archive, info)
        broken.extend(name_faults(record, names, info))
        if deep and not broken:
            broken.extend(byte_faults(file, archive, record, info))
    except WheelError as error:
        broken.append(error.reason)
    files, unknown = _installed(archive, info)
    return WheelContent(
        misnamed=tuple(_misnamed(wheel, metadata, info)),
        broken=(*broken, *metadata.faults, *unknown),
        mislabelled=tuple(_tag_disagreements(wheel, tags)),
        metadata=metadata,
        files=files,
    )


def _info(names: Iterable[str]) -> str:
    """Return the wheel's one .dist-info directory; raises WheelError where there is another number, or a part is missing."""
    inside = [name for name in names if ".dist-info/" in name]
    infos = sorted({top for name in inside if (top := name.partition("/")[0]).endswith(".dist-info")})
    if len(infos) != 1:
        there = shortened(", ".join(infos)) or "none"
        raise WheelError(f"there must be one .dist-info directory (there are: {there})")
    [info] = infos
    if missing := [part for part in ("METADATA", "WHEEL", "RECORD") if f"{info}/{part}" not in inside]:
        raise WheelError(f"{shortened(info)} has no {', '.join(missing)}")
    return info


def _record(archive: ZipFile, info: str) -> Record:
    return parse(text_of(archive, f"{info}/RECORD"), members=len(archive.infolist()))


def _misnamed(wheel: WheelName, metadata: Metadata, info: str) -> Iterator[str]:
    # The directory's spelling is not always normalised, so names are compared as packaging does.
    project, _, version = info.removesuffix(".dist-info").rpartition("-")
    disagreements = list(_disagreements(wheel, metadata.name, metadata.version, "METADATA"))
    yield from disagreements or _disagreements(wheel, project, version, f"the directory {shortened(info)}")


def _disagreements(wheel: WheelName, name: str, version: str, where: str) -> Iterator[str]:
    if canonicalize_name(name) != wheel.name:
        yield f"the file name says the project is {wheel.name}, {where} says {quoted(name)}"
    try:
        same = Version(version) == wheel.version
    except ValueError:
        same = False
    if not same:
        yield f"the file name says the version is {wheel.version}, {where} says {quoted(version)}"


def _tag_disagreements(wheel: WheelName, tags: list[str]) -> Iterator[str]:
    try:
        inside = frozenset[Tag]().union(*map(_tags, tags))
        same = not tags or inside == wheel.tags
    except InvalidTag:
        same = False
    if not same:
        yield f"the file name says the tags are {_listed(map(str, wheel.tags))}, WHEEL says {_listed(tags)}"


def _tags(text: str) -> frozenset[Tag]:
    if len(text) > _TAG_LIMIT:
        raise InvalidTag(text)
    return parse_tag(text.strip())


def _listed(tags: Iterable[str]) -> str:
    return shortened(", ".join(sorted(tags)))


def _installed(archive: ZipFile, info: str) -> tuple[dict[str, Mark], tuple[str, ...]]:
    """Return what an installer writes, by path, and what is wrong with the `.data` folder or the entry points."""
    files: dict[str, Mark] = {
        member.filename: (member.CRC, member.file_size) for member in archive.infolist() if member.filename[-1:] != "/"
    }
    faults = []
    if is_odd(files):
        files = {normal(name): mark for name, mark in files.items()}
    for name in [name for name in files if ".data" in name and name.partition("/")[0].endswith(".data")]:
        scheme, _, rest = name.partition("/")[2].partition("/")
        mark = files.pop(name)
        if not rest or scheme not in _SCHEMES:
            faults.append(f"the member {quoted(name)} is for no folder that installers know")
        elif scheme in _SITE:
            if files.setdefault(rest, mark) != mark:
                faults.append(f"the member {quoted(name)} is written over the member {quoted(rest)}")
        elif scheme != "headers":
            # Headers go into a folder of the project's own; everything else into one that all projects share.
            files[f"/{scheme}/{rest}".replace("/data/bin/", "/scripts/")] = mark
    points = f"{info}/entry_points.txt"
    if points in files:
        try:
            files |= {f"/scripts/{name}": target for name, target in _commands(text_of(archive, points, _SMALL))}
        except WheelError as error:
            faults.append(error.reason)
    return files, tuple(told(faults, "such members"))


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and entry point of every command that installers make (entry points specification)."""
    section = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        elif section in {"[console_scripts]", "[gui_scripts]"} and "=" in stripped and stripped[0] not in "#;":
            name, _, target = stripped.partition("=")
            yield name.strip(), "".join(target.split())
