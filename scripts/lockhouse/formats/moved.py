"""What moved in the locks, as text for people: what is alarming first, then aligned columns for each lock."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click

from lockhouse.comparison import Detail, HashChange, LineChange, LockChange, PinChange, RecordChange
from lockhouse.diff import Difference
from lockhouse.record import Line
from lockhouse.report import count
from lockhouse.requirements import Pin

GRAVE = "other hashes at the same version: this is what a replaced file looks like"
MILD = "files came to a locked version, or went from it"
HINT = "compare with what the project itself published, before you install; an index should never change a file"
_COLOURS = {"added": "green", "removed": "red", "upgraded": "cyan", "downgraded": "yellow", "changed": "yellow"}


def visible(text: str) -> str:
    r"""Return the text with every character written out that is not seen, or turns the direction of others.

    >>> visible("a\x1b[1m\u202eb")
    'a\\x1b[1m\\u202eb'
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def moved_text(found: Difference) -> str:
    """Return all that moved, and one closing line."""
    if not found.moved:
        return f"nothing moved between {visible(found.before)} and {visible(found.after)}"
    sections = [*_alarms(found), *map(_lock, found.locks)]
    if found.record:
        sections.append("\n".join([_title("the record", ""), *_columns(map(record_row, found.record))]))
    return "\n\n".join([*sections, summary(found)])


def summary(found: Difference) -> str:
    """Return the closing line: between what, and how much of each kind."""
    kinds: Counter[str] = Counter(change.kind for lock in found.locks for change in lock.pins)
    kinds_said = [f"{kinds[kind]} {kind}" for kind in _COLOURS if kinds[kind]]
    said = [", ".join(kinds_said)] if kinds_said else []
    hashes = sum(len(lock.hashes) for lock in found.locks)
    said += [f"hashes of {count(hashes, 'pin')} changed"] if hashes else []
    lines = sum(len(lock.lines) for lock in found.locks)
    said += [f"{count(lines, 'other line')}"] if lines else []
    said += [f"{count(len(found.record), 'build')} in the record"] if found.record else []
    said += [f"{count(len(found.locks), 'lock')} touched"] if found.locks else []
    return f"{visible(found.before)} -> {visible(found.after)}: {'; '.join(said)}"


def heading(lock: LockChange) -> str:
    """Return what became of a lock as a whole, and how many of its pins moved; nothing where only hashes changed."""
    status = f"lock {lock.status}" if lock.status else ""
    return ", ".join(filter(None, [status, f"{count(len(lock.pins), 'pin')} moved" if lock.pins else ""]))


def pin_row(change: PinChange) -> tuple[str, str, str, str, str]:
    """Return kind, name, the state before and after, and what else changed."""
    before, after = (_version(pin) if pin else none for pin, none in ((change.before, "-"), (change.after, "gone")))
    details = "; ".join(map(_detail, change.details))
    return change.kind, change.name, before, after, details


def line_row(change: LineChange) -> tuple[str, str]:
    """Return kind and text of a line that is no pin."""
    return change.kind, change.text


def record_row(change: RecordChange) -> tuple[str, str, str, str, str]:
    """Return kind, wheel, its bytes before and after, and what else changed."""
    before, after = (short(line) if line else none for line, none in ((change.before, "-"), (change.after, "gone")))
    details = []
    if change.before and change.after:
        details += ["the sdist"] if change.before.sdist_digest != change.after.sdist_digest else []
        details += ["the build lock"] if change.before.build_lock != change.after.build_lock else []
    return change.kind, change.line.wheel, before, after, f"{' and '.join(details)} changed" if details else ""


def short(line: Line) -> str:
    """Return enough of a wheel's digest to be told apart by eye; the whole stands in the record."""
    return f"{line.digest.algorithm}:{line.digest.hex[:12]}"


def label(change: HashChange) -> str:
    """Return a release as `name version`."""
    return f"{change.name} {change.version or '(by URL)'}"


def graves(found: Difference) -> Iterator[tuple[str, str, Sequence[str], Sequence[str]]]:
    """Yield where bytes were exchanged: the file, the release or wheel, digests gone and new."""
    for lock, change in _hashes(found, grave=True):
        yield lock.lock.as_posix(), label(change), tuple(map(str, change.removed)), tuple(map(str, change.added))
    for build in found.record:
        if build.grave and build.before and build.after:
            yield "requirements/built.sum", build.line.wheel, (str(build.before.digest),), (str(build.after.digest),)


def milds(found: Difference) -> Iterator[tuple[str, str, Sequence[str], Sequence[str]]]:
    """Yield where digests only came, or only went, as `graves` does."""
    for lock, change in _hashes(found, grave=False):
        yield lock.lock.as_posix(), label(change), tuple(map(str, change.removed)), tuple(map(str, change.added))


def _hashes(found: Difference, *, grave: bool) -> Iterator[tuple[LockChange, HashChange]]:
    return ((lock, change) for lock in found.locks for change in lock.hashes if change.grave is grave)


def _alarms(found: Difference) -> Iterator[str]:
    if grave := list(graves(found)):
        head = click.style(f"warning: {GRAVE}", fg="red", bold=True)
        yield "\n".join([head, *_digests(grave, colour="red"), f"  hint: {HINT}"])
    if mild := list(milds(found)):
        yield "\n".join([click.style(f"note: {MILD}", fg="yellow"), *_digests(mild, colour="yellow")])


def _digests(rows: Iterable[tuple[str, str, Sequence[str], Sequence[str]]], *, colour: str) -> Iterator[str]:
    for place, what, gone, new in rows:
        yield f"  {visible(place)}: {click.style(visible(what), fg=colour, bold=True)}"
        yield from (f"    - {digest}" for digest in gone)
        yield from (f"    + {digest}" for digest in new)


def _lock(lock: LockChange) -> str:
    place = lock.lock.as_posix()
    at = f" ({visible(place)})" if place != lock.layer else ""
    lines = [_title(visible(lock.layer), f"{at}: {heading(lock) or 'hashes changed'}")]
    lines += _columns(map(pin_row, lock.pins))
    lines += (
        f"  {click.style(f'{kind:<10}', fg=_COLOURS[kind])}  {visible(text)}"
        for kind, text in map(line_row, lock.lines)
    )
    return "\n".join(lines)


def _title(name: str, rest: str) -> str:
    return f"{click.style(name, bold=True)}{rest}"


def _columns(rows: Iterable[tuple[str, str, str, str, str]]) -> Iterator[str]:
    shown = [tuple(map(visible, row)) for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(4)] if shown else []
    for kind, name, before, after, details in shown:
        coloured = click.style(f"{kind:<{widths[0]}}", fg=_COLOURS[kind])
        yield (f"  {coloured}  {name:<{widths[1]}}  {before:<{widths[2]}} -> {after:<{widths[3]}}  {details}").rstrip()


def _version(pin: Pin) -> str:
    return str(pin.version) if pin.version else "by URL"


def _detail(detail: Detail) -> str:
    return f"{detail.what}: {detail.before or 'none'} -> {detail.after or 'none'}"
