"""A layer as it stands on disk: its lock and its sources, read."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lockhouse import includes, pyproject
from lockhouse.annotations import Header
from lockhouse.config import Config, Layer
from lockhouse.errors import ConfigError, Location, nearest
from lockhouse.includes import Loaded
from lockhouse.requirements import Pin, RequirementLine, UnlockableLine, pin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock, read: its pins, and the lines that are none (`loose`, `unlockables`)."""

    path: PurePosixPath
    header: Header
    pins: tuple[Pin, ...]
    loose: tuple[RequirementLine, ...]
    tree: Loaded

    @property
    def unlockables(self) -> tuple[UnlockableLine, ...]:
        """The lines that cannot be hashed at all: VCS, directories, editables."""
        return self.tree.unlockables

    @property
    def keeps_extras(self) -> bool:
        """Whether a missing extra means something here: uv drops extras unless told, pip-compile keeps them."""
        command = self.header.command or ""
        if "--no-strip-extras" in command or any(pin.extras for pin in self.pins):
            return True
        # A header that names another command (`make lock`) does not tell.
        return command.startswith(("pip-compile", "lockhouse")) and "--strip-extras" not in command


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedLayer:
    """A layer with what is on disk: no lock where there is none yet, no sources where it has none.

    `bases` are the other layers whose files its sources include.
    """

    layer: Layer
    lock: Lock | None
    sources: tuple[Loaded, ...]
    bases: frozenset[str]

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.layer.name

    @property
    def pins(self) -> tuple[Pin, ...]:
        """The pins of the lock; none where there is no lock."""
        return self.lock.pins if self.lock else ()

    @property
    def requirements(self) -> Iterator[RequirementLine]:
        """Everything that the sources ask for, `-r` followed."""
        return (line for tree in self.sources for line in tree.requirements)

    @property
    def constraints(self) -> Iterator[RequirementLine]:
        """Everything that the sources constrain by `-c`, in their order."""
        return (line for tree in self.sources for line in tree.constraints)


def load(layer: Layer, config: Config, environ: Mapping[str, str]) -> LoadedLayer:
    """Read a layer's sources and its lock. Raises RequirementsError for a line that cannot be read, ConfigError for a missing source."""
    # A base that is not locked yet constrains nothing; `lock` makes it first, and `check` reports it by itself.
    locks = {config.root / other.lock for other in config.layers.values()}
    sources = []
    for source in layer.sources:
        if not (config.root / source).is_file():
            hint = nearest(source.as_posix(), _files_near(config, source), "there are")
            raise ConfigError(f"the layer {layer.name!r} has no such source", where=Location(source), hint=hint)
        if picked := [tables for tables in layer.tables if tables.path == source]:
            sources.append(pyproject.load(config.root / source, source, picked))
        else:
            sources.append(includes.load(config.root / source, root=config.root, environ=environ, may_be_missing=locks))
    sources.extend(_constraining(path, config, environ, locks) for path in layer.constraints)
    # A source that two layers share makes neither the base of the other.
    reached = {path for tree in sources for path in tree.files} - {config.root / source for source in layer.sources}
    bases = {
        other.name
        for other in config.layers.values()
        if other.name != layer.name
        and not reached.isdisjoint(config.root / path for path in (other.lock, *other.sources))
    }
    return LoadedLayer(layer=layer, lock=_lock(layer, config, environ), sources=tuple(sources), bases=frozenset(bases))


def _constraining(path: PurePosixPath, config: Config, environ: Mapping[str, str], locks: Set[Path]) -> Loaded:
    """Read a lock as `-c` reads it."""
    if not (config.root / path).exists():
        nothing: tuple[()] = ()
        tree = Loaded(requirements=(), constraints=(), unlockables=(), options=(), parsed=nothing, files=frozenset())
    else:
        tree = includes.load(config.root / path, root=config.root, environ=environ, may_be_missing=locks)
    files = tree.files | {config.root / path}
    return replace(
        tree, requirements=(), constraints=(*tree.constraints, *tree.requirements), unlockables=(), files=files
    )


def _files_near(config: Config, source: PurePosixPath) -> list[str]:
    folder = (config.root / source).parent
    return [(source.parent / path.name).as_posix() for path in folder.glob("*.in")]


def _lock(layer: Layer, config: Config, environ: Mapping[str, str]) -> Lock | None:
    path = config.root / layer.lock
    if not path.is_file():
        return None
    tree = includes.load(path, root=config.root, environ=environ, may_be_missing=frozenset())
    pins, loose = [], []
    for line in tree.requirements:
        pin = pin_of(line)
        if pin:
            pins.append(pin)
        else:
            loose.append(line)
    return Lock(path=layer.lock, header=tree.parsed[0].header, pins=tuple(pins), loose=tuple(loose), tree=tree)
