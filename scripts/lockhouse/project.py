"""A project as it stands on disk: its layers with locks and sources read, in the order in which they build on each other.

Refuses layers that build on each other in a circle.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

from lockhouse.annotations import Header
from lockhouse.config import Config, Layer, nearest
from lockhouse.errors import ConfigError, Location, UsageError
from lockhouse.includes import Loaded, load
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
        return command.startswith("pip-compile") and "--strip-extras" not in command


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
    def requirements(self) -> Iterator[RequirementLine]:
        """Everything that the sources ask for, `-r` followed."""
        return (line for tree in self.sources for line in tree.requirements)

    @property
    def constraints(self) -> Iterator[RequirementLine]:
        """Everything that the sources constrain by `-c`, in their order."""
        return (line for tree in self.sources for line in tree.constraints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Every layer, bases first, and the environments they form."""

    config: Config
    layers: Mapping[str, LoadedLayer]
    environments: Mapping[str, tuple[str, ...]]

    def named(self, words: Sequence[str]) -> tuple[LoadedLayer, ...]:
        """Return the layers that the words name, bases first; without a word, all. Raises UsageError."""
        names = {self.config.layer(word).name for word in words} or set(self.layers)
        return tuple(layer for name, layer in self.layers.items() if name in names)

    def environment(self, words: Sequence[str]) -> tuple[LoadedLayer, ...]:
        """Return the layers to install: those named, which must belong together, or the one environment there is.

        Without a word that is the environment `default`, or the only one, or that of the layer `main`. Raises UsageError.
        """
        if words:
            layers = self.named(words)
            if not any({layer.name for layer in layers} <= set(members) for members in self.environments.values()):
                raise UsageError(
                    f"the layers {', '.join(layer.name for layer in layers)} do not belong to one environment",
                    hint="name layers of one environment, or join them in `environments` of [tool.lockhouse]",
                )
            return layers
        names = list(self.environments)
        name = "default" if "default" in names else names[0] if len(names) == 1 else None
        if name is None:
            name = next((each for each, members in self.environments.items() if "main" in members), None)
        if name is None:
            raise UsageError(
                f"there are several environments ({', '.join(names)}) and none is called `default`",
                hint="name the layers to install, or set `default` in `environments` of [tool.lockhouse]",
            )
        return self.named(self.environments[name])

    def replaced(self, layer: LoadedLayer) -> "Project":
        """Return the project with one layer in a newer state."""
        return replace(self, layers={**self.layers, layer.name: layer})

    def pins_by_environment(self, layers: Iterable[LoadedLayer]) -> list[list[Pin]]:
        """Return the pins of the layers, gathered by the environments they belong to; every layer counts once each."""
        chosen = {layer.name: layer for layer in layers}
        return [
            [pin for name in members if name in chosen and (lock := chosen[name].lock) for pin in lock.pins]
            for members in self.environments.values()
        ]


def read(config: Config, environ: Mapping[str, str]) -> Project:
    """Read every lock and source of the project.

    Raises RequirementsError for a line that cannot be read, ConfigError for a source that is missing or for layers
    that build on each other in a circle.
    """
    layers = {name: _load(layer, config, environ) for name, layer in config.layers.items()}
    try:
        order = list(TopologicalSorter({name: layer.bases for name, layer in layers.items()}).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigError(f"these layers build on each other in a circle: {circle}") from error
    ordered = {name: layers[name] for name in order}
    environments = config.environments if config.environments is not None else _joined(ordered)
    return Project(config=config, layers=ordered, environments=environments)


def reread(project: Project, name: str, environ: Mapping[str, str]) -> LoadedLayer:
    """Read one layer again, after its lock or one of its bases has changed."""
    return _load(project.config.layers[name], project.config, environ)


def _load(layer: Layer, config: Config, environ: Mapping[str, str]) -> LoadedLayer:
    # A base that is not locked yet constrains nothing; `lock` makes it first, and `check` reports it by itself.
    locks = {config.root / other.lock for other in config.layers.values()}
    sources = []
    for source in layer.sources:
        if not (config.root / source).is_file():
            hint = nearest(source.as_posix(), _files_near(config, source), "there are")
            raise ConfigError(f"the layer {layer.name!r} has no such source", where=Location(source), hint=hint)
        sources.append(load(config.root / source, root=config.root, environ=environ, may_be_missing=locks))
    # A source that two layers share makes neither the base of the other.
    reached = {path for tree in sources for path in tree.files} - {config.root / source for source in layer.sources}
    bases = {
        other.name
        for other in config.layers.values()
        if other.name != layer.name
        and not reached.isdisjoint(config.root / path for path in (other.lock, *other.sources))
    }
    return LoadedLayer(layer=layer, lock=_lock(layer, config, environ), sources=tuple(sources), bases=frozenset(bases))


def _files_near(config: Config, source: PurePosixPath) -> list[str]:
    folder = (config.root / source).parent
    return [(source.parent / path.name).as_posix() for path in folder.glob("*.in")]


def _lock(layer: Layer, config: Config, environ: Mapping[str, str]) -> Lock | None:
    path = config.root / layer.lock
    if not path.is_file():
        return None
    tree = load(path, root=config.root, environ=environ, may_be_missing=frozenset())
    pins, loose = [], []
    for line in tree.requirements:
        pin = pin_of(line)
        if pin:
            pins.append(pin)
        else:
            loose.append(line)
    return Lock(path=layer.lock, header=tree.parsed[0].header, pins=tuple(pins), loose=tuple(loose), tree=tree)


def _joined(layers: Mapping[str, LoadedLayer]) -> dict[str, tuple[str, ...]]:
    groups: list[set[str]] = []
    for name, layer in layers.items():
        touching = [group for group in groups if group & {name, *layer.bases}]
        groups = [group for group in groups if group not in touching]
        groups.append({name, *layer.bases}.union(*touching))
    ordered = [tuple(name for name in layers if name in group) for group in groups]
    return {members[0]: members for members in sorted(ordered)}
