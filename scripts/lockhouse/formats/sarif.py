"""A report as SARIF 2.1.0, which code hosts and editors read."""

import json
import os
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from lockhouse import __version__, explain
from lockhouse.check import Report
from lockhouse.formats.view import View, whole_message
from lockhouse.report import safe
from lockhouse.rules import RULES, Finding, Rule
from lockhouse.rules.accepted import Accepted

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PLACES = {name: place for place, name in enumerate(RULES)}


def report_sarif(report: Report, view: View) -> str:
    """Return the log of one run: every rule with its page, and a result a finding, accepted ones as suppressed."""
    run = {
        "tool": {
            "driver": {"name": "Lockhouse", "version": __version__, "rules": [_rule(rule) for rule in RULES.values()]}
        },
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The top of the repository."}}},
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [
                    {"level": "note", "message": _message(safe(said))} for said in (*report.notes, *report.waited)
                ],
            }
        ],
        "results": [
            *(_result(found, view) for found in report.findings),
            *(_result(each.finding, view) | {"suppressions": [_suppression(each)]} for each in report.accepted),
        ],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule) -> dict[str, Any]:
    page = explain.page(rule.name)
    return {
        "id": rule.name,
        "shortDescription": {"text": f"{rule.says[0].upper()}{rule.says[1:]}."},
        "fullDescription": {"text": " ".join(page.section("What it means").split())},
        "help": {"text": page.markdown, "markdown": page.markdown},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(found: Finding, view: View) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(view.in_repository(found.where.path))}
    if found.where.line:
        place["region"] = {"startLine": found.where.line}
    return {
        "ruleId": found.rule,
        "ruleIndex": _PLACES[found.rule],
        "level": found.severity,
        "message": _message(whole_message(found)),
        "locations": [{"physicalLocation": place}],
    }


def _artifact(path: PurePath) -> dict[str, str]:
    """Return where a file is: a name's bytes as they are on disk, percent-encoded (RFC 3986)."""
    if path.is_absolute():
        return {"uri": f"file://{quote(os.fsencode(path.as_posix()))}"}
    return {"uri": quote(os.fsencode(path.as_posix())), "uriBaseId": "SRCROOT"}


def _message(text: str) -> dict[str, str]:
    # SARIF makes links of "[text](target)" in plain text, too: none of them is ours.
    return {"text": text.replace("](", "] (")}


def _suppression(accepted: Accepted) -> dict[str, Any]:
    why = accepted.acceptance
    return {
        "kind": "external",
        "status": "accepted",
        "justification": safe(why.reason),
        "properties": {"until": why.until.isoformat()},
    }
