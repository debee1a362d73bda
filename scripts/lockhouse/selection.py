"""Which rules are read: what `--select` and `--ignore` leave of a report."""

from collections.abc import Set
from dataclasses import replace

from lockhouse.check import Report
from lockhouse.rules import RULES, Finding


def narrowed(report: Report, *, select: Set[str], ignore: Set[str]) -> Report:
    """Return the report with findings of the selected rules only (none means all), less those of the ignored ones."""
    kept = (select or RULES.keys()) - ignore

    def is_read(found: Finding) -> bool:
        return found.rule in kept

    return replace(
        report,
        findings=tuple(filter(is_read, report.findings)),
        accepted=tuple(each for each in report.accepted if is_read(each.finding)),
        ignored=tuple(name for name in RULES if name not in kept),
    )
