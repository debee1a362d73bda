"""A report as a JSON document, for programs: docs/check.schema.json says what is in it, and `version` that it is this.

The order of everything is stable, and so is what is not there: null, never left out.
"""

import json
from typing import Any

from lockhouse.check import Report
from lockhouse.formats.view import View
from lockhouse.report import plain, safe
from lockhouse.rules import Finding
from lockhouse.rules.accepted import Accepted

VERSION = 1


def report_json(report: Report, view: View) -> str:
    """Return the document; paths in it are relative to the project."""
    document = {
        "version": VERSION,
        "ok": view.ok,
        "target": {"name": view.target.name, "python": str(view.target.python)},
        "counts": {
            "errors": len(report.errors),
            "warnings": len(report.warnings),
            "accepted": len(report.accepted),
            "locks": report.locks,
            "pins": report.pins,
            "wheels": report.wheels if report.match is not None else None,
        },
        "findings": [_finding(found) for found in report.findings],
        "accepted": [_accepted(each) for each in report.accepted],
        "notes": [safe(note) for note in report.notes],
        "waited": [safe(sentence) for sentence in report.waited],
        "ignored": list(report.ignored),
    }
    return json.dumps(document, indent=2)


def _finding(found: Finding) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": found.severity,
        "path": plain(found.where.path.as_posix()),
        "line": found.where.line or None,
        "message": safe(found.message),
        "hint": safe(found.hint) or None,
        "facts": [{"name": safe(word), "value": safe(value)} for word, value in found.facts],
        "pin": found.pin,
        "requires": found.requires,
    }


def _accepted(accepted: Accepted) -> dict[str, Any]:
    why = accepted.acceptance
    return _finding(accepted.finding) | {"reason": safe(why.reason), "until": why.until.isoformat()}
