"""The text of what `explain` shows, for people: Markdown without its signs, styled where the terminal can."""

import click

from lockhouse.explain import Page
from lockhouse.report import COLOURS
from lockhouse.rules import RULES


def page_text(page: Page) -> str:
    """Return a page: headings bold, examples indented."""
    lines, fenced = [], False
    for line in page.markdown.rstrip().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(click.style(f"    {line}".rstrip(), fg="cyan"))
        elif line.startswith("# "):
            grave = page.rule.severity
            lines.append(f"{click.style(line[2:], bold=True)} ({click.style(grave, fg=COLOURS[grave])})")
        else:
            lines.append(click.style(line[3:], bold=True) if line.startswith("## ") else line)
    return "\n".join(lines)


def rules_text() -> str:
    """Return a table of all rules, in their order: name, how grave it is, and what it says."""
    width = max(map(len, RULES))
    grave = max(len(rule.severity) for rule in RULES.values())
    return "\n".join(
        f"{click.style(f'{rule.name:<{width}}', bold=True)}  "
        f"{click.style(f'{rule.severity:<{grave}}', fg=COLOURS[rule.severity])}  {rule.says}"
        for rule in RULES.values()
    )
