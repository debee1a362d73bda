"""The text of a report, for people."""

from itertools import groupby

import click

from lockhouse.check import Report
from lockhouse.report import aligned, count, finding_text, plain, safe
from lockhouse.rules.accepted import Accepted


def report_text(report: Report) -> str:
    """Return all findings, blank lines between several files; then what was accepted, what was not judged, the counts."""
    files = groupby(report.findings, key=lambda found: found.where.path)
    blocks = ["\n".join(map(finding_text, found)) for _, found in files]
    return ("\n\n" if len(blocks) > 1 else "\n").join([*blocks, ending_text(report)])


def ending_text(report: Report) -> str:
    """Return what stands below the findings: what was accepted and why, what was not judged, and the closing line."""
    lines = [*map(_accepted_text, report.accepted), *(f"note: {safe(note)}" for note in report.notes)]
    return "\n".join([*lines, _closing_line(report)])


def _closing_line(report: Report) -> str:
    """Return the counts on one line, and what they leave out."""
    if report.errors:
        verdict = click.style(count(len(report.errors), "finding"), fg="red", bold=True)
    else:
        verdict = click.style("ok", fg="green", bold=True)
    warned = f", {count(len(report.warnings), 'warning')}" if report.warnings else ""
    accepted = f", {len(report.accepted)} accepted" if report.accepted else ""
    judged = f"{count(report.locks, 'lock')}, {count(report.pins, 'pin')}"
    if report.match is not None:
        judged += f", {count(report.wheels, 'wheel')}"
    left_out = [*report.waited, *([f"{count(len(report.ignored), 'rule')} ignored"] if report.ignored else [])]
    return "; ".join([f"{verdict}{warned}{accepted}: {judged}", *map(safe, left_out)])


def _accepted_text(accepted: Accepted) -> str:
    # Not in the form of a finding: who searches for those finds what counts.
    found, why = accepted.finding, accepted.acceptance
    rule = click.style(found.rule, fg="yellow")
    head = f"accepted until {why.until}: {rule} at {plain(str(found.where))}: {safe(found.message)}"
    facts = [("reason", why.reason), ("said in", str(why.where))]
    return "\n".join([head, *(f"  {line}" for line in aligned(facts))])
