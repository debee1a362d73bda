"""Whether a lock still says what its sources ask for, decided offline, from their meaning and never from time stamps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import PurePosixPath

from packaging.utils import NormalizedName, canonicalize_name

from lockhouse.errors import Location
from lockhouse.layers import LoadedLayer, Lock
from lockhouse.pyproject import is_told_of
from lockhouse.requirements import Pin, RequirementLine, UnlockableLine
from lockhouse.rules import Finding, finding
from lockhouse.target import Target


def freshness(layer: LoadedLayer, target: Target, *, disputed: Set[NormalizedName] = frozenset()) -> Iterator[Finding]:
    """Report where the lock does not give what the sources ask for, and pins that they no longer ask for.

    A layer without a lock is missing; one without sources is judged only by that. Constraints on `disputed` projects
    are left out: that the layers disagree about those is a finding of its own.
    """
    if layer.lock is None:
        yield finding(
            "lock-missing",
            Location(layer.layer.lock),
            f"the layer {layer.name!r} has no lock",
            hint="run `make lock`",
        )
        return
    yield from stale(layer, layer.lock, target, disputed=disputed)
    yield from orphans(layer, layer.lock)


def stale(
    layer: LoadedLayer, lock: Lock, target: Target, *, disputed: Set[NormalizedName] = frozenset()
) -> Iterator[Finding]:
    """Report each requirement, and each constraint on a pin, that the lock does not satisfy on the target."""
    pins: dict[NormalizedName, list[Pin]] = {}
    for pin in lock.pins:
        if target.applies(pin.marker):
            pins.setdefault(pin.name, []).append(pin)
    # Lines that are no pins, and can be none, have findings of their own.
    excused = {line.name for line in lock.loose} | {odd.name for odd in lock.unlockables}
    for line in layer.requirements:
        if target.applies(line.marker) and (line.name in pins or line.name not in excused):
            yield from _required(line, pins.get(line.name, []), lock)
    for line in layer.constraints:
        if line.name in disputed or not target.applies(line.marker):
            continue
        for pin in pins.get(line.name, []):
            if why := _version_unmet(line, pin):
                yield _stale(line, why, pin.location, constraint=True)
    yield from _unlocked(layer, lock, target)


def _required(line: RequirementLine, pins: Sequence[Pin], lock: Lock) -> Iterator[Finding]:
    if not pins:
        yield _stale(line, "the lock has no pin of it for the target", Location(lock.path))
    # Where there are several, that is a finding of its own; one that answers is enough here.
    unmet = [(why, pin) for pin in pins if (why := _unmet(line, pin, lock))]
    if pins and len(unmet) == len(pins):
        yield _stale(line, unmet[0][0], unmet[0][1].location)


def _unlocked(layer: LoadedLayer, lock: Lock, target: Target) -> Iterator[Finding]:
    """Report what a source asks for by VCS, directory or editable, and the lock says nothing about."""
    named = {line.name for line in lock.unlockables} | {pin.name for pin in lock.pins if pin.url is not None}
    own = {source.as_posix() for source in layer.layer.sources}
    for line in (line for tree in layer.sources for line in tree.unlockables):
        # Without a name nothing tells which line of the lock would be the one. Included files may only constrain.
        there = line.name in named if line.name else bool(lock.unlockables)
        if not there and line.location.path.as_posix() in own and target.applies(line.marker):
            yield _stale(line, "the lock does not take it from there", Location(lock.path))


def _stale(line: RequirementLine | UnlockableLine, why: str, lock: Location, *, constraint: bool = False) -> Finding:
    asked = f"the constraint {line.text!r} stands here" if constraint else f"{line.text!r} is asked for"
    return finding(
        "lock-stale",
        line.location,
        f"{asked}, but {why}",
        facts=[("lock", str(lock))],
        hint="run `make lock`",
        pin=line.name,
    )


def _unmet(line: RequirementLine, pin: Pin, lock: Lock) -> str:
    version = _version_unmet(line, pin)
    if version:
        return version
    missing = line.extras - pin.extras
    if missing and lock.keeps_extras:
        return f"the lock pins it without the extra{'s' if len(missing) > 1 else ''} {', '.join(sorted(missing))}"
    return ""


def _version_unmet(line: RequirementLine, pin: Pin) -> str:
    # Fragments only help to tell what a URL holds; hashes among them are the pin's own business.
    if line.url is not None and _bare(line.url) != _bare(pin.url):
        return "the lock takes it from elsewhere"
    if pin.version is not None and not line.specifier.contains(pin.version, prereleases=True):
        return f"the lock pins {pin.name}=={pin.version}"
    return ""


def _bare(url: str | None) -> str:
    return (url or "").partition("#")[0]


def orphans(layer: LoadedLayer, lock: Lock) -> Iterator[Finding]:
    """Report the pins that are there only via sources that no longer ask for them.

    A `-c` entry never keeps a pin, and a pin that is needed only by such a pin follows from it and is not reported. Pins
    without *via* comments are not judged, nor are those via something that cannot be read again; nor is anything where
    the layer has no sources.
    """
    if not layer.sources:
        return
    pins: dict[NormalizedName, list[Pin]] = {}
    for pin in lock.pins:
        pins.setdefault(pin.name, []).append(pin)
    parents = _parents_of(lock)
    asked = {line.name for line in layer.requirements}
    asked |= {line.name for tree in layer.sources for line in tree.unlockables if line.name}
    kept = _with_all_below(
        asked | untold(lock, layer.layer.sources) | {line.name for line in _locked(lock) if not line.via}, parents
    )
    lost = pins.keys() - kept
    heads = {
        name for name in lost if _is_from_source(pins[name], layer.layer.sources) or not parents[name] & lost - {name}
    }
    # What is still unexplained hangs together in circles, and has no other beginning.
    heads |= lost - _with_all_below(heads, parents)
    for name in sorted(heads):
        for pin in pins[name]:
            yield finding(
                "lock-orphan",
                pin.location,
                f"{pin.name if pin.version is None else f'{pin.name}=={pin.version}'} is locked, "
                "but no source asks for it any more",
                facts=[("via", ", ".join(pin.via))],
                hint="run `make lock`",
                pin=name,
            )


def _locked(lock: Lock) -> Iterator[Pin | RequirementLine]:
    yield from lock.pins
    yield from lock.loose


def _parents_of(lock: Lock) -> dict[NormalizedName, set[NormalizedName]]:
    """Return, for each project of a lock, the projects via which it is there."""
    parents: dict[NormalizedName, set[NormalizedName]] = {}
    for line in _locked(lock):
        parents.setdefault(line.name, set()).update(_parents(line.via))
    return parents


def untold(lock: Lock, sources: Sequence[PurePosixPath]) -> set[NormalizedName]:
    """Return the projects that are there via something that cannot be read again, and count as if they were asked for.

    A pyproject.toml among the layer's own sources can be read again.
    """
    parents = _parents_of(lock)
    # Standard input cannot be read again, nor what a build backend told of "app (setup.py)".
    found = {
        line.name
        for line in _locked(lock)
        if any(
            entry in {"-r -", "-r /dev/stdin"} or (entry.endswith(")") and not is_told_of(entry, sources))
            for entry in line.via
        )
    }
    found |= {line.name for line in lock.unlockables if line.name}
    if any(line.name is None for line in lock.unlockables):
        # One of them may be what this unknown name stands for.
        found |= set[NormalizedName]().union(*parents.values()) - parents.keys()
    return found


def _with_all_below(
    tops: set[NormalizedName], parents: Mapping[NormalizedName, set[NormalizedName]]
) -> set[NormalizedName]:
    reached = set(tops)
    while more := {name for name, above in parents.items() if name not in reached and above & reached}:
        reached |= more
    return reached


def _parents(via: Iterable[str]) -> set[NormalizedName]:
    """Return the projects among the *via* entries; `-r` and `-c` files are none."""
    named = (entry for entry in via if not entry.startswith("-") and not entry.endswith(")"))
    return {canonicalize_name(entry.partition("[")[0].strip()) for entry in named}


def _is_from_source(pins: Iterable[Pin], sources: Sequence[PurePosixPath]) -> bool:
    return any(entry.startswith("-r ") or is_told_of(entry, sources) for pin in pins for entry in pin.via)
