"""What moved in the locks, as Markdown for a pull request.

Whatever comes out of a file stands in a code span, where a host sees no link, no HTML and no mention; what could end the span, or
the cell of a table, is written out.
"""

from collections.abc import Iterable, Iterator, Sequence

from lockhouse.comparison import LockChange
from lockhouse.diff import Difference
from lockhouse.formats.moved import GRAVE, HINT, MILD, graves, heading, milds, pin_row, record_row, visible
from lockhouse.formats.moved import summary as closing

_ENDS = str.maketrans({"`": r"\x60", "|": r"\x7c", "\\": r"\x5c"})


def code(text: str) -> str:
    r"""Return a text as a code span that is whole in the cell of a table, too.

    >>> code("a|b`<i>")
    '`a\\x7cb\\x60<i>`'
    """
    return f"`{visible(text.translate(_ENDS))}`"


def moved_markdown(found: Difference) -> str:
    """Return all that moved as headings and tables."""
    between = f"{code(found.before)} -> {code(found.after)}"
    if not found.moved:
        return f"### Locks: nothing moved\n\n{between}"
    sections = [f"### Locks: {between}"]
    if grave := list(graves(found)):
        sections += [f"**warning: {GRAVE}**", _digests(grave), f"Hint: {HINT}."]
    sections += [section for lock in found.locks for section in _lock(lock)]
    if found.record:
        sections += ["#### The record", _rows("wheel", map(record_row, found.record))]
    if mild := list(milds(found)):
        sections += [f"Note: {MILD}.", _digests(mild)]
    words = closing(found).removeprefix(f"{visible(found.before)} -> {visible(found.after)}: ")
    return "\n\n".join([*sections, f"{words[:1].upper()}{words[1:]}."])


def _lock(lock: LockChange) -> Iterator[str]:
    if lock.status or lock.pins or lock.lines:
        told, place = heading(lock), lock.lock.as_posix()
        at = f" ({code(place)})" if place != lock.layer else ""
        yield f"#### {code(lock.layer)}{at}{': ' if told else ''}{told}"
    if lock.pins:
        yield _rows("pin", map(pin_row, lock.pins))
    if lock.lines:
        yield _table(("", "line"), ((change.kind, code(change.text)) for change in lock.lines))


def _rows(what: str, rows: Iterable[tuple[str, str, str, str, str]]) -> str:
    return _table(
        ("", what, "before", "after", "besides"),
        (
            (kind, code(name), code(before), code(after), code(details) if details else "")
            for kind, name, before, after, details in rows
        ),
    )


def _digests(rows: Iterable[tuple[str, str, Sequence[str], Sequence[str]]]) -> str:
    return _table(
        ("file", "pin", "gone", "new"),
        (
            (code(place), code(what), "<br>".join(map(code, gone)), "<br>".join(map(code, new)))
            for place, what, gone, new in rows
        ),
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
