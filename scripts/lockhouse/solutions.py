"""What is installed together, wheel by wheel: the environments of which every pin has a wheel that can be read."""

import contextlib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path, PurePath

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse import contents, plan
from lockhouse.errors import WheelError
from lockhouse.filenames import WheelName
from lockhouse.layers import LoadedLayer
from lockhouse.local.declaration import LocalProject
from lockhouse.metadata import Metadata
from lockhouse.project import Project
from lockhouse.requirements import Pin
from lockhouse.rules.dependencies import Graph, Pinned
from lockhouse.target import Target

# By `Need.key`: the wheel's path as people read it, its version, and its METADATA, if it can be read.
Wheels = Mapping[object, tuple[PurePath, Version, Metadata | None]]


def graphs(
    project: Project,
    layers: Sequence[LoadedLayer],
    target: Target,
    wheels: Wheels,
    *,
    disputed: Set[NormalizedName],
    with_local: bool = False,
) -> tuple[list[Graph], bool]:
    """Return what requires what in each environment that the layers make up, and whether some could not be judged.

    With `with_local`, local projects are part of what holds every layer of the default environment.
    Those wait of which a pin has no wheel, a line is no pin, or the layers disagree (about the projects in `disputed`).
    """
    found: list[Graph] = []
    waited = False
    environments = zip(project.environments.values(), project.pins_by_environment(layers), strict=True)
    for members, pins in environments:
        together = [layer for layer in layers if layer.name in members]
        if not together:
            continue
        solution = _solution(pins, target, wheels)
        if (
            solution is None
            or not disputed.isdisjoint(solution)
            or any(not _whole(layer, target) for layer in together)
        ):
            waited = True
        else:
            local = project.local_in([layer.name for layer in together]) if with_local else ()
            found.append(Graph(solution, together, target, local))
    return found, waited


def together(layers: Sequence[LoadedLayer], target: Target, wheels: Wheels, local: Sequence[LocalProject]) -> Graph:
    """Return what requires what among the pins of the layers and these local projects, which are installed together.

    Every pin must have its wheel.
    """
    pins = [pin for layer in layers for pin in layer.pins]
    return Graph(_solution(pins, target, wheels) or {}, layers, target, local)


def by_name(project: Project, target: Target, folder: Path) -> Wheels:
    """Return the wheels of a wheelhouse that are named for the pins of the project, their bytes not verified.

    Good enough to tell that something is amiss, never to prove that nothing is.
    """
    stored: dict[NormalizedName, list[WheelName]] = {}
    for path in folder.glob("*.whl"):
        with contextlib.suppress(WheelError):
            name = WheelName.parse(path.name)
            stored.setdefault(name.name, []).append(name)
    found: dict[object, tuple[PurePath, Version, Metadata | None]] = {}
    for need in plan.needs(project.pins_by_environment(project.layers.values()), target):
        choice = plan.first_choice(need, stored.get(need.name, ()), target)
        if choice is not None:
            metadata = contents.metadata_of(folder / choice.filename)
            found[need.key] = (PurePath(choice.filename), choice.version, metadata)
    return found


def _solution(pins: Sequence[Pin], target: Target, wheels: Wheels) -> dict[NormalizedName, Pinned] | None:
    solution = {}
    for need in plan.needs([pins], target):
        if need.key not in wheels:
            return None
        path, version, metadata = wheels[need.key]
        if metadata is None:
            return None
        solution[need.name] = Pinned(pin=need.pins[0], version=version, path=path, metadata=metadata)
    return solution


def _whole(layer: LoadedLayer, target: Target) -> bool:
    """Return whether everything that the layer's lock asks for on the target is a pin."""
    if layer.lock is None:
        return False
    markers = [line.marker for line in layer.lock.loose] + [line.marker for line in layer.lock.unlockables]
    return not any(map(target.applies, markers))
