"""Hostile wheels: whatever the bytes are, reading them gives an answer, in bounded time and memory, and a true one.

Their hash being locked, nothing stands between these bytes and the reader.
"""

import io
import json
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse import contents
from lockhouse.filenames import WheelName
from support.hostile import INFO, bounded
from support.wheels import build_wheel, rewrite_wheel

ROOT = Path(__file__).resolve().parents[1]
MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 200), *(pytest.param(seed, 5000, marks=pytest.mark.slow) for seed in range(2, 6))]
)
def test_whatever_the_bytes_are_there_is_an_answer_and_it_is_true(seed: int, count: int, tmp_path: Path):
    command = [sys.executable, "-m", "support.hostile", str(seed), str(count), str(tmp_path)]
    path = f"{ROOT / 'scripts'}:{ROOT / 'tests'}"
    done = subprocess.run(
        command, env={"PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=60 + count
    )
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert tally["cases"] == count
    # A campaign that the zip's directory alone refuses would say nothing about what comes after it.
    assert tally["past the directory"] > 0.45 * count, tally
    assert tally["metadata read"] > 0.25 * count, tally
    assert tally["sound"] < 0.2 * count, tally


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return build_wheel(tmp_path, "demo", "1.0")


def look(path: Path, *, memory: int) -> tuple[str, ...]:
    """Look deep into a wheel, holding no more than so many bytes and taking no more than ten seconds; return its faults."""
    tracemalloc.start()
    try:
        with bounded():
            found = contents.read(path, WheelName.parse(path.name), deep=True)
            with path.open("rb") as file:
                contents.read_bytes(file, path.stat().st_size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < memory, f"{peak >> 20} MiB"
    return found.broken


def zipped(path: Path, entries: list[tuple[str, bytes, int, int]], *, shared: bool = False) -> Path:
    """Write a zip of deflated members by hand: name, compressed data, stated size and CRC; all on one place if shared."""
    body, directory = io.BytesIO(), io.BytesIO()
    for name, data, size, crc in entries:
        start = 0 if shared else body.tell()
        encoded = name.encode()
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(data), size, len(encoded), 0)
        directory.write(b"PK\1\2" + struct.pack("<H", 20) + fields + struct.pack("<HHHII", 0, 0, 0, 0, start) + encoded)
        if not shared or not body.tell():
            body.write(b"PK\3\4" + fields + encoded + data)
    end = struct.pack("<HHHHIIH", 0, 0, len(entries), len(entries), directory.tell(), body.tell(), 0)
    path.write_bytes(body.getvalue() + directory.getvalue() + b"PK\5\6" + end)
    return path


def zeros(size: int) -> bytes:
    """Return deflated zeros, in pieces, as the whole would be too large."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join([*(deflater.compress(bytes(MEBIBYTE)) for _ in range(size >> 20)), deflater.flush()])


def small(text: str) -> tuple[bytes, int, int]:
    data = text.encode()
    return zlib.compress(data, wbits=-15), len(data), zlib.crc32(data)


def test_metadata_that_claims_to_be_huge_is_not_read(demo: Path):
    parts = {part: small("Name: demo\n") for part in ("WHEEL", "RECORD")}
    entries = [(f"{INFO}/{part}", *entry) for part, entry in parts.items()]
    zipped(demo, [*entries, (f"{INFO}/METADATA", zeros(40 << 20), 0xFFFFFFF0, 0)])
    [reason] = look(demo, memory=8 * MEBIBYTE)
    assert "more than 50 times its size" in reason


def test_metadata_that_swells_beyond_the_size_it_claims_is_read_to_that_size(demo: Path):
    parts = {part: small("Name: demo\n") for part in ("WHEEL", "RECORD")}
    entries = [(f"{INFO}/{part}", *entry) for part, entry in parts.items()]
    zipped(demo, [*entries, (f"{INFO}/METADATA", zeros(100 << 20), 30, 0)])
    [reason] = look(demo, memory=8 * MEBIBYTE)
    assert reason.startswith("not a sound zip archive: Bad CRC-32")


@pytest.mark.slow
def test_a_member_that_swells_beyond_its_size_is_stopped(demo: Path):
    def entry(name: str, text: str) -> tuple[str, bytes, int, int]:
        return (f"{INFO}/{name}", *small(text))

    record = f"demo/x,sha256={'A' * 43},30\n" + "".join(
        f"{INFO}/{part},,\n" for part in ("METADATA", "WHEEL", "RECORD")
    )
    texts = [
        entry("METADATA", "Name: demo\nVersion: 1.0\n"),
        entry("WHEEL", "Tag: py3-none-any\n"),
        entry("RECORD", record),
    ]
    zipped(demo, [("demo/x", zeros(100 << 20), 30, 0), *texts])
    assert "the member 'demo/x' swells beyond the size that it states (30 bytes)" in look(demo, memory=8 * MEBIBYTE)


@pytest.mark.slow
def test_members_that_lie_on_one_another_are_not_unpacked(demo: Path):
    # As in 42.zip's successor: one kernel of data, and thousands of entries that point at it.
    kernel = zeros(20 << 20)
    entries = [(f"demo/{number}", kernel, 20 << 20, 0) for number in range(5000)]
    zipped(demo, entries, shared=True)
    [overlap, *_] = look(demo, memory=16 * MEBIBYTE)
    assert "overlaps another one" in overlap


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_cannot_be_bounded_is_not_unpacked(method: int, demo: Path):
    with zipfile.ZipFile(demo, "w", method) as archive:
        for part in ("WHEEL", "RECORD"):
            archive.writestr(f"{INFO}/{part}", "Name: demo\n")
        archive.writestr(f"{INFO}/METADATA", bytes(9 << 20))
    [reason, *_] = look(demo, memory=8 * MEBIBYTE)
    assert reason.endswith("installers agree on deflate alone")


def test_names_that_are_nested_deep_take_no_more_than_their_length(demo: Path):
    names = [f"{number}/" + "d/" * 30_000 + "x" for number in range(20)]
    rewrite_wheel(demo, lambda members: members.update(dict.fromkeys(names, b"")))
    broken = look(demo, memory=64 * MEBIBYTE)
    assert sum("longer name than file systems take" in reason for reason in broken) == 10
    assert "10 more such members" in broken
    assert all(len(reason) < 400 for reason in broken)


@pytest.mark.slow
def test_a_hundred_thousand_members_are_judged_and_told_in_few_words(demo: Path):
    with zipfile.ZipFile(demo, "a") as archive:
        for number in range(100_000):
            archive.writestr(zipfile.ZipInfo(f"demo/{number // 300}/{number}.py"), b"")
    with bounded():
        broken = contents.read(demo, WheelName.parse(demo.name), deep=True).broken
    assert len(broken) == 11
    assert broken[-1] == "99990 more files are not listed"


HOSTILE_TEXTS: dict[str, Callable[[], tuple[str, str]]] = {
    "a tag that stands for a billion": lambda: ("WHEEL", f"Tag: {'-'.join(['.'.join('a' * 1000)] * 3)}\n"),
    "a version that python does not convert": lambda: ("METADATA", f"Name: demo\nVersion: {'9' * 5000}\n"),
    "a specifier that python does not convert": lambda: (
        "METADATA", f"Name: demo\nVersion: 1.0\nRequires-Python: >={'9' * 5000}\n"),
    "headers without end": lambda: ("METADATA", "a:\n" * 3_000_000),
    "a record of empty lines": lambda: ("RECORD", "\n" * (20 << 20)),
    "a record of short lines": lambda: ("RECORD", "a,,\n" * (5 << 20)),
    "commands without end": lambda: ("entry_points.txt", "[console_scripts]\n" + "".join(f"{n}=x:y\n" for n in range(300_000))),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_TEXTS)
def test_a_text_that_would_take_long_is_not_read_to_its_end(case: str, demo: Path):
    member, text = HOSTILE_TEXTS[case]()
    filler = random.Random(1).randbytes(2 * MEBIBYTE)
    change = {f"{INFO}/{member}": text.encode(), "demo/filler": filler}
    rewrite_wheel(demo, lambda members: members.update(change), stale_record=member == "RECORD")
    wheel = WheelName.parse(demo.name)
    with bounded(5):
        found = contents.read(demo, wheel)
    assert found.broken or found.misnamed or found.mislabelled, case
    assert all(len(reason) < 400 for reason in (*found.broken, *found.misnamed, *found.mislabelled))
