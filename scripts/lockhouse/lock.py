"""The step `lock`: recompile the layers whose lock no longer satisfies its sources, bases first, by pip-compile.

A lock is replaced only when the new one is whole. Refuses to lock for another Python than the one that runs, or to move a
lock to it unasked: the answer would be for the wrong one.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from graphlib import TopologicalSorter

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from lockhouse import project, resolution, solutions
from lockhouse.config import nearest
from lockhouse.errors import Location, LockhouseError, TargetError, UsageError
from lockhouse.layers import LoadedLayer
from lockhouse.project import Project
from lockhouse.resolution import Answer, Compiler
from lockhouse.rules import Finding
from lockhouse.rules.freshness import freshness
from lockhouse.rules.locks import disagreements, lock_findings
from lockhouse.target import Target, is_made, running

# What pip-compile mends by compiling again, beside staleness itself.
_MENDABLE = {"pin-loose", "pin-unhashed", "pin-weak-hash"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """What may move: everything (`all`), or the named projects; nothing more than must where both are empty."""

    all: bool = False
    names: tuple[NormalizedName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A project whose pin changed: None stands for "was not there" and "is gone".

    `origin` is the index that the new pin came from, without credentials, where that is known.
    """

    name: NormalizedName
    before: Version | None
    after: Version | None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A layer that was recompiled, what moved in its lock, the indexes that were asked, without credentials, and notes.

    `offered` are the names of all files that the indexes have of each pin's version.
    """

    layer: str
    moves: tuple[Move, ...]
    asked: tuple[str, ...]
    offered: Mapping[NormalizedName, Sequence[str]]
    notes: tuple[str, ...]


def incomplete(current: Project, target: Target) -> tuple[Finding, ...]:
    """Return what the wheels that are here say against the locks: they require what no pin gives.

    Where a lock does not tell why its pins are there, pins that nothing needs count as well. Without a wheel for every
    pin of an environment nothing is said; and nothing is proven, for no bytes are verified.
    """
    wheels = solutions.by_name(current, target, current.config.wheelhouse)
    graphs, _ = solutions.graphs(current, tuple(current.layers.values()), target, wheels, disputed=frozenset())
    found: list[Finding] = []
    for graph in graphs:
        found.extend(each for each in graph.findings() if each.rule != "wheel-broken")
        told = {layer.layer.lock for layer in graph.layers if any(pin.via for pin in layer.pins)}
        found.extend(each for each in graph.unreachable() if each.where.path not in told)
    return tuple(dict.fromkeys(found))


def stale_layers(
    current: Project, layers: Sequence[LoadedLayer], target: Target, lacks: Sequence[Finding] = ()
) -> dict[str, tuple[Finding, ...]]:
    """Return the layers that must be recompiled, in order, with the reasons; `lacks` are those that wheels told."""
    differing = list(disagreements(current, target))
    reasons: dict[str, tuple[Finding, ...]] = {}
    for layer in layers:
        found = list(freshness(layer, target))
        if layer.lock and layer.sources:
            found.extend(each for each in lock_findings(layer.lock, target) if each.rule in _MENDABLE)
            # The later layer yields: its bases are the ones it must agree with.
            found.extend(
                each.finding
                for each in differing
                if each.finding.where.path == layer.layer.lock and layer.bases and not found
            )
            found.extend(each for each in lacks if each.where.path == layer.layer.lock)
        if found and layer.sources:
            reasons[layer.name] = tuple(found)
    return reasons


def lock(
    current: Project,
    layers: Sequence[LoadedLayer],
    *,
    target: Target,
    environ: Mapping[str, str],
    upgrade: Upgrade,
    connect: Callable[[], Compiler],
    starting: Callable[[str, tuple[Finding, ...]], None],
) -> Iterator[Compiled]:
    """Recompile what must be and yield each layer as it is done; layers that do not build on each other go side by side.

    `connect` says how pip-compile reaches the indexes, and is called only if something must be resolved; `starting`
    hears of each layer before it is compiled, and why. What fails keeps back only the layers that build on it. Raises
    UsageError for an upgrade of something that no layer pins, TargetError where another Python would have to compile, before
    anything is done, and LockhouseError for what failed, at the end.
    """
    _refuse_unknown(layers, upgrade)
    if any(layer.sources and _concerns(upgrade, layer) for layer in layers) or stale_layers(current, layers, target):
        refuse_other_python(current, layers, target, moving=upgrade.all)
    names = {layer.name for layer in layers}
    order = TopologicalSorter({layer.name: layer.bases & names for layer in layers})
    order.prepare()
    compiler: Compiler | None = None
    failures: list[LockhouseError] = []
    lacks = incomplete(current, target)
    running_now: dict[Future[Answer], LoadedLayer] = {}
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as threads:
        while True:
            while ready := order.get_ready():
                for name in ready:
                    layer = project.reread(current, name, environ)
                    current = current.replaced(layer)
                    reasons = stale_layers(current, [layer], target, lacks).get(name, ())
                    if not layer.sources or not (reasons or _concerns(upgrade, layer)):
                        order.done(name)
                        continue
                    starting(name, reasons)
                    compiler = compiler or connect()
                    options = _upgrade_options(upgrade, layer)
                    work = threads.submit(resolution.run, layer, current.config, compiler, upgrade=options)
                    running_now[work] = layer
            if not running_now:
                break
            for work in wait(running_now, return_when=FIRST_COMPLETED).done:
                layer = running_now.pop(work)
                try:
                    answer = work.result()
                except LockhouseError as error:
                    failures.append(error)
                    continue
                after = project.reread(current, layer.name, environ)
                current = current.replaced(after)
                order.done(layer.name)
                moved = moves(layer, after, answer.origins)
                yield Compiled(
                    layer=layer.name, moves=moved, asked=answer.asked, offered=answer.offered, notes=answer.notes
                )
    if failures:
        raise failures[0] if len(failures) == 1 else LockhouseError("\n".join(error.reason for error in failures))


def refuse_other_python(current: Project, layers: Iterable[LoadedLayer], target: Target, *, moving: bool) -> None:
    """Raise TargetError where locks that are compiled now would be for another Python than the project's.

    That is the target's; where neither the configuration nor an environment tells, it is the one that the locks of the
    layers were compiled for, unless they are `moving` on purpose.
    """
    ours = running().series
    if target.series != ours:
        raise TargetError(
            f"the target has Python {target.series}, and Lockhouse runs on {ours}: the lock would be for the wrong one",
            hint=f"run Lockhouse with Python {target.series}: "
            f"a pre-commit hook with `language_version: python{target.series}`, "
            f"make after `rm -rf .lockhouse/tools` with LOCKHOUSE_PYTHON=python{target.series}",
        )
    if moving or current.config.python or is_made(current.config.venv):
        return
    for layer in layers:
        theirs = layer.lock.header.python if layer.lock else None
        if layer.lock and theirs not in {None, ours}:
            raise TargetError(
                f"the lock was compiled for Python {theirs}, Lockhouse runs on {ours}, and nothing says which is the project's",
                where=Location(layer.lock.path, 1),
                hint=f'write into [tool.lockhouse] `python = "{theirs}"` to stay, or `python = "{ours}"` to move',
            )


def _upgrade_options(upgrade: Upgrade, layer: LoadedLayer) -> list[str]:
    if upgrade.all:
        return ["--upgrade"]
    return [f"--upgrade-package={name}" for name in upgrade.names if name in _versions(layer)]


def moves(before: LoadedLayer, after: LoadedLayer, origins: Mapping[NormalizedName, str]) -> tuple[Move, ...]:
    """Return what changed between two states of a layer's lock, by name, and where each new pin came from."""
    old, new = _versions(before), _versions(after)
    return tuple(
        Move(name=name, before=old.get(name), after=new.get(name), origin=origins.get(name) if name in new else None)
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _versions(layer: LoadedLayer) -> dict[NormalizedName, Version | None]:
    return {pin.name: pin.version for pin in layer.lock.pins} if layer.lock else {}


def _concerns(upgrade: Upgrade, layer: LoadedLayer) -> bool:
    return upgrade.all or not _versions(layer).keys().isdisjoint(upgrade.names)


def _refuse_unknown(layers: Sequence[LoadedLayer], upgrade: Upgrade) -> None:
    pinned = {name for layer in layers for name in _versions(layer)}
    for name in upgrade.names:
        if name not in pinned:
            raise UsageError(f"no lock pins {name}", hint=nearest(name, pinned, "the locks pin"))


def parse_names(words: Sequence[str]) -> tuple[NormalizedName, ...]:
    """Read project names of a command line; raises UsageError for what is none."""
    names = []
    for word in words:
        try:
            names.append(canonicalize_name(word, validate=True))
        except ValueError as error:
            raise UsageError(
                f"{word!r} is not a project's name", hint="name the project alone, without a version"
            ) from error
    return tuple(names)
