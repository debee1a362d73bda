"""Rules about the wheelhouse: every pin has its wheel, every wheel its pin, and the bytes are the locked ones."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from lockhouse.errors import Location, SdistError, WheelError
from lockhouse.filenames import SdistName, WheelName
from lockhouse.plan import Match, Need
from lockhouse.rules import Finding, finding
from lockhouse.target import Target
from lockhouse.wheel import WheelContent
from lockhouse.wheelhouse import Inventory, StoredWheel

_MEND = "run `make wheelhouse`"


def wheel_findings(match: Match, inventory: Inventory, target: Target, house: PurePath) -> Iterator[Finding]:
    """Report where needs and inventory do not meet, each project once: the missing and the extra wheel go together."""
    # Pins without a strong hash, and layers that share none, have findings of their own.
    unmet = [need for need in match.unmet if need.hashes]
    if not inventory.present:
        if unmet:
            count = f"{len(unmet)} wheel{'s' if len(unmet) > 1 else ''}"
            yield finding(
                "wheel-missing", Location(house), f"there is no wheelhouse yet, and {count} to put into it", hint=_MEND
            )
        return
    explained = {need.name for need in match.unmet}
    for need in unmet:
        yield _unmet(need, match, inventory, target, house)
    for stored in match.spare:
        if stored.wheel.name not in explained:
            wanted = [answer.filename for need, answer in match.chosen if need.name == stored.wheel.name]
            yield finding(
                "wheel-extra",
                Location(house / stored.filename),
                f"nothing asks for this wheel on {target.name}",
                facts=[("instead of", ", ".join(wanted))] if wanted else [],
                hint=_MEND,
            )
    for stray in inventory.strays:
        if not any(_is_file_of(need, stray.filename) for need in match.unmet):
            path = house / stray.filename
            yield finding("wheel-extra", Location(path), stray.reason, hint=f"`rm -r {shlex.quote(path.as_posix())}`")


def _unmet(need: Need, match: Match, inventory: Inventory, target: Target, house: PurePath) -> Finding:
    same = [stored for stored in match.spare if need.is_for(stored.wheel)]
    locked = [stored for stored in same if stored.is_any_of(need.accepted)]
    wrong = [stored for stored in same if target.rank(stored.wheel.tags) is not None]
    if locked:
        return finding(
            "wheel-unusable",
            Location(house / locked[0].filename),
            f"{need.label} is here only as a wheel that does not fit {target.name}",
            facts=[("pin", str(need.pins[0].location))],
            hint=_MEND,
        )
    if wrong and need.buildable and not need.built:
        return finding(
            "wheel-unrecorded",
            Location(house / wrong[0].filename),
            f"no line of the record vouches for this build of {need.label}, with the build lock as it is",
            facts=[("pin", str(need.pins[0].location)), ("actual", str(wrong[0].sha256))],
            hint="run `make lock`, which builds and records it; or take back what changed in the build lock or the record",
        )
    if wrong:
        [stored, *_] = wrong
        pin = next((pin for pin in need.pins if not stored.is_any_of(pin.hashes)), need.pins[0])
        return finding(
            "hash-mismatch",
            Location(house / stored.filename),
            f"these are not the bytes that are locked for {need.label}",
            facts=[
                ("pin", str(pin.location)),
                (("recorded" if need.built else "locked"), _digests(need)),
                ("actual", str(stored.sha256)),
            ],
            hint=f"{_MEND}, which fetches the locked ones; if it was the lock that changed, take that back",
        )
    others = [stored.filename for stored in match.spare if stored.wheel.name == need.name]
    odd = [(stray.filename, stray.reason) for stray in inventory.strays if _is_file_of(need, stray.filename)]
    facts = [*([("instead", ", ".join(others))] if others else []), *odd]
    message = f"{need.label} has no wheel in {house.as_posix()}"
    unbuilt = "run `make lock`, which builds and records it" if need.buildable and not need.built else _MEND
    return finding("wheel-missing", need.pins[0].location, message, facts=facts, hint=unbuilt)


def _digests(need: Need) -> str:
    hashes = sorted(map(str, need.built or need.hashes))
    return hashes[0] if len(hashes) == 1 else f"{hashes[0]} or one of {len(hashes) - 1} more"


def _is_file_of(need: Need, filename: str) -> bool:
    """Return whether a file that is no usable wheel is named for the project: as a wheel, or as an sdist."""
    try:
        name = WheelName.parse(filename).name if filename.endswith(".whl") else SdistName.parse(filename).name
    except (WheelError, SdistError):
        return False
    return name == need.name


def content_findings(
    contents: Mapping[StoredWheel, WheelContent], target: Target, house: PurePath
) -> Iterator[Finding]:
    """Report what a look inside the locked wheels shows: misnamed, broken, or not for the target's Python."""
    for stored, content in contents.items():
        where = Location(house / stored.filename)
        name, version = stored.wheel.name, stored.wheel.version
        other = f"lock another release: write `{name}!={version}` into a source, then run `make lock`"
        for reason in content.misnamed:
            yield finding("wheel-misnamed", where, reason, hint=other)
        for reason in content.mislabelled:
            told = "nothing to mend here: installers go by the file name, and its bytes are the locked ones"
            yield finding("wheel-misnamed", where, reason, hint=told, severity="warning")
        for reason in content.broken:
            yield finding("wheel-broken", where, reason, hint=other)
        requires_python = content.metadata.requires_python if content.metadata else None
        if requires_python and not target.accepts_python(requires_python):
            yield finding(
                "wheel-unusable",
                where,
                f"requires Python {requires_python}, and the target has {target.python}",
                hint=other,
            )
