"""Source distributions: unpacks them, to the same files on every machine.

Refuses archives that leave their one folder, hold devices, overwrite themselves, or swell as only a bomb does.
"""

import bz2
import calendar
import errno
import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import IO

from lockhouse.buildsystem import HINT, BuildSystem
from lockhouse.errors import Location, SdistError
from lockhouse.filenames import SDIST_SUFFIXES

# The times that a zip can hold: the first second of 1980 to the last even one of 2107, UTC.
_EARLIEST, _LATEST = 315532800, 4354819198
# tarfile reads a header in one piece, however long it claims to be; members are read in smaller pieces.
_LONGEST_READ = 1 << 20
_LONGEST_LINK = 4096
# Everything that tarfile, zipfile and the decompressors below them are known to raise over hostile bytes.
_UNSOUND = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, OverflowError, LookupError,
    NotImplementedError, RuntimeError,
)  # fmt: skip
_NOT_ITS_FAULT = {errno.ENOSPC, errno.EFBIG, errno.EACCES, errno.EROFS}
_LINKS_HAVE_TIMES = os.utime in os.supports_follow_symlinks


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may hold: members, bytes unpacked, and bytes unpacked for each byte of the archive.

    Up to `harmless` bytes the ratio does not count: little of anything is no bomb.
    """

    members: int = 200_000
    size: int = 4 << 30
    ratio: int = 200
    harmless: int = 64 << 20


_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """An unpacked sdist: its one folder, what builds it, and the time of everything in it.

    `epoch` is in seconds, for `SOURCE_DATE_EPOCH`: the newest time of any member, as far as a zip can hold it.
    """

    folder: Path
    epoch: int
    build_system: BuildSystem


def unpack(archive: Path, into: Path, *, limits: Limits = _LIMITS) -> Unpacked:
    """Unpack an sdist into an empty folder, which is made if it is missing, so that it is the same on every machine.

    Nothing is written outside (PEP 706, for zips too). Times are all `epoch`, permissions 0644 or 0755, whatever archive
    and umask say; no member is held in memory. Raises SdistError, which names archive and member, and OSError where the
    archive cannot be opened or the folder is not empty. What was unpacked before an error stays, for the caller to delete.
    """
    into.mkdir(parents=True, exist_ok=True)
    if any(into.iterdir()):
        raise FileExistsError(f"{into} is not empty")
    with archive.open("rb") as file:
        tree = _Tree(PurePath(archive.name), into, limits, packed=archive.stat().st_size)
        try:
            if archive.name.endswith(".zip"):
                _unzip(file, tree)
            elif archive.name.endswith(SDIST_SUFFIXES):
                _untar(file, tree, bzip2=archive.name.endswith(".bz2"))
            else:
                raise tree.error(f"should be an archive of the kind {', '.join(SDIST_SUFFIXES)}")
            folder, epoch = tree.finish()
        except (FileExistsError, NotADirectoryError) as error:
            raise tree.member_error("stands where another member stands") from error
        except _UNSOUND as error:
            # An OSError of the system would tell paths of this machine.
            reason = (isinstance(error, OSError) and error.strerror) or error
            refusal = tree.member_error(f"cannot be unpacked: {reason}")
            if isinstance(error, OSError) and error.errno in _NOT_ITS_FAULT:
                refusal.hint = "make room for it, or let TMPDIR name a folder that has some and can be written to"
            raise refusal from error
    return Unpacked(folder=folder, epoch=epoch, build_system=BuildSystem.read(folder, PurePath(archive.name)))


class _Tree:
    """The folder that members are written to one by one, and what they have used up of the limits.

    Links are made last, so that no member can be written through one.
    """

    def __init__(self, shown: PurePath, into: Path, limits: Limits, *, packed: int) -> None:
        self._where = Location(shown)
        self._into = into
        self._limits = limits
        self._most = min(limits.size, max(limits.harmless, limits.ratio * packed))
        self._members = self._size = 0
        self._member: str | None = None
        self._newest: float = _EARLIEST
        self._folders = {into}
        self._links: list[tuple[str, Path, str]] = []

    def error(self, reason: str) -> SdistError:
        return SdistError(reason, where=self._where, hint=HINT)

    def member_error(self, reason: str) -> SdistError:
        return self.error(f"the archive {reason}" if self._member is None else f"the member {self._member!r} {reason}")

    def spend(self, size: int) -> None:
        self._size += size
        if self._size > self._limits.size:
            raise self.member_error(f"makes it more than {self._limits.size} bytes")
        if self._size > self._most:
            raise self.member_error(f"makes it swell to more than {self._limits.ratio} times its size")

    def enter(self, name: str, time: float) -> Path | None:
        """Begin with a member and return where it goes; None where it says nothing."""
        self._member = name
        self._members += 1
        if self._members > self._limits.members:
            raise self.member_error(f"is one more than {self._limits.members}")
        path = self._path(name, "leaves the tree")
        # In this order a time that is not a number, which a tar can state, does not count.
        self._newest = max(self._newest, min(time, _LATEST))
        # The second is what some tar programs once made of a header that they did not know.
        return None if path in {self._into, self._into / "pax_global_header"} else path

    def _path(self, name: str, otherwise: str) -> Path:
        # Read as Windows does, which takes both slashes and knows drives: it has to be safe everywhere.
        path = PureWindowsPath(name)
        if path.anchor or ".." in path.parts:
            raise self.member_error(otherwise)
        return self._into / PurePosixPath(name)

    def folder(self, path: Path) -> None:
        if path not in self._folders:
            self.folder(path.parent)
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
            self._folders.add(path)

    def file(self, path: Path, source: IO[bytes], *, executable: bool) -> None:
        self.folder(path.parent)
        with path.open("xb") as file:
            shutil.copyfileobj(source, file)
        path.chmod(0o755 if executable else 0o644)

    def copy(self, path: Path, name: str) -> None:
        """Make a hard link's file, as a file of its own: a build that writes to one must not change the other."""
        original = self._path(name, f"is a hard link out of the tree, to {name!r}")
        if not original.is_file():
            raise self.member_error(f"is a hard link to {name!r}, which is no file before it")
        status = original.stat()
        self.spend(status.st_size)
        with original.open("rb") as source:
            self.file(path, source, executable=bool(status.st_mode & 0o100))

    def link(self, path: Path, target: str) -> None:
        """Note a symbolic link.

        A way that goes up at its beginning only, and not above the top folder, cannot lead out: the folder of a link is
        never a link itself, and every link on the way down is of this kind too.
        """
        way = PureWindowsPath(target)
        depth = len(path.relative_to(self._into).parts) - 2
        ups = next((at for at, part in enumerate(way.parts) if part != ".."), len(way.parts))
        if way.anchor or not target or ups > depth or ".." in way.parts[ups:]:
            raise self.member_error(f"is a symbolic link that may lead out of the tree, to {target!r}")
        self.folder(path.parent)
        self._links.append((self._member or "", path, target))

    def finish(self) -> tuple[Path, int]:
        """Make the links, set all times, and return the top folder and the time."""
        for name, path, target in self._links:
            self._member = name
            path.symlink_to(target)
        tops = sorted(self._into.iterdir())
        if len(tops) != 1 or not tops[0].is_dir():
            names = ", ".join(repr(top.name) for top in tops[:5]) or "nothing"
            raise self.error(f"there must be one folder at its top (there is: {names})")
        epoch = int(self._newest)
        for path in _inside_out(tops[0]):
            if _LINKS_HAVE_TIMES or not path.is_symlink():
                os.utime(path, (epoch, epoch), follow_symlinks=not _LINKS_HAVE_TIMES)
        return tops[0], epoch


def _inside_out(folder: Path) -> Iterator[Path]:
    for at, folders, names in os.walk(folder, topdown=False):
        yield from (Path(at, name) for name in (*names, *folders))
    yield folder


class _Forward(io.BufferedIOBase):
    """A decompressed stream for tarfile: what it gives is counted, no read is huge, and it never goes back."""

    def __init__(self, stream: gzip.GzipFile | bz2.BZ2File, spend: Callable[[int], None]) -> None:
        self._stream = stream
        self._spend = spend
        self._at = 0
        self.last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _LONGEST_READ:
            raise tarfile.ReadError(f"a header claims to have {size} bytes")
        self.last = self._stream.read(size)
        self._at += len(self.last)
        self._spend(len(self.last))
        return self.last

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        if position < self._at or whence != os.SEEK_SET:
            raise tarfile.ReadError("a header leads backwards")
        while self._at < position and self.read(min(position - self._at, _LONGEST_READ)):
            pass
        return self._at


def _untar(file: IO[bytes], tree: _Tree, *, bzip2: bool) -> None:
    with bz2.BZ2File(file) if bzip2 else gzip.GzipFile(fileobj=file) as plain:
        _untar_plain(_Forward(plain, tree.spend), tree)


def _untar_plain(stream: _Forward, tree: _Tree) -> None:
    with tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape") as archive:
        while member := archive.next():
            # tarfile would keep every member to the end; the stubs do not know the attribute.
            archive.members.clear()  # type: ignore[attr-defined]
            path = tree.enter(member.name, member.mtime)
            if path is None:
                continue
            if member.isdir():
                tree.folder(path)
            elif member.issym():
                tree.link(path, member.linkname)
            elif member.islnk():
                tree.copy(path, member.linkname)
            elif member.isreg() and not member.issparse() and (source := archive.extractfile(member)):
                tree.file(path, source, executable=bool(member.mode & 0o100))
            else:
                raise tree.member_error("is neither a file, a folder nor a link")
        # tarfile takes a header that it cannot read for the end.
        if stream.last.strip(b"\0"):
            raise tarfile.ReadError("what follows it is broken")


def _unzip(file: IO[bytes], tree: _Tree) -> None:
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            path = tree.enter(member.filename, _time(member))
            mode = member.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if path is None:
                continue
            if member.is_dir() or kind == stat.S_IFDIR:
                tree.folder(path)
                continue
            if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
                raise tree.member_error("is neither a file, a folder nor a link")
            if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                # zipfile limits the memory of no other method.
                raise tree.member_error("is compressed in a way that no build tool uses")
            tree.spend(member.file_size)
            with archive.open(member) as source:
                if kind == stat.S_IFLNK:
                    tree.link(path, os.fsdecode(source.read(_LONGEST_LINK)))
                else:
                    tree.file(path, source, executable=bool(mode & 0o100))


def _time(member: zipfile.ZipInfo) -> float:
    try:
        return calendar.timegm(member.date_time)
    except ValueError:
        return _EARLIEST
