"""Rules about what stands in locks: pins that are not exact or not hashed, leaks, and layers that disagree."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlsplit

from packaging.utils import NormalizedName

from lockhouse.errors import Location
from lockhouse.layers import LoadedLayer, Lock
from lockhouse.project import Project
from lockhouse.redact import redact
from lockhouse.requirements import OptionLine, Pin
from lockhouse.rules import Finding, finding
from lockhouse.target import Target


def lock_findings(lock: Lock, target: Target) -> Iterator[Finding]:
    """Report what is wrong with one lock by itself."""
    yield from _python(lock, target)
    yield from _leaks(lock)
    yield from _pins(lock, target)


def unfetchable(lock: Lock, target: Target) -> Iterator[Finding]:
    """Report only the lines that no wheel can be fetched for by hash."""
    rules = {"pin-loose", "pin-unlockable", "pin-unhashed", "pin-weak-hash"}
    return (found for found in _pins(lock, target) if found.rule in rules)


def _python(lock: Lock, target: Target) -> Iterator[Finding]:
    if lock.header.python and lock.header.python != target.series:
        yield finding(
            "lock-python",
            Location(lock.path, 1),
            "the lock was compiled for another Python than the target's",
            facts=[("compiled", lock.header.python), ("target", target.series)],
            hint=f"if the pins serve both, leave it; else run Lockhouse with Python {target.series}, and `make upgrade`",
        )


def _leaks(lock: Lock) -> Iterator[Finding]:
    mend = "remove it here and keep it in pip's configuration"
    named = "remove it here and name it in a source, or as `find-links` in [tool.lockhouse]"
    words = (lock.header.command or "").split()
    if any(_is_secret(word.partition("=")[2] if word.startswith("-") else word) for word in words):
        yield finding(
            "lock-leak", Location(lock.path, 1), "the command in the header carries a credential or a query", hint=mend
        )
    for option in lock.tree.options:
        found = _leak_in_option(option)
        if found:
            message, grave = found
            hint = named if option.name == "--find-links" else mend
            yield finding("lock-leak", option.location, message, hint=hint, severity="error" if grave else "warning")
    urls: list[tuple[str, Location, NormalizedName | None]]
    urls = [(pin.url, pin.location, pin.name) for pin in lock.pins if pin.url is not None]
    urls += [(odd.url, odd.location, odd.name) for odd in lock.unlockables]
    for url, where, name in urls:
        if _is_secret(url):
            yield finding(
                "lock-leak", where, f"the URL carries a credential or a query: {redact(url)}",
                hint="lock a URL that needs neither", pin=name,
            )  # fmt: skip


def _leak_in_option(option: OptionLine) -> tuple[str, bool] | None:
    if option.name not in {"--index-url", "--extra-index-url", "--find-links", "--trusted-host"}:
        return None
    value = option.value or ""
    if _is_secret(value):
        return f"{option.name} carries a credential or a query: {redact(value)}", True
    if option.name == "--find-links" and not value.lower().startswith(("http://", "https://")):
        return f"{option.name} names a path of one machine: {value}", True
    return f"{option.name} stands in the lock: {redact(value)}", False


def _is_secret(url: str) -> bool:
    """Return whether there is something in a URL that must not be shown, and that nobody has masked yet."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redact(url) != url
    user, at, _ = parts.netloc.rpartition("@")
    # Who logs in over SSH is no secret (`git@`), a password is; pip-compile masks those in the commands it writes.
    if at and ((parts.scheme.endswith("ssh") and ":" not in user) or user.endswith("****")):
        return bool(parts.query)
    return redact(url) != url


def _pins(lock: Lock, target: Target) -> Iterator[Finding]:
    for line in lock.loose:
        hint = "run `make lock`" if lock.header.tool else "write NAME==VERSION"
        yield finding("pin-loose", line.location, f"{redact(line.text)!r} is not exact", hint=hint, pin=line.name)
    for odd in lock.unlockables:
        yield finding(
            "pin-unlockable",
            odd.location,
            f"{redact(odd.text)!r} cannot be hashed ({odd.kind})",
            hint="publish it as a wheel, or take it out of the lock",
            pin=odd.name,
        )
    for pin in lock.pins:
        if not pin.hashes:
            yield finding("pin-unhashed", pin.location, f"{pin.name} has no hash", hint="run `make lock`", pin=pin.name)
        elif not any(digest.strong for digest in pin.hashes):
            kinds = ", ".join(sorted({digest.algorithm for digest in pin.hashes}))
            message = f"{pin.name} has only {kinds} hashes"
            yield finding("pin-weak-hash", pin.location, message, hint="run `make lock`", pin=pin.name)
    for pin, earlier in _repeated(lock, target):
        yield finding(
            "pin-duplicate",
            pin.location,
            f"{pin.name} is pinned a second time for the same target",
            facts=[("first", f"{_what(earlier)} ({earlier.location})"), ("second", _what(pin))],
            hint="remove one of the two, or give them markers that exclude each other",
            pin=pin.name,
        )


def duplicated(lock: Lock, target: Target) -> set[NormalizedName]:
    """Return the projects that the lock pins more than once for the target."""
    return {pin.name for pin, _ in _repeated(lock, target)}


def _repeated(lock: Lock, target: Target) -> Iterator[tuple[Pin, Pin]]:
    first: dict[NormalizedName, Pin] = {}
    for pin in lock.pins:
        if target.applies(pin.marker):
            earlier = first.setdefault(pin.name, pin)
            if earlier is not pin:
                yield pin, earlier


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A project that two layers of one environment do not agree about, the later layer, and the finding about it."""

    name: NormalizedName
    layer: str
    finding: Finding


def disagreements(project: Project, target: Target) -> Iterator[Disagreement]:
    """Report where layers of one environment pin a project differently, or share no hash of it (as pip sees it).

    What one lock pins twice is left out: nobody can tell which of the two it means.
    """
    for members in project.environments.values():
        layers = [project.layers[name] for name in members]
        for one, other in combinations(layers, 2):
            yield from _between(one, other, target)


def _between(one: LoadedLayer, other: LoadedLayer, target: Target) -> Iterator[Disagreement]:
    theirs = _single(one, target)
    for pin in _single(other, target).values():
        base = theirs.get(pin.name)
        if base is None or base.location == pin.location:
            continue
        if (base.version, _address(base)) != (pin.version, _address(pin)):
            message = f"{pin.name} is not pinned as in the layer {one.name!r}, with which it is installed"
        elif _are_apart(base, pin):
            message = f"the pin of {pin.name} shares no hash with the one in {one.name!r}, and pip needs one in both"
        else:
            continue
        said = finding(
            "layers-disagree",
            pin.location,
            message,
            facts=[("here", _what(pin)), ("there", f"{_what(base)} ({base.location})")],
            hint=_agree(one, other),
            pin=pin.name,
        )
        yield Disagreement(pin.name, other.name, said)


def _agree(one: LoadedLayer, other: LoadedLayer) -> str:
    if one.name in other.bases or not other.layer.sources:
        return "run `make lock`"
    if other.layer.tables:
        return (
            f'add `constraints = ["{one.name}"]` to the layer {other.name!r} in [tool.lockhouse], then run `make lock`'
        )
    source = other.layer.sources[0]
    return f"write `-c {posixpath.relpath(one.layer.lock, source.parent)}` into {source}, then run `make lock`"


def _single(layer: LoadedLayer, target: Target) -> dict[NormalizedName, Pin]:
    if layer.lock is None:
        return {}
    twice = duplicated(layer.lock, target)
    return {pin.name: pin for pin in layer.lock.pins if pin.name not in twice and target.applies(pin.marker)}


def _are_apart(one: Pin, other: Pin) -> bool:
    # A pin without a strong hash has a finding of its own.
    ours, theirs = ({digest for digest in pin.hashes if digest.strong} for pin in (one, other))
    return bool(ours and theirs and not ours & theirs)


def _address(pin: Pin) -> str:
    return (pin.url or "").partition("#")[0]


def _what(pin: Pin) -> str:
    return f"{pin.name}=={pin.version}" if pin.url is None else f"{pin.name} @ {redact(pin.url)}"
