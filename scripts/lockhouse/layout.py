"""Where the files of a wheel land in a virtual environment, and what they are there (PEP 427, PEP 491, entry points).

Refuses members that would land outside the environment, or in the place of what makes it one.
"""

import base64
import binascii
import configparser
import csv
import io
import posixpath
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NewType

from packaging.utils import NormalizedName

from lockhouse.archive import is_odd, opened
from lockhouse.digest import Digest
from lockhouse.errors import WheelError
from lockhouse.filenames import WheelName
from lockhouse.target import STATE

InPrefix = NewType("InPrefix", str)
"""A normalised path below an environment's prefix, with slashes: `bin/ruff`. There are tens of thousands of them."""

# What installers write in their own ways, and what Python does.
INSTALLERS_OWN = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"})
BYTE_CODE = "__pycache__"
_PLACEHOLDER = b"#!python"
# The kernel reads no more of a `#!` line on any system that is served.
_SHEBANG_LIMIT = 127


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of a virtual environment, relative to its prefix; `series` is that of its Python (`3.11`)."""

    series: str
    packages: InPrefix
    scripts: InPrefix
    headers: InPrefix

    @classmethod
    def of(cls, prefix: Path, series: str) -> "Layout":
        """Return the layout of the environment in `prefix`, whose Python may be a free-threaded one."""
        if sys.platform == "win32":
            return cls(series, InPrefix("Lib/site-packages"), InPrefix("Scripts"), InPrefix("Include/site"))
        free = f"python{series}t"
        python = free if (prefix / "lib" / free).is_dir() else f"python{series}"
        return cls(
            series,
            InPrefix(f"lib/{python}/site-packages"),
            InPrefix("bin"),
            InPrefix(f"include/site/{python}"),
        )

    def protects(self, path: InPrefix) -> bool:
        """Return whether the path is one of those that make the environment what it is."""
        if path in {"pyvenv.cfg", STATE} or path.startswith(f"{STATE}/"):
            return True
        folder, _, name = path.rpartition("/")
        if folder != self.scripts:
            return False
        pythons = {"python", "python3", f"python{self.series}", f"python{self.series}t", "pythonw"}
        return name.removesuffix(".exe") in pythons


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file as a wheel means it to be: its path in the environment, the member it comes from, and its size.

    `kind` is `plain`; `script`, whose first line names the environment's Python; or `wrapper`, which an installer
    writes, for an entry point above all: then only its presence is known.
    """

    path: InPrefix
    member: str = ""
    size: int = 0
    kind: Literal["plain", "script", "wrapper"] = "plain"
    executable: bool = False


def inside(path: str) -> InPrefix | None:
    """Return a path below the prefix in its normal form, or None where it leads out of it.

    >>> inside("lib/python3.11/site-packages/../../../bin/six"), inside("lib/../../etc/passwd"), inside("/etc/passwd")
    ('bin/six', None, None)
    """
    normal = posixpath.normpath(path.replace("\\", "/") if sys.platform == "win32" else path)
    outside = normal.startswith(("/", "../")) or normal in {".", ".."} or "\0" in normal
    return None if outside or (sys.platform == "win32" and ":" in normal) else InPrefix(normal)


def landed(path: Path, wheel: WheelName, layout: Layout) -> tuple[LandedFile, ...]:
    """Return every file that the wheel brings, less those that installers write in their own ways.

    Raises WheelError where the archive cannot be read, or a file would land where none may.
    """
    try:
        with path.open("rb") as whole, opened(whole) as archive:
            found = tuple(_landed(archive, wheel, layout))
    except OSError as error:
        raise WheelError(f"{wheel.filename} cannot be read: {error}") from error
    for file in found:
        if layout.protects(file.path):
            raise WheelError(f"{wheel.filename} would write {file.path}, which belongs to the environment itself")
    return found


def script_text(content: bytes, python: Path) -> bytes:
    """Return a wheel's script with its first line naming the interpreter, in a form that stands spaces and long paths."""
    rest = content.partition(b"\n")[2]
    name = str(python)
    if " " not in name and len(name) + 3 <= _SHEBANG_LIMIT:
        return b"#!" + name.encode() + b"\n" + rest
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    # Python reads the second line as the start of a string, the shell as a command.
    return f"#!/bin/sh\n'''exec' \"{quoted}\" \"$0\" \"$@\"\n' '''\n".encode() + rest


def _landed(archive: zipfile.ZipFile, wheel: WheelName, layout: Layout) -> Iterator[LandedFile]:
    members = [member for member in archive.infolist() if member.filename[-1:] != "/"]
    names = [member.filename for member in members]
    [info] = {top for name in names if ".dist-info/" in name and (top := name.partition("/")[0]).endswith(".dist-info")}
    odd = is_odd(names)
    own = {f"{info}/{name}" for name in INSTALLERS_OWN}
    folders = _folders(info.removesuffix(".dist-info"), wheel.name, layout)
    for member in members:
        name = member.filename
        if name == f"{info}/direct_url.json":
            yield LandedFile(path=InPrefix(f"{layout.packages}/{name}"), member=name, kind="wrapper")
        if name in own or (BYTE_CODE in name and BYTE_CODE in name.split("/")):
            continue
        if not odd and ".data/" not in name:
            # Nearly all of them; there is nothing to work out.
            yield LandedFile(InPrefix(f"{layout.packages}/{name}"), name, member.file_size)
            continue
        top, _, below = name.partition(".data/")
        scheme, _, rest = below.partition("/")
        folder = folders.get(f"{top}.data/{scheme}") if rest else None
        target = inside(f"{layout.packages}/{name}" if folder is None else f"{folder}/{rest}")
        if target is None:
            raise WheelError(f"{wheel.filename} holds {name!r}, which leaves the environment")
        script = folder == layout.scripts
        yield LandedFile(
            path=target,
            member=name,
            size=member.file_size,
            kind="script" if script and _is_placeheld(archive, member) else "plain",
            executable=script,
        )
    if f"{info}/entry_points.txt" in archive.NameToInfo:
        for command in _commands(archive.read(f"{info}/entry_points.txt").decode("utf-8", errors="replace")):
            # pip names these after the Python that it runs on.
            if command.startswith(("pip3.", "easy_install-")):
                continue
            exe = ".exe" if sys.platform == "win32" else ""
            if target := inside(f"{layout.scripts}/{command}{exe}"):
                yield LandedFile(path=target, kind="wrapper")


def _folders(stem: str, name: NormalizedName, layout: Layout) -> Mapping[str, str]:
    """Return the folder of each scheme; purelib and platlib are one in a virtual environment."""
    schemes = {
        "data": ".",
        "headers": f"{layout.headers}/{name}",
        "platlib": layout.packages,
        "purelib": layout.packages,
        "scripts": layout.scripts,
    }
    return {f"{stem}.data/{scheme}": folder for scheme, folder in schemes.items()}


def _is_placeheld(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bool:
    with archive.open(member) as file:
        return file.read(len(_PLACEHOLDER)) == _PLACEHOLDER


class _Commands(configparser.ConfigParser):
    """Reads entry points, whose names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def _commands(text: str) -> Iterator[str]:
    parser = _Commands(delimiters=("=",), interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise WheelError(f"entry_points.txt cannot be read: {error}") from error
    for section in ("console_scripts", "gui_scripts"):
        if parser.has_section(section):
            yield from parser.options(section)


def stated(archive: zipfile.ZipFile) -> dict[str, Digest]:
    """Return the digests that a wheel's RECORD states, by member, as far as they count; raises WheelError.

    The check has judged RECORD as a whole. It is long, and only who compares bytes needs it.
    """
    found = {}
    [record] = [name for name in archive.namelist() if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
    try:
        rows = list(csv.reader(io.StringIO(archive.read(record).decode("utf-8", errors="replace"))))
    except csv.Error as error:
        raise WheelError(f"{record} cannot be read: {error}") from error
    for row in rows:
        if len(row) > 1 and row[1]:
            algorithm, _, text = row[1].partition("=")
            try:
                digest = Digest(algorithm, base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex())
            except (binascii.Error, ValueError):
                continue
            if digest.strong:
                found[row[0]] = digest
    return found
