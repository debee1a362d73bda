"""Zip and tar archives whose bytes depend on nothing but what is put in."""

import base64
import csv
import gzip
import hashlib
import io
import random
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_BLOCK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def sha256(path: Path) -> str:
    """Return the hexadecimal sha256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def padding(seed: str, size: int) -> Iterator[bytes]:
    """Yield `size` bytes that do not compress and are the same for one seed, in blocks of at most a mebibyte."""
    source = random.Random(seed)
    for start in range(0, size, _BLOCK):
        yield source.randbytes(min(_BLOCK, size - start))


class WheelWriter:
    """Writes members into a zip, one after the other, and gathers the rows of their RECORD."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._rows: list[tuple[str, str, str]] = []

    def add(self, name: str, blocks: Iterator[bytes], *, compress: bool = True) -> None:
        """Write one member from its blocks and note its digest and size."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system = 3
        info.external_attr = 0o100644 << 16
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        digest, size = hashlib.sha256(), 0
        with self._archive.open(info, "w", force_zip64=not compress) as member:
            for block in blocks:
                member.write(block)
                digest.update(block)
                size += len(block)
        text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
        self._rows.append((name, f"sha256={text}", str(size)))

    def record(self, name: str) -> bytes:
        """Return the RECORD of everything written so far, to be stored as the member `name`."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*self._rows, (name, "", "")])
        return text.getvalue().encode()


def write_tar_gz(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a `.tar.gz` with the members in sorted order, owned by nobody, at one fixed time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mtime = 315532800
            info.mode = 0o644
            archive.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
