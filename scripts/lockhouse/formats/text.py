"""The text of a report, for people."""

import click

from lockhouse.check import Report
from lockhouse.report import count, finding_text


def report_text(report: Report) -> str:
    """Return all findings, what was not judged, and one closing line with the counts."""
    lines = [finding_text(found) for found in report.findings]
    lines.extend(f"note: {note}" for note in report.notes)
    judged = f"{count(report.locks, 'lock')}, {count(report.pins, 'pin')}"
    if report.match is not None:
        judged += f", {count(report.wheels, 'wheel')}"
    if report.errors:
        verdict = click.style(count(len(report.errors), "finding"), fg="red", bold=True)
    else:
        verdict = click.style("ok", fg="green", bold=True)
    warned = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    return "\n".join([*lines, "; ".join([f"{verdict}{warned}: {judged}", *report.waited])])
