"""Rules about local projects: no lock pins them too, and each has a build lock that answers its `build-system`."""

from collections.abc import Iterator, Mapping

from packaging.utils import NormalizedName

from lockhouse.builds import BuildLock, layer_of
from lockhouse.errors import Location
from lockhouse.layers import Lock
from lockhouse.local.declaration import LocalProject
from lockhouse.redact import redact
from lockhouse.rules import Finding, finding
from lockhouse.rules.freshness import freshness
from lockhouse.rules.locks import lock_findings
from lockhouse.target import Target


def pinned_too(lock: Lock, local: Mapping[NormalizedName, LocalProject], target: Target) -> Iterator[Finding]:
    """Report the pins of projects that are local: only one of the two could be installed."""
    for pin in lock.pins:
        if pin.name in local and target.applies(pin.marker):
            yield finding(
                "pin-duplicate",
                pin.location,
                f"{pin.name} is pinned here, and it is the local project {local[pin.name].path} as well",
                hint=f"take {pin.name} out of the sources and run `make lock`, or out of `local` in [tool.lockhouse]",
            )


def of_local(local: LocalProject, lock: BuildLock | None, target: Target) -> Iterator[Finding]:
    """Report where a local project's build lock is missing, is for another folder, or does not answer it."""
    if lock is None:
        yield finding(
            "lock-missing",
            Location(layer_of(local.name).lock),
            f"the local project {local.path} has no build lock",
            hint="run `make lock`",
        )
        return
    source = Location(lock.layer.layer.sources[0], 2)
    if lock.local != local.path.as_posix():
        yield finding(
            "lock-stale",
            source,
            f"this was not written for the local project {local.path}",
            facts=[("written for", lock.local or str(lock.sdist or "nothing that can be read"))],
            hint="run `make lock`",
        )
    elif lock.declared != tuple(dict.fromkeys(local.build_system.requires)):
        yield finding(
            "lock-stale",
            source,
            f"{local.location.path.as_posix()} asks for other build requirements than when this was written",
            facts=[
                ("asks for", redact(", ".join(local.build_system.requires)) or "nothing"),
                ("written for", redact(", ".join(lock.declared)) or "nothing"),
            ],
            hint="run `make lock`",
        )
    yield from freshness(lock.layer, target)
    if lock.layer.lock:
        yield from lock_findings(lock.layer.lock, target)
