"""Whether a lock still says what its sources ask for, decided offline, from their meaning and never from time stamps."""

from collections.abc import Iterator, Mapping, Set

from packaging.utils import NormalizedName, canonicalize_name

from lockhouse.errors import Location
from lockhouse.project import LoadedLayer, Lock
from lockhouse.requirements import Pin, RequirementLine
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
    pins = applicable(lock, target)
    for line in layer.requirements:
        if target.applies(line.marker):
            why = _unmet(line, pins.get(line.name), lock)
            if why:
                yield _stale(line, f"{line.text!r} is asked for, but {why}", lock)
    for line in layer.constraints:
        pin = pins.get(line.name)
        if pin and line.name not in disputed and target.applies(line.marker):
            why = _version_unmet(line, pin)
            if why:
                yield _stale(line, f"the constraint {line.text!r} does not hold: {why}", lock)


def applicable(lock: Lock, target: Target) -> dict[NormalizedName, Pin]:
    """Return the pins of a lock that apply to the target, by project; the first, where one has several."""
    pins: dict[NormalizedName, Pin] = {}
    for pin in lock.pins:
        if target.applies(pin.marker):
            pins.setdefault(pin.name, pin)
    return pins


def _stale(line: RequirementLine, message: str, lock: Lock) -> Finding:
    return finding("lock-stale", line.location, message, facts=[("lock", str(lock.path))], hint="run `make lock`")


def _unmet(line: RequirementLine, pin: Pin | None, lock: Lock) -> str:
    if pin is None:
        loose = next((other for other in lock.loose if other.name == line.name), None)
        return "" if loose else f"{lock.path} has no pin of it for the target"
    version = _version_unmet(line, pin)
    if version:
        return version
    missing = line.extras - pin.extras
    if missing and lock.keeps_extras:
        return f"{pin.location} pins it without the extra {', '.join(sorted(missing))}"
    return ""


def _version_unmet(line: RequirementLine, pin: Pin) -> str:
    if line.url is not None or pin.url is not None:
        # Fragments only help to tell what a URL holds; hashes among them are the pin's own business.
        same = line.url is None or _bare(line.url) == _bare(pin.url)
        return "" if same else f"{pin.location} takes it from elsewhere"
    if pin.version is not None and not line.specifier.contains(pin.version, prereleases=True):
        return f"{pin.location} pins {pin.name}=={pin.version}"
    return ""


def _bare(url: str | None) -> str:
    return (url or "").partition("#")[0]


def orphans(layer: LoadedLayer, lock: Lock) -> Iterator[Finding]:
    """Report the pins that are there only via sources that no longer ask for them.

    A `-c` entry never keeps a pin, and a pin that is needed only by such a pin follows from it and is not reported. Pins
    without *via* comments are not judged; nor is anything where the layer has no sources.
    """
    if not layer.sources:
        return
    pins: dict[NormalizedName, list[Pin]] = {}
    for pin in lock.pins:
        pins.setdefault(pin.name, []).append(pin)
    parents = {name: {parent for pin in same for parent in _parents(pin)} for name, same in pins.items()}
    asked = {line.name for line in layer.requirements}
    asked |= {line.name for tree in layer.sources for line in tree.unlockables if line.name}
    kept = _with_all_below({name for name in pins if name in asked or _is_unjudged(pins[name])}, parents)
    lost = set(pins) - kept
    heads = {name for name in lost if _is_from_source(pins[name]) or not parents[name] & lost - {name}}
    # What is still unexplained hangs together in circles, and has no other beginning.
    heads |= lost - _with_all_below(heads, parents)
    for name in sorted(heads):
        for pin in pins[name]:
            yield finding(
                "lock-orphan",
                pin.location,
                f"{pin.name}=={pin.version} is locked, but no source asks for it any more",
                facts=[("via", ", ".join(pin.via))],
                hint="run `make lock`",
            )


def _with_all_below(
    tops: set[NormalizedName], parents: Mapping[NormalizedName, set[NormalizedName]]
) -> set[NormalizedName]:
    reached = set(tops)
    while more := {name for name, above in parents.items() if name not in reached and above & reached}:
        reached |= more
    return reached


def _parents(pin: Pin) -> set[NormalizedName]:
    """Return the projects among the *via* entries; `-r` and `-c` files are none."""
    return {canonicalize_name(entry.partition("[")[0].strip()) for entry in pin.via if not entry.startswith("-")}


def _is_from_source(pins: list[Pin]) -> bool:
    return any(entry.startswith("-r ") for pin in pins for entry in pin.via)


def _is_unjudged(pins: list[Pin]) -> bool:
    # Standard input cannot be read again, and "app (pyproject.toml)" is no requirements file.
    return any(
        not pin.via or any(entry in {"-r -", "-r /dev/stdin"} or entry.endswith(")") for entry in pin.via)
        for pin in pins
    )
