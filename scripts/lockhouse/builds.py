"""What a project commits about its builds: a build lock for each pin or local project that is built, and the record.

`requirements/build/NAME.in` has two parts: above a line what the source and its backend ask for, below it what users add.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from packaging.utils import NormalizedName, canonicalize_name

from lockhouse import layers, record
from lockhouse.config import Config, Layer
from lockhouse.digest import Digest
from lockhouse.layers import LoadedLayer
from lockhouse.record import Line, Record
from lockhouse.requirements import Pin

FOLDER = PurePosixPath("requirements", "build")
RECORD = PurePosixPath("requirements", "built.sum")
_FOR, _LOCAL = "# It is for ", "local "
_BACKEND = "# Its backend asks for this, too."
_BELOW = "# Below this line stands what you add: what the sdist forgets, or limits like `setuptools<81`."


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLock:
    """The build lock of one project: its source and lock as a layer, and what the source was written for.

    That is an sdist, or the folder of a local project (`local`), as it was configured. Of a local project, `declared` is
    what its `build-system` asked for then, and `asked` what its backend did.
    """

    name: NormalizedName
    layer: LoadedLayer
    sdist: Digest | None
    local: str | None
    declared: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def digest(self) -> Digest | None:
        """What the record knows the lock by; None where it does not exist."""
        return record.build_lock_digest(self.layer.lock.pins) if self.layer.lock else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """Every build lock by its project's name, and the record."""

    locks: Mapping[NormalizedName, BuildLock]
    record: Record

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Everything that builds are locked to be made with."""
        return tuple(pin for lock in self.locks.values() for pin in lock.layer.pins)

    def vouched(self, name: NormalizedName, hashes: Iterable[Digest]) -> tuple[Line, ...]:
        """Return the lines of the record that hold for a pin with these hashes, under the build lock as it is now."""
        lock = self.locks.get(name)
        known = lock.digest if lock else None
        return tuple(line for line in self.record.for_sdist(frozenset(hashes)) if line.build_lock == known)


def layer_of(name: NormalizedName) -> Layer:
    """Return where a project's build lock and its source are."""
    return Layer(f"build/{name}", FOLDER / f"{name}.txt", (FOLDER / f"{name}.in",))


def read(config: Config, environ: Mapping[str, str]) -> Builds:
    """Read the build locks and the record. Raises RequirementsError and RecordError."""
    known = record.read(config.root / RECORD, RECORD)
    paths = sorted((config.root / FOLDER).glob("*.in"))
    names = [canonicalize_name(path.stem) for path in paths if not path.name.startswith(".")]
    return Builds(locks={name: load(name, config, environ) for name in names}, record=known)


def load(name: NormalizedName, config: Config, environ: Mapping[str, str]) -> BuildLock:
    """Read one build lock. Raises RequirementsError for a line that cannot be read."""
    layer = layer_of(name)
    loaded = layers.load(layer, config, environ)
    above = (config.root / layer.sources[0]).read_text("utf-8").partition(_BELOW)[0].splitlines()
    what = next((line.removeprefix(_FOR).strip() for line in above if line.startswith(_FOR)), "")
    if not what.startswith(_LOCAL):
        return BuildLock(name=name, layer=loaded, sdist=_digest(what), local=None)
    place = above.index(_BACKEND) if _BACKEND in above else len(above)
    declared, asked = (
        tuple(line for line in lines if line and not line.startswith("#")) for lines in (above[:place], above[place:])
    )
    return BuildLock(
        name=name, layer=loaded, sdist=None, local=what.removeprefix(_LOCAL), declared=declared, asked=asked
    )


def source_text(sdist: str, digest: Digest, asked: Iterable[str], before: str) -> str:
    """Return a build lock's source: what the sdist asks for, and below it what users had added to `before`."""
    return _source_text(sdist, str(digest), dict.fromkeys(asked), before)


def local_source_text(path: str, declared: Iterable[str], asked: Iterable[str], before: str) -> str:
    """Return the same for a local project: what it declares, then what its backend asks for beyond that."""
    first = dict.fromkeys(declared)
    more = [text for text in dict.fromkeys(asked) if text not in first]
    return _source_text(path, f"{_LOCAL}{path}", [*first, *([_BACKEND, *more] if more else [])], before)


def _source_text(what: str, origin: str, lines: Iterable[str], before: str) -> str:
    own = before.partition(_BELOW)[2].lstrip("\n")
    head = [f"# What {what} asks for to be built; `lockhouse lock` writes this part.", f"{_FOR}{origin}"]
    return "\n".join([*head, *lines, "", _BELOW, own])


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except ValueError:
        return None
