"""What the locks need on a target against what the wheelhouse holds, and which offered file answers a need.

Pure: takes values, returns values.
"""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.utils import BuildTag, NormalizedName
from packaging.version import Version

from lockhouse.builds import Builds
from lockhouse.digest import Digest
from lockhouse.errors import SdistError, WheelError
from lockhouse.filenames import SdistName, WheelName
from lockhouse.requirements import Pin
from lockhouse.source import Candidate, Listing
from lockhouse.target import Target
from lockhouse.wheelhouse import Inventory, StoredWheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One wheel that an environment must have: the pins that ask for it, and the strong hashes they all allow.

    Hashes of one pin in two layers of an environment are intersected, as pip does. `version` is None for a URL whose
    file name does not tell one. `built` are the digests of wheels that the record says the pin's sdist builds to;
    `from_source` means that no other
    wheel will do, `buildable` that there is a build lock.
    """

    name: NormalizedName
    version: Version | None
    hashes: frozenset[Digest]
    url: str | None
    pins: tuple[Pin, ...]
    built: frozenset[Digest] = frozenset()
    from_source: bool = False
    buildable: bool = False

    @property
    def accepted(self) -> frozenset[Digest]:
        """The digests of the wheels that answer the need."""
        return self.built if self.from_source else self.hashes | self.built

    @property
    def key(self) -> object:
        """What tells two needs apart, whichever pins ask for them."""
        return (self.name, self.version, self.url, self.hashes)

    @property
    def label(self) -> str:
        """The need as people write it: `six==1.16.0`."""
        return f"{self.name}=={self.version}" if self.url is None else f"{self.name} @ URL"

    def is_for(self, wheel: WheelName) -> bool:
        """Return whether a file of this name is the project and version that is needed."""
        return wheel.name == self.name and self.version in {None, wheel.version}

    def is_for_sdist(self, filename: str) -> bool:
        """Return whether a file name is that of a source distribution of the project and version that is needed."""
        try:
            name = SdistName.parse(filename, self.name)
        except SdistError:
            return False
        return name.name == self.name and self.version in {None, name.version}


def needs(
    environments: Iterable[Iterable[Pin]],
    target: Target,
    *,
    builds: Builds | None = None,
    no_binary: Set[NormalizedName] = frozenset(),
) -> tuple[Need, ...]:
    """Return what the environments' pins need on the target, sorted by name; pins whose marker is false need nothing.

    A wheel that two environments ask for with the same hashes is one need. Projects in `no_binary` are built from source.
    """
    found: dict[tuple[object, ...], Need] = {}
    for pins in environments:
        asked: dict[tuple[NormalizedName, Version | None, str | None], list[Pin]] = {}
        for pin in pins:
            if target.applies(pin.marker):
                asked.setdefault((pin.name, pin.version, pin.url), []).append(pin)
        for (name, version, url), same in asked.items():
            hashes = frozenset.intersection(*(frozenset(d for d in pin.hashes if d.strong) for pin in same))
            key = (name, version, url, hashes)
            before = found[key].pins if key in found else ()
            merged = tuple(dict.fromkeys((*before, *same)))
            vouched = builds.vouched(name, hashes) if builds else ()
            built = frozenset(
                line.digest for line in vouched if target.rank(WheelName.parse(line.wheel).tags) is not None
            )
            found[key] = Need(
                name=name,
                version=version,
                hashes=hashes,
                url=url,
                pins=merged,
                built=built,
                from_source=name in no_binary,
                buildable=builds is not None and name in builds.locks,
            )
    return tuple(sorted(found.values(), key=lambda need: (need.name, str(need.version), sorted(need.hashes))))


def need_of(stored: StoredWheel) -> Need:
    """Return the need that exactly this wheel answers, and that no pin asks for."""
    hashes = frozenset({stored.sha256})
    return Need(name=stored.wheel.name, version=stored.wheel.version, hashes=hashes, url=None, pins=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which stored wheel answers which need, which needs have none, and which wheels nobody asks for."""

    chosen: tuple[tuple[Need, StoredWheel], ...]
    unmet: tuple[Need, ...]
    spare: tuple[StoredWheel, ...]


def match(required: Sequence[Need], allowed: Sequence[Need], inventory: Inventory, target: Target) -> Match:
    """Compare needs and inventory, both ways.

    `required` must be met; what only `allowed` asks for may be there as well. Where several wheels answer one need,
    the one that an installer would prefer is the answer and the others are spare.
    """
    by_name: dict[NormalizedName, list[StoredWheel]] = {}
    for stored in inventory.wheels:
        by_name.setdefault(stored.wheel.name, []).append(stored)
    answers = {need: best(need, by_name.get(need.name, []), target) for need in {*required, *allowed}}
    used = {answer.filename for answer in answers.values() if answer}
    return Match(
        chosen=tuple((need, answer) for need in required if (answer := answers[need])),
        unmet=tuple(need for need in required if not answers[need]),
        spare=tuple(stored for stored in inventory.wheels if stored.filename not in used),
    )


def best(need: Need, wheels: Iterable[StoredWheel], target: Target) -> StoredWheel | None:
    """Return the wheel that answers the need on the target with bytes that are locked, or None."""
    fitting = [
        stored
        for stored in wheels
        if need.is_for(stored.wheel) and stored.is_any_of(need.accepted) and target.rank(stored.wheel.tags) is not None
    ]
    return max(fitting, key=lambda stored: _preference(stored.wheel, target), default=None)


def first_choice(need: Need, names: Iterable[WheelName], target: Target) -> WheelName | None:
    """Return the name that an installer would choose for the need on the target, whatever the bytes are."""
    fitting = [name for name in names if need.is_for(name) and target.rank(name.tags) is not None]
    return max(fitting, key=lambda name: _preference(name, target), default=None)


def offers(need: Need, candidates: Iterable[Candidate], target: Target) -> list[tuple[WheelName, Candidate]]:
    """Return the offered wheels that can answer the need, in the order in which to try them.

    A candidate whose stated hash is not locked is no answer; one without a stated hash comes after all that state a
    locked one, and its bytes decide.
    """
    found = []
    for candidate in () if need.from_source else candidates:
        wheel = wheel_of(candidate)
        if wheel is None or not need.is_for(wheel) or not _admits(candidate, target):
            continue
        stated = {digest for digest in candidate.digests if digest.strong}
        comparable = {digest.algorithm for digest in stated} & {digest.algorithm for digest in need.hashes}
        if target.rank(wheel.tags) is None or (comparable and stated.isdisjoint(need.hashes)):
            continue
        found.append((bool(comparable), _preference(wheel, target), wheel, candidate))
    found.sort(key=lambda item: item[:2], reverse=True)
    return [(wheel, candidate) for _, _, wheel, candidate in found]


def wheel_of(candidate: Candidate) -> WheelName | None:
    """Return the candidate's file name read as a wheel's, or None where it is something else."""
    try:
        return WheelName.parse(candidate.filename)
    except WheelError:
        return None


def why_none(need: Need, listing: Listing, target: Target) -> str:
    """Return, in words, why none of the offered files answers the need."""
    candidates = listing.candidates
    if not candidates and not listing.others:
        return "no index has this project"
    wheels = [(wheel, each) for each in candidates if (wheel := wheel_of(each)) and need.is_for(wheel)]
    fitting = [(wheel, each) for wheel, each in wheels if target.rank(wheel.tags) is not None]
    admitted = [wheel.filename for wheel, each in fitting if _admits(each, target)]
    if admitted:
        return f"the lock has no hash of the wheels that fit {target.name} ({', '.join(admitted)})"
    if fitting:
        asked = ", ".join(sorted({str(each.requires_python) for _, each in fitting}))
        return f"the wheels that fit {target.name} require Python {asked}, and the target has {target.python}"
    if wheels:
        return f"no wheel for {target.name} (there are {len(wheels)} for other targets)"
    if sdists(need, candidates):
        return f"no wheel for {target.name}, only a source distribution, and no build lock says how to build it"
    return "the URL names no wheel of this project" if need.url is not None else f"no index has version {need.version}"


def has_only_an_sdist(need: Need, candidates: Sequence[Candidate], target: Target) -> bool:
    """Return whether there is a locked sdist of a need and no wheel, locked or not, that would fit the target."""
    wheels = [(wheel, each) for each in candidates if (wheel := wheel_of(each)) and need.is_for(wheel)]
    fits = any(target.rank(wheel.tags) is not None and _admits(each, target) for wheel, each in wheels)
    return bool(sdists(need, candidates)) and (need.from_source or not fits)


def sdists(need: Need, candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the offered sdists that the need's hashes may allow: those that state a locked one first."""
    found = []
    for candidate in candidates:
        stated = {digest for digest in candidate.digests if digest.strong}
        comparable = {digest.algorithm for digest in stated} & {digest.algorithm for digest in need.hashes}
        allowed = not comparable or not stated.isdisjoint(need.hashes)
        if need.is_for_sdist(candidate.filename) and allowed:
            found.append((not comparable, candidate.filename, candidate))
    return [candidate for _, _, candidate in sorted(found, key=lambda item: item[:2])]


def _preference(wheel: WheelName, target: Target) -> tuple[int, BuildTag, str]:
    # As pip, the greatest first: better tags, then the higher build tag; the file name only settles what is left.
    rank = target.rank(wheel.tags)
    return (-len(target.tags) if rank is None else -rank, wheel.build, wheel.filename)


def _admits(candidate: Candidate, target: Target) -> bool:
    if not candidate.requires_python:
        return True
    try:
        return target.accepts_python(SpecifierSet(candidate.requires_python))
    except ValueError:  # InvalidSpecifier, or a version of more digits than Python converts
        return True
