"""Rules about what stands in locks: pins that are not exact or not hashed, leaks, and layers that disagree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from urllib.parse import urlsplit

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse.errors import Location
from lockhouse.project import LoadedLayer, Lock, Project
from lockhouse.redact import redact
from lockhouse.requirements import OptionLine, Pin
from lockhouse.rules import Finding, finding
from lockhouse.target import Target


def lock_findings(lock: Lock, target: Target) -> Iterator[Finding]:
    """Report what is wrong with one lock by itself."""
    yield from _python(lock, target)
    yield from _leaks(lock)
    yield from _pins(lock, target)


def _python(lock: Lock, target: Target) -> Iterator[Finding]:
    if lock.header.python and lock.header.python != target.series:
        yield finding(
            "lock-python",
            Location(lock.path, 1),
            f"compiled with Python {lock.header.python}, while the target has {target.series}",
        )


def _leaks(lock: Lock) -> Iterator[Finding]:
    mend = "remove it here and keep it in pip's configuration"
    for option in lock.tree.options:
        found = _leak_in_option(option)
        if found:
            message, grave = found
            yield finding("lock-leak", option.location, message, hint=mend, severity="error" if grave else "warning")
    for pin in lock.pins:
        if pin.url is not None and _is_secret(pin.url):
            yield finding(
                "lock-leak", pin.location, f"the URL of {pin.name} carries a credential or a query: {redact(pin.url)}",
                hint="lock a URL that needs neither",
            )  # fmt: skip


def _leak_in_option(option: OptionLine) -> tuple[str, bool] | None:
    if option.name not in {"--index-url", "--extra-index-url", "--find-links", "--trusted-host"}:
        return None
    value = option.value or ""
    if _is_secret(value):
        return f"{option.name} carries a credential or a query: {redact(value)}", True
    if option.name == "--find-links" and (urlsplit(value).scheme in {"", "file"} or "\\" in value):
        return f"{option.name} names a path of one machine: {value}", True
    return f"{option.name} stands in the lock: {value}", False


def _is_secret(url: str) -> bool:
    parts = urlsplit(url)
    return "@" in parts.netloc or bool(parts.query)


def _pins(lock: Lock, target: Target) -> Iterator[Finding]:
    for line in lock.loose:
        hint = "run `make lock`" if lock.header.tool else "write NAME==VERSION"
        yield finding("pin-loose", line.location, f"{redact(line.text)!r} is not exact", hint=hint)
    for odd in lock.unlockables:
        yield finding(
            "pin-unlockable",
            odd.location,
            f"{redact(odd.text)!r} cannot be hashed ({odd.kind})",
            hint="publish it as a wheel, or take it out of the lock",
        )
    for pin in lock.pins:
        if not pin.hashes:
            yield finding("pin-unhashed", pin.location, f"{pin.name} has no hash", hint="run `make lock`")
        elif not any(digest.strong for digest in pin.hashes):
            kinds = ", ".join(sorted({digest.algorithm for digest in pin.hashes}))
            yield finding("pin-weak-hash", pin.location, f"{pin.name} has only {kinds} hashes", hint="run `make lock`")
    yield from _duplicates(lock, target)


def _duplicates(lock: Lock, target: Target) -> Iterator[Finding]:
    first: dict[NormalizedName, Pin] = {}
    for pin in lock.pins:
        if not target.applies(pin.marker):
            continue
        earlier = first.setdefault(pin.name, pin)
        if earlier is not pin:
            yield finding(
                "pin-duplicate",
                pin.location,
                f"{pin.name} is pinned a second time for the same target",
                facts=[("first", str(earlier.location))],
                hint="remove one of the two, or give them markers that exclude each other",
            )


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A project that two layers of one environment do not agree about, and the finding that says so."""

    name: NormalizedName
    finding: Finding


def disagreements(project: Project, target: Target) -> Iterator[Disagreement]:
    """Report where layers of one environment pin a project differently, or share no hash of it (as pip sees it)."""
    for members in project.environments.values():
        layers = [project.layers[name] for name in members]
        for one, other in combinations(layers, 2):
            yield from _between(one, other, target)


def _between(one: LoadedLayer, other: LoadedLayer, target: Target) -> Iterator[Disagreement]:
    theirs = {pin.name: pin for pin in _applying(one, target)}
    for pin in _applying(other, target):
        base = theirs.get(pin.name)
        if base is None or base.location == pin.location:
            continue
        if (base.version, base.url) != (pin.version, pin.url):
            message = f"{pin.name} is pinned to {_what(pin.version)} here and to {_what(base.version)} in {one.name}"
        elif base.hashes and pin.hashes and not set(base.hashes) & set(pin.hashes):
            message = f"{pin.name} shares no hash with the pin in {one.name}"
        else:
            continue
        said = finding(
            "layers-disagree",
            pin.location,
            message,
            facts=[(one.name, str(base.location))],
            hint="run `make lock`, with `-c` between the layers",
        )
        yield Disagreement(pin.name, said)


def _applying(layer: LoadedLayer, target: Target) -> Iterable[Pin]:
    return [pin for pin in layer.lock.pins if target.applies(pin.marker)] if layer.lock else []


def _what(version: Version | None) -> str:
    return "a URL" if version is None else str(version)
