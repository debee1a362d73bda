"""The wheelhouse: a flat directory of wheels, with what Lockhouse keeps about it in `.lockhouse/` inside.

A wheel has its final name only when its bytes are verified. Nothing found here is believed: the caller compares
digests with the lock.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lockhouse import files, hashing
from lockhouse.digest import Digest
from lockhouse.errors import WheelError
from lockhouse.filenames import WheelName

SCHEMA = 1
_OWN = {".lockhouse", "SHA256SUMS"}
# What version control itself keeps in a directory is not a stray.
_HARMLESS = {".gitignore", ".gitkeep", ".gitattributes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWheel:
    """A wheel in the wheelhouse: its name read, its size in bytes, and the digests of the bytes that are there now.

    `folder` is where it lies if not in the wheelhouse: what is built of a local project never gets there.
    """

    wheel: WheelName
    size: int
    digests: tuple[Digest, ...]
    folder: Path | None = None

    @property
    def filename(self) -> str:
        """The file's name."""
        return self.wheel.filename

    @property
    def sha256(self) -> Digest:
        """The sha256 of the file's bytes."""
        return next(digest for digest in self.digests if digest.algorithm == "sha256")

    def is_any_of(self, hashes: Iterable[Digest]) -> bool:
        """Return whether the bytes have one of these digests."""
        return not set(self.digests).isdisjoint(hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """Something in the wheelhouse that is no wheel, and why.

    `removable`: it stands where a wheel should, and is a link or a file that no pin can ask for; anything else may be
    a user's own, and is left to the user.
    """

    filename: str
    reason: str
    removable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSdist:
    """A source distribution that builds start from: its file name, and the digests of the bytes that are there now."""

    filename: str
    digests: frozenset[Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What is in the wheelhouse now, sorted by file name; `present` is False where the directory is missing."""

    present: bool
    wheels: tuple[StoredWheel, ...]
    strays: tuple[Stray, ...]


@dataclass(frozen=True, slots=True)
class Wheelhouse:
    """The directory, by its path; it need not exist yet."""

    path: Path

    @property
    def state(self) -> Path:
        """Where Lockhouse keeps what is not a wheel."""
        return self.path / ".lockhouse"

    @property
    def inputs(self) -> "Wheelhouse":
        """The wheels that builds are made with: a wheelhouse of its own, where no installer looks."""
        return Wheelhouse(self.state / "build")

    @property
    def sdist_folder(self) -> Path:
        """Where the source distributions are that builds start from."""
        return self.state / "sdists"

    def place_of(self, stored: StoredWheel) -> Path:
        """Return where a wheel's file is."""
        return (stored.folder or self.path) / stored.filename

    def sdists(self, algorithms: Iterable[str] = ()) -> tuple[StoredSdist, ...]:
        """Return the source distributions that are here, hashed; links are none."""
        paths = sorted(
            path
            for path in self.sdist_folder.glob("*")
            if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        )
        digests = hashing.digests_of_all(paths, {"sha256", *algorithms})
        return tuple(
            StoredSdist(filename=path.name, digests=frozenset(known))
            for path, known in zip(paths, digests, strict=True)
        )

    def inventory(self, algorithms: Iterable[str] = ()) -> Inventory:
        """Read the directory and hash every wheel in it, with sha256 and whatever else the locks use.

        Raises OSError where the directory cannot be read.
        """
        if not self.path.is_dir():
            return Inventory(present=False, wheels=(), strays=())
        found: list[tuple[WheelName, Path]] = []
        strays: list[Stray] = []
        with os.scandir(self.path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if (entry.name in _OWN and not entry.is_symlink()) or entry.name in _HARMLESS:
                    continue
                try:
                    found.append((_wheel_of(entry), Path(entry.path)))
                except WheelError as error:
                    mine = entry.is_symlink() or (entry.name.endswith(".whl") and entry.is_file(follow_symlinks=False))
                    strays.append(Stray(filename=entry.name, reason=error.reason, removable=mine))
        digests = hashing.digests_of_all((path for _, path in found), {"sha256", *algorithms})
        return Inventory(
            present=True,
            wheels=tuple(
                StoredWheel(wheel=wheel, size=path.stat().st_size, digests=known)
                for (wheel, path), known in zip(found, digests, strict=True)
            ),
            strays=tuple(strays),
        )

    @contextlib.contextmanager
    def held(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the wheelhouse against a second run, and clear what a killed run left half done.

        `waiting` is called once where another run has it.
        """
        _own_directory(self.state)
        lock = self.state / "lock"
        if lock.is_symlink():
            lock.unlink()
        with files.exclusive(lock, waiting):
            self._clear()
            try:
                yield
            finally:
                # What an interrupted transfer still writes to is gone with this, too.
                self._clear()

    @contextlib.contextmanager
    def incoming(self) -> Iterator[tuple[BinaryIO, Callable[[WheelName], None]]]:
        """Open a scratch file for a wheel's bytes; the second value, called once they are verified, gives it its name.

        Without that call, or on any failure, nothing of it stays.
        """
        handle, name = tempfile.mkstemp(dir=self._scratch(), suffix=".part")
        scratch = Path(name)
        try:
            with os.fdopen(handle, "w+b") as file:

                def put(wheel: WheelName) -> None:
                    file.flush()
                    scratch.chmod(0o666 & ~files.umask())
                    scratch.replace(self.path / wheel.filename)

                yield file, put
        finally:
            scratch.unlink(missing_ok=True)

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Make a folder for work in progress, which is gone in the end; only for whom holds the wheelhouse."""
        folder = Path(tempfile.mkdtemp(dir=self._scratch()))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def needs_first_fill(self) -> bool:
        """Whether there is none yet: no directory, an empty one, or one whose first fill has never come to its end."""
        if not self.path.is_dir() or not any(entry.name not in _HARMLESS for entry in self.path.iterdir()):
            return True
        return self.state.is_dir() and not (self.state / "filled").exists()

    @property
    def unbuilt(self) -> frozenset[str]:
        """The projects of which the last fill found only a source distribution, and no way to build it."""
        try:
            return frozenset((self.state / "unbuilt").read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return frozenset()

    def note_unbuilt(self, names: Iterable[str]) -> None:
        """Note them for the next `lock`."""
        if text := "".join(f"{name}\n" for name in sorted(set(names))):
            files.write_if_different(self.state / "unbuilt", text)
        else:
            (self.state / "unbuilt").unlink(missing_ok=True)

    def filled(self) -> None:
        """Note that every wheel has once been there."""
        if not (self.state / "filled").exists():
            (self.state / "filled").touch()

    def remove(self, filename: str) -> None:
        """Delete one file of the wheelhouse."""
        (self.path / filename).unlink(missing_ok=True)

    def origins(self) -> dict[str, str]:
        """Return where each wheel of the last run came from, as far as a readable manifest says."""
        try:
            document = json.loads((self.state / "manifest.json").read_bytes())
            return {name: str(entry["origin"]) for name, entry in document["wheels"].items()}
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            # The manifest only informs: whatever is wrong with it, the next one is written from what is there.
            return {}

    def describe(self, wheels: Iterable[StoredWheel], origins: Mapping[str, str]) -> None:
        """Write `SHA256SUMS` (as coreutils writes it) and `.lockhouse/manifest.json`, each only if it changes."""
        ordered = sorted(wheels, key=lambda stored: stored.filename)
        sums = "".join(f"{stored.sha256.hex}  {stored.filename}\n" for stored in ordered)
        manifest = {
            "schema": SCHEMA,
            "wheels": {
                stored.filename: {
                    "origin": origins.get(stored.filename, "found here"),
                    "sha256": stored.sha256.hex,
                    "size": stored.size,
                }
                for stored in ordered
            },
        }
        _own_directory(self.state)
        files.write_if_different(self.path / "SHA256SUMS", sums)
        files.write_if_different(self.state / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")

    def _clear(self) -> None:
        for leftover in self._scratch().iterdir():
            if leftover.is_dir() and not leftover.is_symlink():
                shutil.rmtree(leftover)
            else:
                leftover.unlink(missing_ok=True)

    def _scratch(self) -> Path:
        return _own_directory(self.state / "tmp")


def _own_directory(path: Path) -> Path:
    """Make a directory of ours; a link in its place goes, for it would lead us to delete and write what is not ours."""
    if path.is_symlink():
        path.unlink()
    path.mkdir(parents=True, exist_ok=True)
    return path


def _wheel_of(entry: "os.DirEntry[str]") -> WheelName:
    if entry.is_symlink():
        raise WheelError("a symbolic link, not a file: its bytes can change from outside")
    if not entry.is_file():
        raise WheelError("a directory, not a wheel" if entry.is_dir() else "not a regular file")
    if not entry.name.endswith(".whl"):
        raise WheelError("not a wheel")
    return WheelName.parse(entry.name)
