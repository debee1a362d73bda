"""Wheels as an attacker, a broken disk or a bad proxy would leave them, and a program that reads many of them.

Refuses nothing; `python -m support.hostile SEED COUNT FOLDER` prints what became of them as JSON, or dies of the first bug.
"""

import base64
import contextlib
import csv
import hashlib
import io
import json
import random
import resource
import signal
import struct
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath, PureWindowsPath

from lockhouse import contents
from lockhouse.contents import WheelContent
from lockhouse.digest import Digest
from lockhouse.filenames import WheelName
from lockhouse.rules.wheels import collisions, content_findings
from lockhouse.target import Target, running
from lockhouse.wheelhouse import StoredWheel
from support.wheels import build_wheel, rewrite_wheel

INFO = "demo-1.0.dist-info"
# What one case may take: seconds, and bytes of address space beyond what the interpreter has when it begins.
SECONDS, MEMORY = 10, 512 << 20

_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
_NAMES = (
    "../x", "/x", "C:x", "\\x", "a/../../x", "a\\..\\..\\x", "a//b", "./a", "a/.", ".", "..", "a\0b", "a\nb", "\x1b[2J", "é\u202e",
    "x" * 5000, "/".join("d" * 2000), f"{INFO}/METADATA", f"{INFO}//METADATA", "demo", "demo/__init__.py/x", "demo/", " ", "CON",
    "demo-1.0.data", "demo-1.0.data/x", "demo-1.0.data/other/x", "demo-1.0.data/purelib/demo/__init__.py", "x.data/scripts/y",
    "other-1.0.dist-info/METADATA", ".dist-info/METADATA",
)  # fmt: skip
_SCRAPS = (
    "Name: demo\n", "Version: 1.0\n", "Version: " + "9" * 5000 + "\n", "Requires-Python: >=3\n", "Requires-Python: >=" + "9" * 5000 + "\n",
    "Requires-Python: " + ">=1," * 2000 + ">=1\n", "Requires-Python: ===" + "(" * 999 + "\n", "Tag: py3-none-any\n", "Tag: " + "a." * 90 + "-" + "b." * 20 + "-c\n",
    "Tag: " + ".".join("abc" * 900) + "\n", "Tag: -\n", "Tag:\n", "\n", "\r", "\r\n", " continued\n", ":\n", "From x\n", "a" * 9000, '"', '"""', ",,,\n", "=",
    "[console_scripts]\n", "x = y:z\n", "= = =\n", "#[\n", "[", f"{INFO}/RECORD,,\n", "demo/__init__.py,md5=x,0\n", "demo/__init__.py,sha256=,\n",
    "demo/__init__.py,sha256=" + "A" * 43 + ",1\n", "demo/__init__.py,=,-1\n", "\0", "\ufeff", "\u2028", "\x1b]0;x\x07", "x" * 140_000, "a,b\n" * 400,
)  # fmt: skip

Mutation = Callable[[random.Random, bytes, Path], bytes]


def bases(folder: Path) -> list[bytes]:
    """Return the bytes of sound wheels that differ in how they are made."""
    more: dict[str, str | bytes] = {
        "demo/data.bin": random.Random(1).randbytes(3000),
        "demo/zeros.bin": b"\0" * 70_000,
        "demo/ünïcode.txt": "text\n" * 50,
        "demo-1.0.data/scripts/tool": "#!python\n",
        "demo-1.0.data/data/share/demo/x": "x",
    }
    plain = build_wheel(folder, "demo", "1.0", requires_python=">=3.8").read_bytes()
    rich = build_wheel(folder, "demo", "1.0", files=more, entry_points={"demo": "demo:main"}, size=2000).read_bytes()
    return [plain, rich]


def _flipped(chance: random.Random, data: bytes, _path: Path) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return bytes(spoilt)


def _flipped_in_headers(chance: random.Random, data: bytes, _path: Path) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        start, size = chance.choice(_headers(data))
        spoilt[start + chance.randrange(size)] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def _wrong_field(chance: random.Random, data: bytes, _path: Path) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 2)):
        start, size = chance.choice(_headers(data))
        width = chance.choice((1, 2, 4))
        at = start + 2 * chance.randrange((size - width) // 2)
        spoilt[at : at + width] = (chance.choice(_EDGES) & (256**width - 1)).to_bytes(width, "little")
    return bytes(spoilt)


def _cut(chance: random.Random, data: bytes, _path: Path) -> bytes:
    start = chance.randrange(len(data))
    return data[:start] if chance.random() < 0.5 else data[:start] + data[start + chance.randint(1, 60) :]


def _spliced(chance: random.Random, data: bytes, _path: Path) -> bytes:
    start, size, at = chance.randrange(len(data)), chance.randint(1, 400), chance.randrange(len(data))
    keep = at + size if chance.random() < 0.5 else at
    return data[:at] + data[start : start + size] + data[keep:]


def _doubled_entry(chance: random.Random, data: bytes, _path: Path) -> bytes:
    """Repeat an entry of the central directory, and let the end of the directory count it."""
    entries = [(start, size) for start, size in _headers(data) if data[start : start + 4] == b"PK\1\2"]
    start, size = chance.choice(entries)
    end = data.rindex(b"PK\5\6")
    count, length = struct.unpack_from("<HI", data, end + 10)
    tail = bytearray(data[end:])
    struct.pack_into("<HHI", tail, 8, count + 1, count + 1, length + size)
    return data[: start + size] + data[start:end] + bytes(tail)


def _zip64(chance: random.Random, data: bytes, _path: Path) -> bytes:
    """Give an entry of the central directory a zip64 field that states what it likes."""
    entries = [(start, size) for start, size in _headers(data) if data[start : start + 4] == b"PK\1\2"]
    start, size = chance.choice(entries)
    values = [chance.choice((*_EDGES, 1 << 40, 2**63 - 1, 2**63, 2**64 - 1)) for _ in range(chance.randint(0, 3))]
    extra = struct.pack(f"<HH{len(values)}Q", 1, max(0, 8 * len(values) + chance.choice((0, 0, 0, -4, 9))), *values)
    entry = bytearray(data[start : start + size])
    for at in chance.sample((20, 24, 42), chance.randint(1, 3)):
        entry[at : at + 4] = b"\xff" * 4
    name_size, extra_size = struct.unpack_from("<HH", entry, 28)
    struct.pack_into("<H", entry, 30, extra_size + len(extra))
    entry[46 + name_size : 46 + name_size] = extra
    end = data.rindex(b"PK\5\6")
    tail = bytearray(data[end:])
    struct.pack_into("<I", tail, 12, struct.unpack_from("<I", tail, 12)[0] + len(extra))
    return data[:start] + bytes(entry) + data[start + size : end] + bytes(tail)


def _odd_name(chance: random.Random, data: bytes, path: Path) -> bytes:
    def add(members: dict[str, bytes]) -> None:
        for _ in range(chance.randint(1, 3)):
            members[chance.choice(_NAMES)] = chance.randbytes(chance.randint(0, 40))

    path.write_bytes(data)
    return rewrite_wheel(path, add, stale_record=chance.random() < 0.3).read_bytes()


def _odd_text(chance: random.Random, data: bytes, path: Path) -> bytes:
    def replace(members: dict[str, bytes]) -> None:
        for part in chance.sample(("METADATA", "RECORD", "WHEEL", "entry_points.txt"), chance.randint(1, 2)):
            before = members.get(f"{INFO}/{part}", b"").decode()
            scraps = [*before.splitlines(keepends=True), *chance.choices(_SCRAPS, k=chance.randint(1, 6))]
            chance.shuffle(scraps)
            text = "".join(scraps).encode()
            members[f"{INFO}/{part}"] = text if chance.random() < 0.8 else _flipped(chance, text or b"x", path)

    path.write_bytes(data)
    return rewrite_wheel(path, replace, stale_record=chance.random() < 0.5).read_bytes()


def _stale(chance: random.Random, data: bytes, path: Path) -> bytes:
    """Change what a member holds, in a zip that is sound, and leave RECORD as it was."""

    def change(members: dict[str, bytes]) -> None:
        name = chance.choice([name for name in members if not name.endswith("/RECORD")])
        members[name] = chance.choice((b"", members[name] + b"\n", b"#" + members[name][1:]))

    path.write_bytes(data)
    return rewrite_wheel(path, change, stale_record=True).read_bytes()


MUTATIONS: Sequence[Mutation] = (
    _flipped, _flipped_in_headers, _wrong_field, _cut, _spliced, _doubled_entry, _zip64, _odd_name, _odd_text, _stale,
)  # fmt: skip


def _headers(data: bytes) -> list[tuple[int, int]]:
    """Return start and size of every header of the zip, names and extra fields included."""
    found = []
    for signature, fixed, fields in ((b"PK\3\4", 30, "<26xHH"), (b"PK\1\2", 46, "<28xHHH"), (b"PK\5\6", 22, "<22x")):
        start = data.find(signature)
        while start >= 0 and start + fixed <= len(data):
            found.append((start, min(fixed + sum(struct.unpack_from(fields, data, start)), len(data) - start)))
            start = data.find(signature, start + 1)
    return found


def judge(path: Path, target: Target) -> WheelContent:
    """Read a wheel in every way, and apply the rules to what was read; return what the deep look gave."""
    wheel = WheelName.parse(path.name)
    stored = StoredWheel(wheel=wheel, size=path.stat().st_size, digests=(Digest("sha256", ""),))
    found = contents.read(path, wheel, deep=True)
    plain = contents.read(path, wheel)
    with path.open("rb") as file:
        own = contents.read_bytes(file, path.stat().st_size)
    looked = {stored: found}
    findings = [
        *content_findings(looked, target, PurePath("house")),
        *collisions([[stored]], looked, PurePath("house")),
    ]
    reasons = [
        *found.broken,
        *found.misnamed,
        *found.mislabelled,
        *plain.broken,
        *own,
        *(each.message for each in findings),
    ]
    assert len(reasons) < 300, f"{len(reasons)} reasons"
    assert all(reason and reason.isprintable() and len(reason) < 2000 for reason in reasons), reasons
    assert set(plain.broken) <= set(found.broken), (plain.broken, found.broken)
    if not found.broken:
        assert not own, own
        assert_sound(path)
    return found


def assert_sound(path: Path) -> None:
    """Hold a wheel in which nothing was found against zipfile, hashlib and pathlib."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert len(set(names)) == len(names)
        [record] = [name for name in names if name.endswith(".dist-info/RECORD") and name.count("/") == 1]
        rows = {row[0]: row for row in csv.reader(io.StringIO(archive.read(record).decode(errors="replace"))) if row}
        for name in names:
            windows = PureWindowsPath(name)
            assert not windows.anchor, name
            assert ".." not in windows.parts, name
            data = archive.read(name)
            if name != record and not name.endswith(("/", "RECORD.jws", "RECORD.p7s")):
                algorithm, _, value = rows[name][1].partition("=")
                digest = hashlib.new(algorithm, data).digest()
                assert algorithm in {"sha256", "sha384", "sha512"}
                assert base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)) == digest, name


class TooLateError(BaseException):
    """A case takes too long; no handler of the reader's own may take this for a fault of the file."""


@contextlib.contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """Raise TooLateError where what is inside takes longer."""

    def late(*_: object) -> None:
        raise TooLateError(f"this takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def campaign(seed: int, count: int, folder: Path) -> Counter[str]:
    """Read `count` spoilt wheels, and count how far the reader came; an assertion names the case that fails it."""
    target, wheels = running(), bases(folder)
    path = folder / "demo-1.0-py3-none-any.whl"
    tally: Counter[str] = Counter()
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        mutation = chance.choice(MUTATIONS)
        data = mutation(chance, chance.choice(wheels), path)
        if chance.random() < 0.15:
            with contextlib.suppress(ValueError, IndexError):
                data = chance.choice(MUTATIONS[:5])(chance, data, path)
        path.write_bytes(data)
        try:
            with bounded():
                found = judge(path, target)
        except BaseException as error:
            error.add_note(f"case {number} of seed {seed} ({mutation.__name__.strip('_')}) is kept as {path}")
            raise
        tally["cases"] += 1
        tally["past the directory"] += not any("not a sound zip archive: " in reason for reason in found.broken)
        tally["metadata read"] += bool(found.metadata)
        tally["sound"] += not found.broken
    return tally


if __name__ == "__main__":
    _, seed_, count_, folder_ = sys.argv
    running()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.stdout.write(json.dumps(campaign(int(seed_), int(count_), Path(folder_))))
