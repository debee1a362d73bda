"""Compares two states of a lock, or of the record, and says what moved.

Order, comments and what a pin is there *via* do not count. Details and texts are fit to be shown; pins keep their URLs as
they stand, credentials included.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse.digest import Digest
from lockhouse.includes import Loaded
from lockhouse.record import Line, Record
from lockhouse.redact import redact
from lockhouse.requirements import Pin, pin_of

Kind: TypeAlias = Literal["added", "removed", "upgraded", "downgraded", "changed"]
# A pin without a version is known by its URL.
Release: TypeAlias = tuple[NormalizedName, Version | str | None]
Known: TypeAlias = Mapping[Release, frozenset[Digest]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One thing about a pin that changed beside its version: extras, marker, URL; None stands for none."""

    what: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PinChange:
    """A pin that moved. `before` is None where it was added, `after` where it was removed."""

    kind: Kind
    name: NormalizedName
    before: Pin | None
    after: Pin | None
    details: tuple[Detail, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HashChange:
    """A release whose hashes changed though its version did not.

    `grave`: hashes went as well as came, or none is left, or it has none of those that another lock had before. Otherwise files
    of the release were only added, or only left out.
    """

    name: NormalizedName
    version: Version | None
    added: tuple[Digest, ...]
    removed: tuple[Digest, ...]
    grave: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """A line that is no pin (an option, a loose or unlockable requirement) and came or went."""

    kind: Literal["added", "removed"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockChange:
    """Everything that moved in one lock; `status` where the whole lock came or went."""

    layer: str
    lock: PurePosixPath
    status: Literal["added", "removed"] | None
    pins: tuple[PinChange, ...]
    hashes: tuple[HashChange, ...]
    lines: tuple[LineChange, ...]

    @property
    def moved(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.status or self.pins or self.hashes or self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordChange:
    """A build whose line came, went, or says something else; `grave`: other bytes from the same sdist and build lock."""

    kind: Literal["added", "removed", "changed"]
    before: Line | None
    after: Line | None
    grave: bool = False

    @property
    def line(self) -> Line:
        """The line as it is now, or as it was."""
        line = self.after or self.before
        if line is None:  # pragma: no cover - one of the two is always there
            raise ValueError("a change of nothing")
        return line


def compare(
    before: Loaded | None, after: Loaded | None, *, layer: str, lock: PurePosixPath, elsewhere: Known
) -> LockChange:
    """Compare two states of one lock, None where it does not exist; `elsewhere` are the hashes of all locks before."""
    old, new = pins_of(before), pins_of(after)
    return LockChange(
        layer=layer,
        lock=lock,
        status="added" if before is None and after else "removed" if after is None and before else None,
        pins=tuple(_pin_changes(old, new)),
        hashes=tuple(_hash_changes(known([old]), known([new]), elsewhere)),
        lines=tuple(_line_changes(before, after)),
    )


def known(locks: Iterable[Sequence[Pin]]) -> dict[Release, frozenset[Digest]]:
    """Return the hashes of every release that the pins name."""
    found: dict[Release, set[Digest]] = defaultdict(set)
    for pins in locks:
        for pin in pins:
            found[pin.name, pin.version or pin.url].update(pin.hashes)
    return {release: frozenset(hashes) for release, hashes in found.items()}


def pins_of(tree: Loaded | None) -> tuple[Pin, ...]:
    """Return the pins of a lock; none where it does not exist."""
    return tuple(pin for line in tree.requirements if (pin := pin_of(line))) if tree else ()


def _pin_changes(before: Sequence[Pin], after: Sequence[Pin]) -> Iterator[PinChange]:
    """Pair the pins of each project: those that are the same first, then by marker, then by version, then what is left."""
    for name in sorted({pin.name for pin in (*before, *after)}):
        old, new = ([pin for pin in pins if pin.name == name] for pins in (before, after))
        pairs: list[tuple[Pin, Pin]] = []
        for key in (_identity, _marker, _version):
            pairs += _paired(old, new, key)
        if len(old) == len(new) == 1:
            pairs.append((old.pop(), new.pop()))
        yield from (change for pair in pairs if (change := _change(*pair)))
        yield from (PinChange(kind="removed", name=name, before=pin, after=None) for pin in old)
        yield from (PinChange(kind="added", name=name, before=None, after=pin) for pin in new)


def _paired(old: list[Pin], new: list[Pin], key: Callable[[Pin], Hashable]) -> list[tuple[Pin, Pin]]:
    """Take the pins out of both lists that have the same key, and return them in pairs."""
    pairs = []
    for pin in tuple(old):
        partner = next((other for other in new if key(other) == key(pin)), None)
        if partner:
            old.remove(pin)
            new.remove(partner)
            pairs.append((pin, partner))
    return pairs


def _identity(pin: Pin) -> Hashable:
    return pin.version, pin.url, _marker(pin)


def _marker(pin: Pin) -> str:
    return str(pin.marker or "")


def _version(pin: Pin) -> Hashable:
    return pin.version or pin.url


def _change(before: Pin, after: Pin) -> PinChange | None:
    details = tuple(_details(before, after))
    if before.version and after.version and before.version != after.version:
        kind: Kind = "upgraded" if before.version < after.version else "downgraded"
    elif details or before.version != after.version:
        kind = "changed"
    else:
        return None
    return PinChange(kind=kind, name=after.name, before=before, after=after, details=details)


def _details(before: Pin, after: Pin) -> Iterator[Detail]:
    for what, read in (
        ("extras", lambda pin: ",".join(sorted(pin.extras))),
        ("marker", _marker),
        ("operator", lambda pin: "===" if pin.arbitrary else "=="),
    ):
        if read(before) != read(after):
            yield Detail(what=what, before=read(before) or None, after=read(after) or None)
    if before.url != after.url:
        shown = [redact(pin.url) if pin.url else None for pin in (before, after)]
        what = "URL" if shown[0] != shown[1] else "URL (in what is not shown)"
        yield Detail(what=what, before=shown[0], after=shown[1])


def _hash_changes(before: Known, after: Known, elsewhere: Known) -> Iterator[HashChange]:
    for release in sorted(after, key=str):
        name, version = release
        told = version if isinstance(version, Version) else None
        old, new = before.get(release), after[release]
        if old is not None and old != new:
            added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
            grave = bool(removed) and (bool(added) or not new)
        elif old is None and (others := elsewhere.get(release)) and others.isdisjoint(new):
            # It moved here from another lock, or came in beside it, and is something else.
            added, removed, grave = tuple(sorted(new)), tuple(sorted(others)), True
        else:
            continue
        yield HashChange(name=name, version=told, added=added, removed=removed, grave=grave)


def _line_changes(before: Loaded | None, after: Loaded | None) -> Iterator[LineChange]:
    old, new = Counter(_others(before)), Counter(_others(after))
    for kind, lines in (("removed", old - new), ("added", new - old)):
        for _, shown in sorted(lines):
            yield LineChange(kind=kind, text=shown)  # type: ignore[arg-type]


def _others(tree: Loaded | None) -> Iterator[tuple[str, str]]:
    """Yield every line that is no pin: all that tells it apart, which is not to be shown, and how it is shown."""
    if tree is None:
        return
    for loose in tree.requirements:
        if pin_of(loose) is None:
            yield f"{loose.text} {loose.marker or ''} {sorted(map(str, loose.hashes))}", loose.text
    for line in tree.unlockables:
        shown = f"-e {line.text}" if line.kind == "editable" else line.text
        yield f"{shown} {line.url} {line.marker or ''} {sorted(map(str, line.hashes))}", shown
    for option in tree.options:
        yield f"{option.name} {option.value}", redact(f"{option.name} {option.value or ''}".strip())


def compare_records(before: Record, after: Record) -> tuple[RecordChange, ...]:
    """Compare two states of the record: what has a partner of the same wheel changed, the others came or went."""
    old = [line for line in before.lines if line not in after.lines]
    new = [line for line in after.lines if line not in before.lines]
    changes = []
    for grave, key in ((True, _origin), (False, _wheel)):
        for line in tuple(new):
            partners = [other for other in old if key(other) == key(line)]
            rivals = [other for other in new if key(other) == key(line)]
            if len(partners) == len(rivals) == 1:
                old.remove(partners[0])
                new.remove(line)
                changes.append(RecordChange(kind="changed", before=partners[0], after=line, grave=grave))
    changes += [RecordChange(kind="removed", before=line, after=None) for line in old]
    changes += [RecordChange(kind="added", before=None, after=line) for line in new]
    return tuple(sorted(changes, key=lambda change: change.line))


def _origin(line: Line) -> Hashable:
    return line.wheel, line.sdist_digest, line.build_lock


def _wheel(line: Line) -> Hashable:
    return line.wheel
