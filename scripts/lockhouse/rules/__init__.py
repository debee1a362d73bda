"""What makes a lock or a wheelhouse wrong: the registry of rules, and the findings they report.

Rules are pure: they are given what is on disk as values, and answer with findings. They never stop at the first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from lockhouse.errors import Location

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of finding: its name, how grave it is, and what it says in half a sentence."""

    name: str
    severity: Severity
    says: str


_RULES = (
    Rule("lock-missing", "error", "a layer's lock does not exist"),
    Rule("lock-stale", "error", "a source asks for something that the lock does not give on the target"),
    Rule("lock-orphan", "error", "a pin is there only via a source that no longer asks for it"),
    Rule("lock-python", "warning", "the lock was compiled for another Python than the target's"),
    Rule("lock-leak", "error", "a credential, query string or local path stands in a lock"),
    Rule("pin-loose", "error", "a line of a lock is not exact"),
    Rule("pin-unhashed", "error", "a pin has no hash"),
    Rule("pin-weak-hash", "error", "a pin has only md5 or sha1 hashes"),
    Rule("pin-duplicate", "error", "two pins of one project apply to the same target"),
    Rule("pin-unlockable", "error", "a VCS, directory or editable requirement: it cannot be hashed"),
    Rule("layers-disagree", "error", "layers of one environment pin a project differently, or share no hash"),
    Rule("wheel-missing", "error", "a pin is without its wheel"),
    Rule("wheel-extra", "error", "a file that no pin of any layer or target asks for"),
    Rule("hash-mismatch", "error", "the bytes are not the locked ones"),
    Rule("wheel-unrecorded", "error", "built from source, but no line of the record vouches for it"),
    Rule("wheel-unusable", "error", "tags or Requires-Python do not fit the target"),
    Rule("wheel-misnamed", "error", "the metadata disagrees with the file name"),
    Rule("wheel-broken", "error", "not a sound zip or RECORD, or a member leaves the tree"),
    Rule("dependency-missing", "error", "a wheel requires, on this target, what no pin gives"),
    Rule("dependency-unsatisfied", "error", "a wheel requires, on this target, another version than the pinned one"),
    Rule("pin-unreachable", "warning", "nothing needs this pin"),
    Rule("env-missing", "error", "a pin is not installed"),
    Rule("env-extra", "error", "installed, but no lock of the environment asks for it"),
    Rule("env-differs", "error", "installed files are not those of the locked wheel"),
)
RULES: Mapping[str, Rule] = {rule.name: rule for rule in _RULES}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that `check` says: where, by which rule, what is wrong, and how to mend it.

    `facts` are pairs of a word and a value, shown on aligned lines.
    """

    where: Location
    rule: str
    message: str
    hint: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    severity: Severity = "error"


def finding(
    rule: str,
    where: Location,
    message: str,
    *,
    hint: str = "",
    facts: Iterable[tuple[str, str]] = (),
    severity: Severity | None = None,
) -> Finding:
    """Return a finding of a registered rule, as grave as the rule unless said otherwise; raises KeyError for others."""
    return Finding(where, rule, message, hint, tuple(facts), severity or RULES[rule].severity)
