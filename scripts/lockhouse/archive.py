"""Zip archives as wheels use them: whether the directory makes sense, and what members hold, read within bounds.

Refuses what installers read in different ways (duplicates, overlaps, other compression) and what would leave the tree;
whatever the bytes are, an answer takes no more memory than a few mebibytes beside the directory.
"""

import contextlib
import hashlib
import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from operator import attrgetter
from typing import BinaryIO
from zipfile import ZipFile, ZipInfo

from lockhouse.digest import Digest
from lockhouse.errors import WheelError

# Everything that zipfile and the decompressors below it are known to raise over hostile bytes.
_UNSOUND = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError, NotImplementedError,
    RuntimeError, OverflowError,
)  # fmt: skip
# A larger METADATA or RECORD is no honest one; the zip's own statement of size is not trusted either.
TEXT_LIMIT = 32 << 20
# PyPI refuses a wheel that unpacks to more than this many bytes and this many times its own size.
_BOMB_SIZE, _BOMB_RATIO = 64 << 20, 50
# No file system takes a longer path.
_LONGEST_NAME = 4096
_LINK_LIMIT = 4096
# How many of a kind are told one by one.
_TOLD = 10
_PIECE, _CHUNK = 1 << 17, 1 << 20
# Of a file whose members are read one after the other.
BUFFER = 1 << 18
_LOCAL_HEADER = struct.Struct("<4s2xH18xHH")
# Patched data, which nobody unpacks, counts as encrypted.
_ENCRYPTED, _UTF8 = 0x2061, 0x800
_METHODS = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
# The upper four bits of a Unix mode: nothing said, a folder, a file; and a symbolic link.
_KINDS, _LINK = frozenset((0o00, 0o04, 0o10)), 0o12
# Read as Windows does, which takes both slashes and knows drives: a wheel has to be safe everywhere.
_LEAVES = re.compile(r"[/\\]|.:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)", re.DOTALL)
# One of these is in every name that leaves the tree, or that another one could spell differently.
_SUSPICIOUS = ("\\", ":", "..", "//", "./", "\0/", "/.\0", "\0.\0", "\0\0")


@contextlib.contextmanager
def opened(file: BinaryIO) -> Iterator[ZipFile]:
    """Open the archive that a file holds; whatever is found unsound, then or later on, is raised as WheelError."""
    try:
        with ZipFile(file) as archive:
            yield archive
    except _UNSOUND as error:
        raise WheelError(f"not a sound zip archive: {shortened(str(error))}") from error


def shortened(text: str) -> str:
    """Return a text of the archive's own as one short, printable line.

    >>> shortened("tests/data")
    'tests/data'
    """
    if len(text) > 200:
        text = f"{text[:150]}... ({len(text)} characters)"
    return text if text.isprintable() else repr(text)


def quoted(name: str) -> str:
    """Return a member's name in quotes, shortened where it is very long."""
    return repr(name) if len(name) <= 200 else f"{name[:150]!r}... ({len(name)} characters)"


def told(reasons: Iterable[str], kind: str) -> Iterator[str]:
    """Yield the first few reasons, and how many more of their kind there are."""
    rest = iter(reasons)
    yield from islice(rest, _TOLD)
    if more := sum(1 for _ in rest):
        yield f"{more} more {kind}"


def layout_faults(archive: ZipFile, size: int) -> Iterator[str]:
    """Say what keeps the members of an archive of `size` bytes from being read: no other function may be used on such."""
    end, total, unread = 0, 0, []
    for member in sorted(archive.infolist(), key=attrgetter("header_offset")):
        if member.header_offset < end:
            yield f"the member {quoted(member.filename)} overlaps another one"
            return
        end = member.header_offset + _LOCAL_HEADER.size + member.compress_size
        total += member.file_size
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
            unread.append(member)
    if end > archive.start_dir:
        yield "not a sound zip archive: a member reaches into the directory"
    if total > max(_BOMB_SIZE, _BOMB_RATIO * size):
        yield f"it unpacks to {total} bytes, more than {_BOMB_RATIO} times its size: PyPI refuses such files"
    yield from told(map(_unreadable, unread), "such members")


def _unreadable(member: ZipInfo) -> str:
    if member.flag_bits & _ENCRYPTED:
        return f"the member {quoted(member.filename)} is encrypted"
    method = zipfile.compressor_names.get(member.compress_type, f"method {member.compress_type}")  # type: ignore[attr-defined]
    return f"the member {quoted(member.filename)} is compressed with {method}: installers agree on deflate alone"


def member_faults(archive: ZipFile) -> Iterator[str]:
    """Say which members leave the tree, take each other's place, or are of a kind that wheels cannot hold."""
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        counts = Counter(names)
        twice = (name for name in sorted(counts) if counts[name] > 1)
        yield from told((f"the member {quoted(name)} is there {counts[name]} times" for name in twice), "duplicates")
    if is_odd(names):
        yield from told((f"the member {quoted(n)} leaves the tree" for n in names if leaves_tree(n)), "such members")
        yield from told(_respelt(names), "such members")
    yield from told(_both(names), "such members")
    odd = [
        member
        for member in members
        if member.external_attr >> 28 not in _KINDS
        or member.filename is not member.orig_filename
        or len(member.filename) > _LONGEST_NAME
    ]
    yield from told((reason for member in odd for reason in _kind_faults(archive, member)), "such members")


def is_odd(names: Iterable[str]) -> bool:
    """Return whether one of the names may leave the tree, or be spelt differently; one look over all, as it is rare."""
    text = "\0".join(("", *names, ""))
    return any(each in text for each in _SUSPICIOUS)


def leaves_tree(name: str) -> bool:
    """Return whether a member would be written outside of the folder it is unpacked into, on any system."""
    return _LEAVES.match(name) is not None


def normal(name: str) -> str:
    """Return the path that a member is written to.

    >>> normal("./demo//__init__.py")
    'demo/__init__.py'
    """
    return "/".join(part for part in name.split("/") if part not in {"", "."})


def _respelt(names: Iterable[str]) -> Iterator[str]:
    first: dict[str, str] = {}
    for name in names:
        if not name.endswith("/") and (other := first.setdefault(normal(name), name)) != name:
            yield f"the members {quoted(other)} and {quoted(name)} are one path"


def _both(names: Iterable[str]) -> Iterator[str]:
    # With the slash below every other character, what lies in a folder follows right after a file of the folder's name.
    for name, after in pairwise(sorted(name.replace("/", "\0") for name in names)):
        if after[: len(name) + 1] == f"{name}\0":
            yield f"the member {quoted(name.replace(chr(0), '/'))} is a file, and a folder of others"


def _kind_faults(archive: ZipFile, member: ZipInfo) -> Iterator[str]:
    name, kind = quoted(member.filename), (member.external_attr >> 28) & 0xF
    if len(member.filename) > _LONGEST_NAME:
        yield f"the member {name} has a longer name than file systems take"
    if member.filename != member.orig_filename:
        yield f"the member {name} has a second name, {quoted(member.orig_filename)}"
    if kind == _LINK:
        # Installers write the link's text as a file; whoever unpacks it with other tools must stay in the tree.
        text = _decoded(archive, member, _LINK_LIMIT).replace("\\", "/")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(member.filename), text))
        if leaves_tree(target) or text[1:2] == ":":
            yield f"the member {name} is a symbolic link out of the tree"
    elif kind not in _KINDS:
        yield f"the member {name} is neither a file nor a folder"


def text_of(archive: ZipFile, name: str, limit: int = TEXT_LIMIT) -> str:
    """Return a member's text, in which whatever is no UTF-8 is replaced; raises WheelError where it has too many bytes."""
    return _decoded(archive, archive.getinfo(name), limit)


def _decoded(archive: ZipFile, member: ZipInfo, limit: int) -> str:
    if member.file_size > limit:
        size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit} bytes"
        raise WheelError(f"{shortened(member.filename)} is larger than {size}")
    with archive.open(member) as stream:
        # Whoever reads without a count, or with a larger one, unpacks what is hidden behind the stated size.
        return stream.read(member.file_size).decode("utf-8", errors="replace")


def digest_of(file: BinaryIO, member: ZipInfo, algorithm: str) -> Digest:
    """Hash what a member holds, reading the file in pieces, and compare its size and CRC with the zip's directory.

    Raises WheelError where they differ, where the local header is that of another member, and where the data swells
    beyond the stated size.
    """
    name = quoted(member.filename)
    hasher, crc, size = hashlib.new(algorithm), 0, 0
    try:
        for chunk in _chunks(file, member):
            size += len(chunk)
            if size > member.file_size:
                raise WheelError(f"the member {name} swells beyond the size that it states ({member.file_size} bytes)")
            hasher.update(chunk)
            crc = zlib.crc32(chunk, crc)
    except (zlib.error, EOFError) as error:
        raise WheelError(f"the member {name} cannot be read: {error}") from error
    if (size, crc) != (member.file_size, member.CRC):
        raise WheelError(f"the member {name} has not the size and CRC that the zip states")
    return Digest(algorithm, hasher.hexdigest())


def _chunks(file: BinaryIO, member: ZipInfo) -> Iterator[bytes]:
    """Yield a member's data, unpacked; zipfile does the same with ten times the calls for a small one."""
    file.seek(member.header_offset)
    signature, flags, name_size, extra_size = _LOCAL_HEADER.unpack(_exactly(file, _LOCAL_HEADER.size))
    central = member.orig_filename.encode("utf-8" if flags & _UTF8 else "cp437", errors="replace")
    if signature != b"PK\3\4" or _exactly(file, name_size) != central:
        raise EOFError("its local header is another one's")
    _exactly(file, extra_size)
    inflater = None if member.compress_type == zipfile.ZIP_STORED else zlib.decompressobj(-zlib.MAX_WBITS)
    left = member.compress_size
    while left:
        piece = _exactly(file, min(left, _PIECE))
        left -= len(piece)
        if inflater is None:
            yield piece
            continue
        while True:
            chunk = inflater.decompress(piece, _CHUNK)
            yield chunk
            piece = inflater.unconsumed_tail
            if inflater.eof:
                return
            if not piece and len(chunk) < _CHUNK:
                break
    if inflater is not None:
        raise EOFError("its data has no end")


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise EOFError("the file ends before it")
    return data
