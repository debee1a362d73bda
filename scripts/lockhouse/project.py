"""A project as it stands on disk: its layers with locks and sources read, in the order in which they build on each other.

Refuses layers that build on each other in a circle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from packaging.utils import NormalizedName

from lockhouse import builds
from lockhouse.builds import Builds
from lockhouse.config import Config
from lockhouse.errors import ConfigError, UsageError
from lockhouse.layers import LoadedLayer, load
from lockhouse.local import declaration
from lockhouse.local.declaration import LocalProject
from lockhouse.requirements import Pin

OF_BUNDLES = "bundle"
"""The layer of what a bundle needs for itself; it is locked and fetched like any other, and installed only when named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Every layer, bases first, the environments they form, what is known of the builds of their pins, local projects."""

    config: Config
    layers: Mapping[str, LoadedLayer]
    environments: Mapping[str, tuple[str, ...]]
    builds: Builds
    local: Mapping[NormalizedName, LocalProject]

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
        name = self._default()
        if name is None:
            raise UsageError(
                f"there are several environments ({', '.join(self.environments)}) and none is called `default`",
                hint="name the layers to install, or set `default` in `environments` of [tool.lockhouse]",
            )
        return self.named(self.environments[name])

    @property
    def unlocked(self) -> list[str]:
        """The paths of the locks that do not exist."""
        return [str(layer.layer.lock) for layer in self.layers.values() if layer.lock is None]

    def _default(self) -> str | None:
        names = [name for name, members in self.environments.items() if members != (OF_BUNDLES,)]
        if "default" in names or len(names) == 1:
            return "default" if "default" in names else names[0]
        return next((each for each, members in self.environments.items() if "main" in members), None)

    def local_in(self, layers: Sequence[str]) -> tuple[LocalProject, ...]:
        """Return the local projects that the locks of layers must provide for together.

        These are all of them where every layer of the default environment is among them, which `install` makes with
        them, and where nothing tells which one that is; otherwise none.
        """
        name = self._default()
        belongs = name is None or set(self.environments[name]) <= set(layers)
        return tuple(self.local.values()) if belongs else ()

    def replaced(self, layer: LoadedLayer) -> "Project":
        """Return the project with one layer in a newer state."""
        return replace(self, layers={**self.layers, layer.name: layer})

    def with_builds(self, known: Builds) -> "Project":
        """Return the project with its builds as they are known now."""
        return replace(self, builds=known)

    def pins_by_environment(self, layers: Iterable[LoadedLayer]) -> list[list[Pin]]:
        """Return the pins of the layers, gathered by the environments they belong to; every layer counts once each."""
        chosen = {layer.name: layer for layer in layers}
        return [
            [pin for name in members if name in chosen and (lock := chosen[name].lock) for pin in lock.pins]
            for members in self.environments.values()
        ]


def read(config: Config, environ: Mapping[str, str]) -> Project:
    """Read every lock and source of the project.

    Raises RequirementsError and RecordError for a line that cannot be read, ConfigError for a source that is missing,
    for layers that build on each other in a circle, or for a local project that cannot be read.
    """
    layers = {name: load(layer, config, environ) for name, layer in config.layers.items()}
    try:
        order = list(TopologicalSorter({name: layer.bases for name, layer in layers.items()}).static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise ConfigError(f"these layers build on each other in a circle: {circle}") from error
    ordered = {name: layers[name] for name in order}
    environments = config.environments if config.environments is not None else _joined(ordered)
    return Project(
        config=config,
        layers=ordered,
        environments=environments,
        builds=builds.read(config, environ),
        local=declaration.read_all(config),
    )


def reread(project: Project, name: str, environ: Mapping[str, str]) -> LoadedLayer:
    """Read one layer again, after its lock or one of its bases has changed."""
    return load(project.config.layers[name], project.config, environ)


def _joined(layers: Mapping[str, LoadedLayer]) -> dict[str, tuple[str, ...]]:
    groups: list[set[str]] = []
    for name, layer in layers.items():
        touching = [group for group in groups if group & {name, *layer.bases}]
        groups = [group for group in groups if group not in touching]
        groups.append({name, *layer.bases}.union(*touching))
    ordered = [tuple(name for name in layers if name in group) for group in groups]
    return {members[0]: members for members in sorted(ordered)}
