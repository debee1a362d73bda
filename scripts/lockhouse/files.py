"""Files on disk: atomic writes, digests, and a lock between two runs.

A file gets its final name only when it is whole: everything here writes beside it first, then renames.
"""

import contextlib
import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lockhouse.digest import Digest
from lockhouse.errors import BusyError

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


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace the file's content in one step, keeping its permissions; on any failure the old content stands.

    Text is written as UTF-8 with the newlines it has. Raises OSError.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def write_if_different(path: Path, content: str) -> bool:
    """Write the text atomically unless the file holds it already; return whether it was written."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content.encode():
            return False
    write_atomically(path, content)
    return True


def umask() -> int:
    """Return the process's file mode creation mask."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[], None]) -> Iterator[int]:
    """Hold an advisory lock on the file for the duration, calling `waiting` once if another process has it.

    Yields the file's descriptor: a program that inherits it holds the lock with us. The lock goes with the last process
    that has it, so a killed run never leaves it behind. Raises BusyError where the file system knows no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        try:
            if not _lock(file.fileno(), wait=False):
                waiting()
                _lock(file.fileno(), wait=True)
        except OSError as error:
            raise BusyError(
                f"cannot lock {path.name}: {error.strerror}",
                hint=f"put {path.parent} on a file system that supports file locks",
            ) from error
        yield file.fileno()


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool) -> bool:
        """Take the lock; return False where it is held and `wait` is not set."""
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EDEADLOCK):
                    raise
                if not wait:
                    return False
            else:
                return True

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> bool:
        """Take the lock; return False where it is held and `wait` is not set."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            return False
        return True
