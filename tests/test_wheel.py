"""Wheels: what the name says, and what a look inside shows; whatever the bytes are, there is an answer."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from lockhouse.filenames import WheelName
from lockhouse.wheel import WheelContent, read
from support.wheels import build_wheel, rewrite_wheel

INFO = "demo-1.0.dist-info"
Members = dict[str, bytes]


def look(path: Path) -> WheelContent:
    return read(path, WheelName.parse(path.name))


def changed(path: Path, change: Callable[[Members], object], *, stale_record: bool = False) -> WheelContent:
    return look(rewrite_wheel(path, change, stale_record=stale_record))


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return build_wheel(tmp_path, "demo", "1.0", requires_python=">=3.8")


def test_a_sound_wheel_has_no_fault(demo: Path):
    found = look(demo)
    assert (found.misnamed, found.broken, found.mislabelled) == ((), (), ())
    assert found.metadata
    assert (found.metadata.name, found.metadata.requires_python) == ("demo", SpecifierSet(">=3.8"))


def test_a_wheel_need_not_say_which_python_or_which_tags(tmp_path: Path):
    path = build_wheel(tmp_path, "demo", "1.0", files={f"{INFO}/WHEEL": "Wheel-Version: 1.0\n"})
    found = look(path)
    assert (found.misnamed, found.broken, found.mislabelled) == ((), (), ())


@pytest.mark.parametrize("spelling", ["Zope.Interface", "zope_interface", "zope-interface", "ZOPE.INTERFACE"])
def test_spelling_is_no_disagreement(spelling: str, tmp_path: Path):
    path = build_wheel(tmp_path, "zope.interface", "1.0", metadata_name=spelling, metadata_version="1.0.0")
    assert look(path).misnamed == ()


def test_an_old_spelling_of_the_directory_is_no_disagreement(tmp_path: Path):
    path = build_wheel(tmp_path, "Zope.Interface", "1.0")

    def respell(members: Members) -> None:
        for name in [name for name in members if ".dist-info/" in name]:
            members[name.replace("zope_interface", "Zope.Interface")] = members.pop(name)

    found = changed(path, respell)
    assert (found.misnamed, found.broken) == ((), ())


def test_signatures_and_directories_need_not_be_in_record(demo: Path):
    def sign(members: Members) -> None:
        members |= {f"{INFO}/RECORD.jws": b"{}", f"{INFO}/RECORD.p7s": b"", "demo/": b""}

    assert changed(demo, sign, stale_record=True).broken == ()


@pytest.mark.parametrize(
    ("member", "before", "after", "said"),
    [
        ("METADATA", b"Name: demo\n", b"Name: demo2\n", "the file name says the project is demo, METADATA says 'demo2'"),
        ("METADATA", b"Name: demo\n", b"", "the file name says the project is demo, METADATA says ''"),
        ("METADATA", b"Version: 1.0\n", b"Version: 1.1\n", "the file name says the version is 1.0, METADATA says '1.1'"),
        ("METADATA", b"Version: 1.0\n", b"Version: one\n", "the file name says the version is 1.0, METADATA says 'one'"),
        ("WHEEL", b"py3-none-any", b"py2-none-any", "the file name says the tags are py3-none-any, WHEEL says py2-none-any"),
        ("WHEEL", b"py3-none-any", b"whatever", "the file name says the tags are py3-none-any, WHEEL says whatever"),
    ],
)  # fmt: skip
def test_metadata_that_disagrees_with_the_name_is_named(
    member: str, before: bytes, after: bytes, said: str, demo: Path
):
    def change(members: Members) -> None:
        assert before in members[f"{INFO}/{member}"]
        members[f"{INFO}/{member}"] = members[f"{INFO}/{member}"].replace(before, after)

    found = changed(demo, change)
    assert (found.misnamed + found.mislabelled, found.broken) == ((said,), ())
    assert bool(found.mislabelled) is (member == "WHEEL")


def test_a_directory_of_another_project_is_misnamed(demo: Path):
    def rename(members: Members) -> None:
        for name in [name for name in members if name.startswith(INFO)]:
            members[name.replace("demo-1.0", "other-2.0")] = members.pop(name)

    found = changed(demo, rename)
    assert found.broken == ()
    assert found.misnamed == (
        "the file name says the project is demo, the directory other-2.0.dist-info says 'other'",
        "the file name says the version is 1.0, the directory other-2.0.dist-info says '2.0'",
    )


def test_every_fault_is_told_at_once(demo: Path):
    def spoil(members: Members) -> None:
        members[f"{INFO}/METADATA"] = b"Name: x\nVersion: 2\nRequires-Python: three\n"
        members["../a"] = members["b.py"] = b""
        del members["demo/__init__.py"]

    found = changed(demo, spoil, stale_record=True)
    assert len(found.misnamed) == 2
    assert found.broken == (
        "the member '../a' leaves the tree",
        "RECORD does not list '../a'",
        "RECORD does not list 'b.py'",
        "RECORD lists 'demo/__init__.py', which is not there",
        "Requires-Python is not a version specifier: 'three'",
    )
    assert found.metadata
    assert found.metadata.requires_python == SpecifierSet()


@pytest.mark.parametrize(
    ("member", "unsafe"),
    [
        ("demo/..", True),
        ("../demo", True),
        ("/demo", True),
        ("//host/share/demo", True),
        ("\\demo", True),
        ("C:demo", True),
        ("c:\\demo", True),
        ("demo\\..\\..\\x", True),
        ("demo/...", False),
        ("demo/..x", False),
        ("demo/a:b", False),
        ("demo/.hidden", False),
    ],
)
def test_a_member_must_stay_in_the_tree_on_every_system(member: str, unsafe: bool, demo: Path):
    found = changed(demo, lambda members: members.update({member: b""})).broken
    assert found == ((f"the member {member!r} leaves the tree",) if unsafe else ())


@pytest.mark.parametrize("part", ["METADATA", "WHEEL", "RECORD"])
def test_each_part_of_the_metadata_must_be_there(part: str, demo: Path):
    found = changed(demo, lambda members: members.pop(f"{INFO}/{part}"))
    assert found.broken == (f"{INFO} has no {part}",)


@pytest.mark.parametrize(("extra", "said"), [(None, "none"), ("other-1.0.dist-info", f"{INFO}, other-1.0.dist-info")])
def test_there_is_one_dist_info_as_pip_wants_it(extra: str | None, said: str, demo: Path):
    def change(members: Members) -> None:
        if extra:
            members[f"{extra}/METADATA"] = b""
        else:
            for name in [name for name in members if name.startswith(INFO)]:
                del members[name]

    assert changed(demo, change).broken == (f"there must be one .dist-info directory (there are: {said})",)


@pytest.mark.parametrize("record", [b'"demo\n', b"demo\rdemo,,\n", b"x" * 200_000 + b",,\n"])
def test_a_record_that_is_no_csv_is_broken(record: bytes, demo: Path):
    found = changed(demo, lambda members: members.update({f"{INFO}/RECORD": record}), stale_record=True)
    assert found.broken
    assert all("RECORD" in said for said in found.broken)


def test_text_that_is_no_utf8_is_read_all_the_same(demo: Path):
    def change(members: Members) -> None:
        members[f"{INFO}/METADATA"] = b"Name: d\xe9mo\nVersion: 1.0\nRequires-Python: >=\xff3\n"
        members[f"{INFO}/WHEEL"] = b"Tag: py3-none-\xff\n"

    found = changed(demo, change)
    assert len(found.misnamed) == len(found.mislabelled) == 1
    assert len(found.broken) == 1


def test_a_member_that_swells_is_not_read_to_its_end(demo: Path):
    found = changed(demo, lambda members: members.update({f"{INFO}/METADATA": b"\n" * (33 << 20)}))
    assert found.broken == (f"{INFO}/METADATA is larger than 32 MiB",)


def test_an_encrypted_member_is_broken(demo: Path):
    data = bytearray(demo.read_bytes())
    # The flag "encrypted" of every entry, in the central directory and in the local headers.
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = -1
        while (start := data.find(signature, start + 1)) >= 0:
            data[start + offset] |= 1
    demo.write_bytes(data)
    assert look(demo).broken[0].startswith("not a sound zip archive: ")


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_broken_compression_is_broken(compression: int, tmp_path: Path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for part in ("METADATA", "WHEEL", "RECORD"):
            archive.writestr(f"{INFO}/{part}", "Name: demo\nVersion: 1.0\n" * 50)
    data = bytearray(path.read_bytes())
    start = data.find(f"{INFO}/METADATA".encode()) + len(f"{INFO}/METADATA")
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    assert look(path).broken[0].startswith("not a sound zip archive: ")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "demo-1.0-py3-none-any.whl")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hostile_bytes_always_get_an_answer(data: st.DataObject, demo: Path):
    original = demo.with_suffix(".good")
    if not original.exists():
        original.write_bytes(demo.read_bytes())
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(1, len(content))) :]
    demo.write_bytes(content)
    found = look(demo)
    assert all((*found.misnamed, *found.broken))
