"""Which findings a project has accepted, and which acceptances have no reason to stand any more."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import date

from packaging.utils import NormalizedName
from packaging.version import Version

from lockhouse.accept import Acceptance
from lockhouse.requirements import Pin
from lockhouse.rules import Finding, finding

_OF_LOCKS = {"lock-python", "lock-leak"}
_OF_SOURCES = {"lock-stale", "lock-orphan"}
_OF_WHEELS = {"wheel-unusable", "wheel-misnamed"}
_OF_DEPENDENCIES = {"dependency-missing", "dependency-unsatisfied"}
_OF_FRESH_LOCKS = {"pin-unreachable"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that does not count, and the acceptance that says why."""

    finding: Finding
    acceptance: Acceptance


def sort_out(
    findings: Sequence[Finding],
    acceptances: Sequence[Acceptance],
    *,
    pins: Iterable[Pin],
    judged: Set[str],
    today: date,
    target: str,
) -> tuple[list[Finding], list[Accepted]]:
    """Return the findings that count, those about acceptances among them, and the accepted ones.

    `pins` are all of the project, to tell at which version a finding's pin is. Only where a rule is among those that
    were `judged` completely is it said that no finding on the `target` needs an acceptance of it.
    """
    version_of = _versions(pins)
    valid = [each for each in acceptances if each.until >= today]
    counting: list[Finding] = []
    accepted: list[Accepted] = []
    for found in findings:
        by = next((each for each in valid if _covers(each, found, version_of)), None)
        if by:
            accepted.append(Accepted(found, by))
        else:
            counting.append(found)
    needed = [each.acceptance for each in accepted]
    for acceptance in acceptances:
        if acceptance not in valid:
            counting.append(_ended(acceptance))
        elif acceptance not in needed and acceptance.rule in judged:
            counting.append(_idle(acceptance, target))
    return counting, accepted


def judged(*, sources: bool, wheels: bool, dependencies: bool, fresh: bool) -> frozenset[str]:
    """Return the rules that were judged completely, among those that can be accepted, where no layer was left out.

    `sources` says that every lock was compared with its sources, `wheels` that a wheel of each pin was looked into, and
    `dependencies` that no rule about them waited, `fresh` that the locks answer their sources. Nothing is said about
    acceptances of what an environment holds.
    """
    parts = (
        (True, _OF_LOCKS),
        (sources, _OF_SOURCES),
        (wheels, _OF_WHEELS),
        (dependencies, _OF_DEPENDENCIES),
        (dependencies and fresh, _OF_FRESH_LOCKS),
    )
    return frozenset(rule for is_judged, rules in parts if is_judged for rule in rules)


def _versions(pins: Iterable[Pin]) -> Callable[[Finding], Set[Version | None]]:
    """Return a function that tells at which versions the pin of a finding is: at its own line, or in any lock."""
    here: dict[tuple[object, NormalizedName], Set[Version | None]] = {}
    anywhere: dict[NormalizedName, set[Version | None]] = {}
    for pin in pins:
        here[pin.location, pin.name] = {pin.version}
        anywhere.setdefault(pin.name, set()).add(pin.version)

    def version_of(found: Finding) -> Set[Version | None]:
        if found.pin is None:
            return set()
        return here.get((found.where, found.pin)) or anywhere.get(found.pin, set())

    return version_of


def _covers(acceptance: Acceptance, found: Finding, version_of: Callable[[Finding], Set[Version | None]]) -> bool:
    same = (acceptance.rule, acceptance.pin, acceptance.requires) == (found.rule, found.pin, found.requires)
    # Of these, only what is a warning by itself: a credential is never covered by what is said about an index.
    if not same or (found.rule in {"wheel-misnamed", "lock-leak"} and found.severity == "error"):
        return False
    return acceptance.version is None or version_of(found) == {acceptance.version}


def _ended(acceptance: Acceptance) -> Finding:
    return finding(
        "accept-stale",
        acceptance.where,
        f"this acceptance ended on {acceptance.until}: {acceptance.label}",
        facts=[("reason", acceptance.reason)],
        hint="mend what it accepted and remove it; or see whether the reason still holds, and write a new date",
    )


def _idle(acceptance: Acceptance, target: str) -> Finding:
    return finding(
        "accept-stale",
        acceptance.where,
        f"no finding on {target} needs this acceptance: {acceptance.label}",
        facts=[("reason", acceptance.reason)],
        hint="remove it, unless another target needs it",
        severity="warning",
    )
