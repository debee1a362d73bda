"""`[[tool.lockhouse.accept]]`: findings that a project puts up with, each with a reason and a date.

Refuses what names no finding exactly, what has no reason or no end, and rules about what must not be put up with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePath

from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from lockhouse.errors import ConfigError, Location, nearest
from lockhouse.rules import RULES

_KEYS = ("rule", "pin", "requires", "reason", "until")
_BYTES = "a finding about bytes cannot be accepted: what was not proven to be what is locked must not be installed"
_LOCKED = "it cannot be accepted: what is not locked by hash cannot be fetched or installed"
_ONE = "it cannot be accepted: of two pins of one project, `install` could only leave one out"
_ENVIRONMENT = "it cannot be accepted: `install` makes the environment what the locks say, whatever is accepted"
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("hash-mismatch", "wheel-unrecorded", "wheel-broken", "wheel-extra", "wheel-missing"), _BYTES),
    **dict.fromkeys(("pin-unhashed", "pin-weak-hash", "env-differs"), _BYTES),
    **dict.fromkeys(("lock-missing", "pin-loose", "pin-unlockable"), _LOCKED),
    **dict.fromkeys(("pin-duplicate", "layers-disagree"), _ONE),
    **dict.fromkeys(("env-missing", "env-extra"), _ENVIRONMENT),
    "accept-stale": "it cannot be accepted: the end of an acceptance is that somebody looks again",
}
# The rules that also speak of a lock as a whole; all others always know which pin they mean.
_WITHOUT_PIN = {"lock-python", "lock-leak"}
_OF_DEPENDENCIES = {"dependency-missing", "dependency-unsatisfied"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One entry: findings of `rule` about `pin` (at `version`, where it has one) and what it `requires` are accepted.

    `until` is the last day on which it counts; `where` is the entry's own place.
    """

    rule: str
    pin: NormalizedName | None
    version: Version | None
    requires: NormalizedName | None
    reason: str
    until: date
    where: Location

    @property
    def label(self) -> str:
        """What is accepted, as people say it: `lock-orphan of six==1.17.0`."""
        pin = f" of {self.pin}" if self.pin else ""
        version = f"=={self.version}" if self.version else ""
        return f"{self.rule}{pin}{version}{f' requiring {self.requires}' if self.requires else ''}"


def parse(entries: object, text: str, path: PurePath) -> tuple[Acceptance, ...]:
    """Return the entries of `accept`, a value as TOML gives it; `text` is the file it comes from, for the lines.

    Raises ConfigError, with the entry's line and the nearest right word.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        reason = "[tool.lockhouse]: 'accept' should be an array of tables"
        raise ConfigError(reason, where=Location(path), hint="write `[[tool.lockhouse.accept]]` above each")
    lines = _lines(text, len(entries))
    return tuple(_Entry(entry, Location(path, line)).read() for entry, line in zip(entries, lines, strict=True))


def _lines(text: str, count: int) -> Sequence[int]:
    """Return the line of each entry, or 0 where they are written in another way than under headings of their own."""
    found = [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if line.partition("#")[0].replace(" ", "").replace("\t", "") == "[[tool.lockhouse.accept]]"
    ]
    return found if len(found) == count else [0] * count


@dataclass(frozen=True, slots=True)
class _Entry:
    table: Mapping[str, object]
    where: Location

    def read(self) -> Acceptance:
        for key in self.table:
            if key not in _KEYS:
                raise self.error(f"unknown key {key!r}", hint=nearest(key, _KEYS, "the keys are"))
        rule = self.text("rule")
        if rule not in RULES:
            raise self.error(f"there is no rule {rule!r}", hint=nearest(rule, RULES, "the rules are"))
        if rule in _REFUSED:
            raise self.error(f"'{rule}': {_REFUSED[rule]}", hint=f"`lockhouse explain {rule}` tells how to mend it")
        pin, version = self.pin(rule)
        return Acceptance(
            rule=rule,
            pin=pin,
            version=version,
            requires=self.requires(rule),
            reason=self.text("reason"),
            until=self.until(),
            where=self.where,
        )

    def pin(self, rule: str) -> tuple[NormalizedName | None, Version | None]:
        if "pin" not in self.table and rule in _WITHOUT_PIN:
            return None, None
        text = self.text("pin", hint=f"name the project that the finding of {rule!r} is about")
        name, equal, version = text.partition("==")
        try:
            return self.name("pin", name), Version(version) if equal else None
        except InvalidVersion as error:
            raise self.wrong("pin", text, "NAME or NAME==VERSION") from error

    def requires(self, rule: str) -> NormalizedName | None:
        if rule in _OF_DEPENDENCIES:
            return self.name("requires", self.text("requires", hint="name the project that the pin's wheel requires"))
        if "requires" in self.table:
            rules = " and ".join(map(repr, sorted(_OF_DEPENDENCIES)))
            raise self.error(f"'requires' goes with {rules} only, and the rule is {rule!r}")
        return None

    def until(self) -> date:
        value = self.table.get("until")
        if value is None:
            raise self.error("there is no 'until'", hint="write the last day on which it counts: `until = 2027-03-31`")
        if not isinstance(value, date) or isinstance(value, datetime):
            raise self.wrong("until", value, "a date", hint="write it without quotes: `until = 2027-03-31`")
        return value

    def name(self, key: str, text: str) -> NormalizedName:
        try:
            return canonicalize_name(text.strip(), validate=True)
        except InvalidName as error:
            raise self.wrong(key, text, "the name of a project") from error

    def text(self, key: str, *, hint: str | None = None) -> str:
        if key not in self.table:
            raise self.error(f"there is no {key!r}", hint=hint)
        value = self.table[key]
        if not isinstance(value, str):
            raise self.wrong(key, value, "a string")
        if not value.strip():
            raise self.error(f"{key!r} is empty", hint=hint)
        return value.strip()

    def wrong(self, key: str, value: object, expected: str, *, hint: str | None = None) -> ConfigError:
        return self.error(f"{key!r} should be {expected}, not {value!r}", hint=hint)

    def error(self, reason: str, *, hint: str | None = None) -> ConfigError:
        return ConfigError(f"[[tool.lockhouse.accept]]: {reason}", where=self.where, hint=hint)
