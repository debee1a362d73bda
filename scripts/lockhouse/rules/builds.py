"""Rules about what is committed of builds: each build lock answers its source, is for the pinned sdist, and is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from lockhouse.builds import FOLDER, BuildLock
from lockhouse.errors import Location
from lockhouse.project import Project
from lockhouse.requirements import Pin
from lockhouse.rules import Finding, finding
from lockhouse.rules.freshness import freshness
from lockhouse.rules.local import of_local
from lockhouse.rules.locks import lock_findings
from lockhouse.target import Target

if TYPE_CHECKING:
    # Slow to import, and a check of the locks alone has no use for them.
    from lockhouse.plan import Need
    from lockhouse.wheelhouse import StoredSdist


def build_findings(project: Project, target: Target) -> Iterator[Finding]:
    """Report what is wrong with the build locks of pins and local projects, and those that nothing needs any more."""
    pins = [*(pin for layer in project.layers.values() for pin in layer.pins), *project.builds.pins]
    unlocked = any(layer.lock is None for layer in project.layers.values())
    for lock in project.builds.locks.values():
        own = [pin for pin in pins if pin.name == lock.name]
        if lock.name in project.local:
            continue
        if own or (unlocked and lock.local is None):
            yield from of_lock(lock, own, target)
        else:
            yield finding(
                "lock-orphan",
                Location(FOLDER / f"{lock.name}.in"),
                f"no layer pins {lock.name} any more, so nothing is built with this"
                if lock.local is None
                else f"{lock.local} is no local project any more, so nothing is built with this",
                hint="run `make lock`, which removes it",
                pin=lock.name,
            )
    for local in project.local.values():
        yield from of_local(local, project.builds.locks.get(local.name), target)


def of_lock(lock: BuildLock, pins: Iterable[Pin], target: Target) -> Iterator[Finding]:
    """Report where one build lock is not that of the pins' sdist, or does not answer its source."""
    hashes = {digest for pin in pins for digest in pin.hashes}
    if hashes and lock.sdist not in hashes:
        yield finding(
            "lock-stale",
            Location(lock.layer.layer.sources[0], 2),
            f"this was written for another sdist of {lock.name} than the one that is pinned",
            facts=[("written for", str(lock.sdist or "none"))],
            hint="run `make lock`",
            pin=lock.name,
        )
    yield from freshness(lock.layer, target)
    if lock.layer.lock:
        yield from lock_findings(lock.layer.lock, target)


def sdist_findings(
    built: Sequence[Need], allowed: Sequence[Need], stored: Sequence[StoredSdist], folder: PurePath
) -> Iterator[Finding]:
    """Report where the sdists that are here are not those that the built pins lock, both ways."""
    mend = "run `make wheelhouse`"
    explained = set()
    for sdist in stored:
        if any(not sdist.digests.isdisjoint(need.hashes) for need in allowed):
            continue
        where = Location(folder / sdist.filename)
        need = next((need for need in allowed if need.is_for_sdist(sdist.filename)), None)
        if need is None:
            yield finding("wheel-extra", where, "no pin is built from this source distribution", hint=mend)
            continue
        explained.add(need)
        actual = next(str(digest) for digest in sdist.digests if digest.algorithm == "sha256")
        yield finding(
            "hash-mismatch",
            where,
            f"these are not the bytes that are locked for {need.label}",
            facts=[("pin", str(need.pins[0].location)), ("actual", actual)],
            hint=mend,
            pin=need.name,
        )
    for need in built:
        if need not in explained and not any(sdist.digests & need.hashes for sdist in stored):
            yield finding(
                "wheel-missing",
                need.pins[0].location,
                f"the source distribution that {need.label} is built from is not in {folder.as_posix()}",
                hint=mend,
                pin=need.name,
            )
