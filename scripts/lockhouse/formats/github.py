"""A report as workflow commands of GitHub Actions, which shows them beside the lines they are about.

Whatever is in a finding, it stays inside its one command: GitHub's own escaping, on text that is plain already.
"""

from lockhouse.check import Report
from lockhouse.formats.view import View, whole_message
from lockhouse.report import plain, safe
from lockhouse.rules import Finding


def report_commands(report: Report, view: View) -> str:
    """Return one command a finding, and a notice for each that is accepted; paths are relative to the repository."""
    lines = [_command(found.severity, found, found.rule, whole_message(found), view) for found in report.findings]
    for each in report.accepted:
        found, why = each.finding, each.acceptance
        message = f"{safe(found.message)}\nreason: {safe(why.reason)}"
        lines.append(_command("notice", found, f"{found.rule} (accepted until {why.until})", message, view))
    return "\n".join(lines)


def _command(kind: str, found: Finding, title: str, message: str, view: View) -> str:
    properties = {
        "file": plain(view.in_repository(found.where.path).as_posix()),
        **({"line": str(found.where.line)} if found.where.line else {}),
        "title": title,
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
