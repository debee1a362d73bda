"""What a look inside a wheel shows; whatever the bytes are, there is an answer."""

import doctest
import random
import zipfile
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from lockhouse import archive, contents
from lockhouse.contents import WheelContent, read
from lockhouse.filenames import WheelName
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


@pytest.mark.parametrize("module", [archive, contents])
def test_doctests(module: ModuleType):
    assert doctest.testmod(module).failed == 0


def test_a_sound_wheel_has_no_fault(demo: Path):
    found = look(demo)
    assert (found.misnamed, found.broken, found.mislabelled) == ((), (), ())
    assert found.metadata
    assert (found.metadata.name, found.metadata.requires_python) == ("demo", SpecifierSet(">=3.8"))


def test_a_wheel_need_not_say_which_python_or_which_tags(tmp_path: Path):
    path = build_wheel(tmp_path, "demo", "1.0", files={f"{INFO}/WHEEL": "Wheel-Version: 1.0\n"})
    found = look(path)
    assert (found.misnamed, found.broken, found.mislabelled) == ((), (), ())
    assert found.metadata
    assert found.metadata.requires_python == SpecifierSet()


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
    assert look(demo).broken[0] == "the member 'demo/__init__.py' is encrypted"


def test_broken_compression_is_broken(tmp_path: Path):
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
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


# What installers would trip over


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.sampled_from("aC.:/\\ ~?é"), max_size=12) | st.text(max_size=12))
def test_the_quick_test_for_names_is_that_of_windows_paths(name: str):
    windows = PureWindowsPath(name)
    leaves = bool(windows.anchor) or ".." in windows.parts
    # Which characters name a drive is something that Pythons disagree about; every one is refused.
    assert archive.leaves_tree(name) is (leaves or name[1:2] == ":")
    if leaves or archive.normal(name) != name.removesuffix("/"):
        assert archive.is_odd([name])


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (["demo//a.py", "demo/a.py"], "the members 'demo//a.py' and 'demo/a.py' are one path"),
        (["./demo/__init__.py"], "the members 'demo/__init__.py' and './demo/__init__.py' are one path"),
        (["demo/__init__.py/x"], "the member 'demo/__init__.py' is a file, and a folder of others"),
        (["a", "a-b", "a.b", "a/b/c"], "the member 'a' is a file, and a folder of others"),
        (["a", "a/"], "the member 'a' is a file, and a folder of others"),
        (["demo-1.0.data/other/x"], "the member 'demo-1.0.data/other/x' is for no folder that installers know"),
        (["demo-1.0.data/x"], "the member 'demo-1.0.data/x' is for no folder that installers know"),
        (
            ["demo-1.0.data/purelib/demo/__init__.py"],
            "the member 'demo-1.0.data/purelib/demo/__init__.py' is written over the member 'demo/__init__.py'",
        ),
        (["x" * 5000], f"the member {'x' * 150!r}... (5000 characters) has a longer name than file systems take"),
    ],
)
def test_members_that_take_each_others_place_are_broken(members: list[str], said: str, demo: Path):
    found = changed(demo, lambda all_: all_.update(dict.fromkeys(members, b"other")))
    assert found.broken == (said,)


def test_names_that_only_begin_alike_are_sound(demo: Path):
    names = ["a", "a-b/c", "a.b", "demo.py", "demo/__init__.pyi", "...", "a..b/c", "demo-1.0.data/scripts/demo"]
    assert changed(demo, lambda members: members.update(dict.fromkeys(names, b""))).broken == ()


@pytest.mark.parametrize(
    ("mode", "text", "said"),
    [
        (0o010644, "", "is neither a file nor a folder"),
        (0o020644, "", "is neither a file nor a folder"),
        (0o120777, "../../x", "is a symbolic link out of the tree"),
        (0o120777, "..\\..\\x", "is a symbolic link out of the tree"),
        (0o120777, "C:x", "is a symbolic link out of the tree"),
        (0o120777, "../demo/__init__.py", None),
        (0o000644, "", None),
    ],
)
def test_only_files_folders_and_links_within_are_sound(mode: int, text: str, said: str | None, demo: Path):
    info = zipfile.ZipInfo("demo/odd")
    info.create_system, info.external_attr = 3, mode << 16
    with zipfile.ZipFile(demo, "a") as file:
        file.writestr(info, text)
    unlisted = "RECORD does not list 'demo/odd'"
    assert look(demo).broken == ((f"the member 'demo/odd' {said}", unlisted) if said else (unlisted,))


def test_what_is_installed_is_told_by_where_it_goes(tmp_path: Path):
    names = [
        f"demo-1.0.data/{name}"
        for name in ("platlib/x.so", "scripts/run", "data/bin/go", "data/share/d", "headers/d.h")
    ]
    wheel = build_wheel(
        tmp_path, "demo", "1.0", files=dict.fromkeys(names, "text"), entry_points={"demo": "demo : main"}
    )
    found = look(wheel)
    assert found.broken == ()
    assert {path for path in found.files if INFO not in path} == {
        *("demo/__init__.py", "x.so", "/scripts/run", "/scripts/go", "/data/share/d", "/scripts/demo"),
    }
    assert found.files["/scripts/demo"] == "demo:main"


def test_the_headers_of_metadata_are_read_and_nothing_of_the_description(demo: Path):
    for end in (b"\n", b"\r\n", b"\r"):
        text = end.join([b"Name: demo", b"Version: 1.0", b"", b"Requires-Dist: other", b"Name: other", b""])
        found = changed(demo, lambda members, text=text: members.update({f"{INFO}/METADATA": text}))  # type: ignore[misc]
        assert found.metadata
        assert (found.metadata.name, found.metadata.requires, found.misnamed) == ("demo", (), ())


# Each member's own hash


def deep(path: Path) -> tuple[str, ...]:
    wheel = WheelName.parse(path.name)
    assert read(path, wheel).broken == ()
    with path.open("rb") as file:
        own = contents.read_bytes(file, path.stat().st_size)
    assert own == read(path, wheel, deep=True).broken
    return own


def row_of(members: Members, name: str, row: str) -> None:
    record = members[f"{INFO}/RECORD"].decode().splitlines(keepends=True)
    record = [row + "\n" if line.startswith(f"{name},") else line for line in record]
    members[f"{INFO}/RECORD"] = "".join(record).encode()


EMPTY = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"demo/a.py,sha256={EMPTY},0", None),
        (f"demo/a.py,sha256={EMPTY}=,", None),
        (f"demo/a.py,sha256={EMPTY},1", "'demo/a.py' has not the size that RECORD states (1 there, 0 in fact)"),
        (
            "demo/a.py,sha256=" + "A" * 43 + ",0",
            f"'demo/a.py' is not what RECORD states (sha256={'A' * 43} there, sha256={EMPTY} in fact)",
        ),
        (
            "demo/a.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,0",
            "RECORD states only a md5 of 'demo/a.py': sha256 or better is prescribed",
        ),
        ("demo/a.py,,", "RECORD states no hash of 'demo/a.py'"),
        ("demo/a.py", "RECORD states no hash of 'demo/a.py'"),
    ],
)
def test_a_deep_look_holds_each_member_against_its_row(row: str, said: str | None, demo: Path):
    rewrite_wheel(demo, lambda members: members.update({"demo/a.py": b""}))
    rewrite_wheel(demo, lambda members: row_of(members, "demo/a.py", row), stale_record=True)
    assert deep(demo) == ((said,) if said else ())


def test_a_member_whose_data_is_altered_is_found_by_a_deep_look(demo: Path):
    noise = random.Random(1).randbytes(500_000)
    rewrite_wheel(demo, lambda members: members.update({"demo/noise": noise, "demo/zeros": bytes(3_000_000)}))
    assert deep(demo) == ()
    data = bytearray(demo.read_bytes())
    data[data.index(b"demo/noise") + 250_000] ^= 1
    demo.write_bytes(data)
    [said] = deep(demo)
    assert "the member 'demo/noise' " in said


def test_a_row_that_is_there_twice_must_say_one_thing(demo: Path):
    def double(members: Members) -> None:
        members[f"{INFO}/RECORD"] += f"demo/__init__.py,sha256={EMPTY},0\n".encode()

    assert changed(demo, double, stale_record=True).broken == (
        "RECORD lists 'demo/__init__.py' twice, and differently",
    )


def test_a_local_header_that_spells_the_name_otherwise_is_found_by_a_deep_look(demo: Path):
    rewrite_wheel(demo, lambda members: members.update({"demo/ünï.txt": b"text"}))
    data = bytearray(demo.read_bytes())
    # The flag "UTF-8", which pip's own reader goes by.
    data[data.index("demo/ünï.txt".encode()) - 30 + 7] &= ~8
    demo.write_bytes(data)
    assert deep(demo) == ("the member 'demo/ünï.txt' cannot be read: its local header is another one's",)
