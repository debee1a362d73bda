"""The record, `built.sum`: which wheel a source distribution was built to, and under which build lock; one line a build.

A line is a claim that another build can prove. What cannot be read, or contradicts itself, is refused with file and line.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from lockhouse import files
from lockhouse.digest import Digest
from lockhouse.errors import Location, LockhouseError
from lockhouse.filenames import SdistName, WheelName
from lockhouse.redact import redact
from lockhouse.requirements import Pin

_HEADER = (
    "# Which wheel each source distribution was built to. Written by `lockhouse lock`; belongs into version control.\n"
)
_FORM = "write WHEEL sha256:... from SDIST sha256:... with sha256:..."
_AGAIN = "remove the line and run `lockhouse lock`, which builds and records it again"
_CONFLICT = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


class RecordError(LockhouseError):
    """A line of the record cannot be read or contradicts itself; `where` names the file and the line."""


@dataclass(frozen=True, slots=True, order=True, kw_only=True)
class Line:
    """One build: a wheel, the sdist that it was built from, and the build lock that it was built with.

    `location` is where the line stands; a line with a new one is still the same.
    """

    wheel: str
    digest: Digest
    sdist: str
    sdist_digest: Digest
    build_lock: Digest
    location: Location = field(default=Location(PurePosixPath("requirements/built.sum")), compare=False)

    def __str__(self) -> str:
        return f"{self.wheel} {self.digest} from {self.sdist} {self.sdist_digest} with {self.build_lock}"


@dataclass(frozen=True, slots=True)
class Record:
    """The lines, sorted, each once. Builds that differ in nothing but the wheel's bytes are of different toolchains."""

    lines: tuple[Line, ...] = ()

    def text(self) -> str:
        """Return the file's content, which `parse` reads as the same record."""
        return _HEADER + "".join(f"{line}\n" for line in self.lines)

    def with_(self, line: Line) -> "Record":
        """Return the record with one line more; one that is there already stays as it is."""
        return self if line in self.lines else Record(tuple(sorted((*self.lines, line))))

    def without(self, predicate: Callable[[Line], bool]) -> "Record":
        """Return the record less the lines for which the predicate holds."""
        return Record(tuple(line for line in self.lines if not predicate(line)))

    def for_sdist(self, hashes: Collection[Digest]) -> tuple[Line, ...]:
        """Return the lines about an sdist with one of these digests, whatever its name."""
        return tuple(line for line in self.lines if line.sdist_digest in hashes)

    def write(self, path: Path) -> bool:
        """Write the file atomically, or remove it where there is no line; return whether it changed. Raises OSError."""
        if self.lines:
            path.parent.mkdir(parents=True, exist_ok=True)
            return files.write_if_different(path, self.text())
        there = path.exists()
        path.unlink(missing_ok=True)
        return there


def read(path: Path, shown: PurePath) -> Record:
    """Read the file, which need not exist; raises RecordError, which names it as `shown`, and OSError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return Record()
    return parse_bytes(content, shown)


def parse_bytes(content: bytes, shown: PurePath) -> Record:
    """Read the content of a record as it is on disk; raises RecordError."""
    try:
        return parse(content.decode("utf-8"), shown)
    except UnicodeDecodeError as error:
        where = Location(shown, content[: error.start].count(b"\n") + 1)
        raise RecordError("these bytes are not UTF-8 text", where=where, hint=_AGAIN) from error


def parse(text: str, path: PurePath) -> Record:
    """Read the content of a record, in any order, with blank lines and comments; raises RecordError for the first bad line.

    >>> digest = "sha256:" + "0" * 64
    >>> text = f"demo-1.0-py3-none-any.whl {digest} from demo-1.0.tar.gz {digest} with {digest}"
    >>> [line] = parse(text, PurePath("built.sum")).lines
    >>> line.wheel, line.sdist, str(line.location)
    ('demo-1.0-py3-none-any.whl', 'demo-1.0.tar.gz', 'built.sum:1')
    """
    found: dict[Line, Line] = {}
    for number, content in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        stripped = content.strip()
        if stripped and not stripped.startswith("#"):
            line = _line(stripped, Location(path, number))
            found.setdefault(line, line)
    return Record(tuple(sorted(found.values())))


def _line(text: str, where: Location) -> Line:
    if text.startswith(_CONFLICT):
        raise RecordError(
            "a merge conflict that is not resolved", where=where, hint="keep the lines of both sides, without the marks"
        )
    match text.split():
        case [wheel, digest, "from", sdist, sdist_digest, "with", build_lock]:
            pass
        case _:
            raise RecordError("this line is not of the record's form", where=where, hint=_FORM)
    try:
        wheel_name = WheelName.parse(wheel)
        sdist_name = SdistName.parse(sdist, wheel_name.name)
    except LockhouseError as error:
        raise RecordError(error.reason, where=where, hint=_AGAIN) from error
    if (wheel_name.name, wheel_name.version) != (sdist_name.name, sdist_name.version):
        raise RecordError(f"{wheel} is not a wheel of {sdist}", where=where, hint=_AGAIN)
    return Line(
        wheel=wheel,
        digest=_digest(digest, where),
        sdist=sdist,
        sdist_digest=_digest(sdist_digest, where),
        build_lock=_digest(build_lock, where),
        location=where,
    )


def _digest(text: str, where: Location) -> Digest:
    try:
        digest = Digest.parse(text)
    except ValueError as error:
        raise RecordError(str(error), where=where, hint=_AGAIN) from error
    if not digest.strong:
        raise RecordError(f"{digest.algorithm} is too weak a digest to vouch for a file", where=where, hint=_AGAIN)
    return digest


def build_lock_digest(pins: Iterable[Pin]) -> Digest:
    """Return the sha256 of what a build lock pins: names, versions or URLs, markers and strong hashes, all sorted.

    Comments, order, and the credentials in a URL do not count.
    """
    import hashlib  # noqa: PLC0415 - slow to import, and most projects build nothing
    import json  # noqa: PLC0415

    rows = {
        (
            pin.name,
            str(pin.version) if pin.url is None else redact(pin.url),
            str(pin.marker or ""),
            *sorted({str(digest) for digest in pin.hashes if digest.strong}),
        )
        for pin in pins
    }
    text = json.dumps(sorted(rows), separators=(",", ":"))
    return Digest("sha256", hashlib.sha256(text.encode()).hexdigest())
