"""Rules about the wheelhouse: every pin has its wheel, every wheel its pin, and the bytes are the locked ones."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from packaging.utils import NormalizedName

from lockhouse.errors import Location
from lockhouse.plan import Match, Need
from lockhouse.rules import Finding, finding
from lockhouse.target import Target
from lockhouse.wheel import WheelContent
from lockhouse.wheelhouse import Inventory, StoredWheel

_MEND = "run `make wheelhouse`"


def wheel_findings(match: Match, inventory: Inventory, target: Target, house: PurePath) -> Iterator[Finding]:
    """Report where needs and inventory do not meet, each project once: the missing and the extra wheel go together."""
    if not inventory.present:
        if match.unmet:
            count = f"{len(match.unmet)} wheel{'s' if len(match.unmet) > 1 else ''}"
            yield finding(
                "wheel-missing", Location(house), f"there is no wheelhouse yet, and {count} to put into it", hint=_MEND
            )
        return
    spare: dict[NormalizedName, list[StoredWheel]] = {}
    for stored in match.spare:
        spare.setdefault(stored.wheel.name, []).append(stored)
    strays = {stray.filename: stray for stray in inventory.strays}
    for need in match.unmet:
        mine = spare.pop(need.name, [])
        odd = next((name for name in strays if _is_named_for(need, name)), None)
        if odd and not mine:
            yield _missing(need, house, [(odd, strays.pop(odd).reason)])
        else:
            yield from _unmet(need, mine, target, house)
    for group in spare.values():
        for stored in group:
            yield finding(
                "wheel-extra", Location(house / stored.filename), "no pin of any layer asks for this wheel", hint=_MEND
            )
    for stray in strays.values():
        hint = _MEND if stray.filename.endswith(".whl") else f"remove {(house / stray.filename).as_posix()}"
        yield finding("wheel-extra", Location(house / stray.filename), stray.reason, hint=hint)


def _unmet(need: Need, there: Sequence[StoredWheel], target: Target, house: PurePath) -> Iterator[Finding]:
    if not need.hashes:
        return  # pin-unhashed, pin-weak-hash or layers-disagree said it already
    same = [stored for stored in there if need.is_for(stored.wheel)]
    usable = [stored for stored in same if target.rank(stored.wheel.tags) is not None]
    locked = [stored for stored in same if stored.is_any_of(need.hashes)]
    pin = need.pins[0]
    if locked:
        yield finding(
            "wheel-unusable",
            Location(house / locked[0].filename),
            f"{need.label} is here only as a wheel that does not fit {target.name}",
            facts=[("pin", str(pin.location))],
            hint=_MEND,
        )
    elif usable or same:
        wrong = (usable or same)[0]
        yield finding(
            "hash-mismatch",
            Location(house / wrong.filename),
            f"these are not the bytes that {pin.location} locks for {need.label}",
            facts=[("locked", _digests(need)), ("actual", str(wrong.sha256))],
            hint=f"{_MEND}, which fetches the locked ones",
        )
    else:
        others = ", ".join(stored.filename for stored in there)
        yield _missing(need, house, [("instead", others)] if others else [])


def _missing(need: Need, house: PurePath, facts: Sequence[tuple[str, str]]) -> Finding:
    message = f"{need.label} has no wheel in {house.as_posix()}"
    return finding("wheel-missing", need.pins[0].location, message, facts=facts, hint=_MEND)


def _digests(need: Need) -> str:
    hashes = sorted(map(str, need.hashes))
    return hashes[0] if len(hashes) == 1 else f"{hashes[0]} or one of {len(hashes) - 1} more"


def _is_named_for(need: Need, filename: str) -> bool:
    return filename.lower().replace("_", "-").startswith(f"{need.name}-")


def content_findings(
    contents: Mapping[StoredWheel, WheelContent], target: Target, house: PurePath
) -> Iterator[Finding]:
    """Report what a look inside the locked wheels shows: misnamed, broken, or not for the target's Python."""
    for stored, content in contents.items():
        where = Location(house / stored.filename)
        for reason in content.misnamed:
            yield finding("wheel-misnamed", where, reason, hint="lock another release; this one is mislabelled")
        for reason in content.broken:
            yield finding("wheel-broken", where, reason, hint="lock another release; this one is unsound")
        if not target.accepts_python(content.requires_python):
            yield finding(
                "wheel-unusable",
                where,
                f"requires Python {content.requires_python}, and the target has {target.python}",
                hint="lock a release that supports the target's Python",
            )
