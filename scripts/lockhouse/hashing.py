"""The digests of files: each is read once and in pieces, and many on all cores."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lockhouse.digest import Digest

_CHUNK = 1 << 20


def digests(path: Path, algorithms: Iterable[str] = ("sha256",)) -> tuple[Digest, ...]:
    """Return one digest of the file's bytes for each algorithm, reading the file once and in pieces; raises OSError."""
    hashers = {name: hashlib.new(name) for name in sorted(set(algorithms))}
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            for hasher in hashers.values():
                hasher.update(chunk)
    return tuple(Digest(name, hasher.hexdigest()) for name, hasher in hashers.items())


def digests_of_all(paths: Iterable[Path], algorithms: Iterable[str] = ("sha256",)) -> list[tuple[Digest, ...]]:
    """Return `digests` of every path, in order, on as many threads as there are cores (hashing releases the GIL)."""
    names = tuple(algorithms)
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(lambda path: digests(path, names), paths))
