"""What moved in the locks, as JSON for programs; `docs/diff.md` describes it.

A field that is added leaves the version as it is; one that goes, or means something else, counts it up.
"""

import json
from typing import Any

from lockhouse.comparison import HashChange, LockChange, PinChange, RecordChange
from lockhouse.diff import Difference
from lockhouse.record import Line
from lockhouse.redact import redact
from lockhouse.requirements import Pin

VERSION = 1


def moved_json(found: Difference) -> str:
    """Return all that moved as one JSON object."""
    document = {
        "version": VERSION,
        "before": found.before,
        "after": found.after,
        "moved": found.moved,
        "warning": any(change.grave for lock in found.locks for change in lock.hashes)
        or any(change.grave for change in found.record),
        "locks": [_lock(lock) for lock in found.locks],
        "record": [_build(change) for change in found.record],
    }
    return json.dumps(document, indent=2)


def _lock(lock: LockChange) -> dict[str, Any]:
    return {
        "layer": lock.layer,
        "path": lock.lock.as_posix(),
        "status": lock.status or "kept",
        "pins": [_change(change) for change in lock.pins],
        "hashes": [_hashes(change) for change in lock.hashes],
        "lines": [{"kind": change.kind, "text": change.text} for change in lock.lines],
    }


def _change(change: PinChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "before": _pin(change.before),
        "after": _pin(change.after),
        "changed": [detail.what for detail in change.details],
    }


def _pin(pin: Pin | None) -> dict[str, Any] | None:
    if pin is None:
        return None
    return {
        "version": str(pin.version) if pin.version else None,
        "extras": sorted(pin.extras),
        "marker": str(pin.marker) if pin.marker else None,
        "url": redact(pin.url) if pin.url else None,
        "hashes": sorted(map(str, pin.hashes)),
    }


def _hashes(change: HashChange) -> dict[str, Any]:
    return {
        "name": change.name,
        "version": str(change.version) if change.version else None,
        "severity": "warning" if change.grave else "note",
        "added": list(map(str, change.added)),
        "removed": list(map(str, change.removed)),
    }


def _build(change: RecordChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "severity": "warning" if change.grave else "note",
        "before": _line(change.before),
        "after": _line(change.after),
    }


def _line(line: Line | None) -> dict[str, str] | None:
    if line is None:
        return None
    return {
        "wheel": line.wheel,
        "hash": str(line.digest),
        "sdist": line.sdist,
        "sdist-hash": str(line.sdist_digest),
        "build-lock": str(line.build_lock),
    }
