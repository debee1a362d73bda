"""Source distributions: no archive gets out of its folder or changes by the machine."""

import bz2
import contextlib
import gzip
import io
import os
import stat
import struct
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockhouse.buildsystem import BuildSystem
from lockhouse.errors import SdistError
from lockhouse.sdist import Limits, Unpacked, unpack
from support.wheels import build_sdist

TOP = "demo-1.0"
SETUP = (f"{TOP}/setup.py", b"from setuptools import setup\n")
DEFAULT = BuildSystem(
    requires=("setuptools >= 40.8.0",), backend="setuptools.build_meta:__legacy__", backend_path=(), legacy=True
)
FIRST_OF_1980, LAST_OF_2107 = 315532800, 4354819198


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = FIRST_OF_1980
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> Path:  # noqa: A002
    """Write a tar of exactly these members behind a `setup.py`; its name says how it is compressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for info, data in (member(*SETUP), *members):
            archive.addfile(info, io.BytesIO(data))
    pack = bz2.compress if path.name.endswith(".bz2") else gzip.compress
    path.write_bytes(pack(buffer.getvalue()))
    return path


def zipped(
    path: Path, *members: tuple[str, bytes, int], compression: int = zipfile.ZIP_DEFLATED, date: Any = None
) -> Path:
    """Write a zip of these members (name, bytes, Unix mode) behind a `setup.py`."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data, mode in ((*SETUP, 0o100644), *members):
            info = zipfile.ZipInfo(name, date or (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr, info.compress_type = 3, mode << 16, compression
            archive.writestr(info, data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{TOP}.tar.gz"


@pytest.fixture
def zip_path(tmp_path: Path) -> Path:
    return tmp_path / f"{TOP}.zip"


def refusal(archive: Path, **limits: int) -> str:
    """Return the reason why an archive is refused; it must name the archive, have a hint, and write nothing outside."""
    into = archive.parent / "deep" / "into"
    before = {found for found in archive.parent.rglob("*") if not found.is_relative_to(into)}
    with pytest.raises(SdistError) as caught:
        unpack(archive, into, limits=Limits(**limits))
    after = {found for found in archive.parent.rglob("*") if not found.is_relative_to(into)}
    assert after - before <= {into.parent}
    assert str(caught.value.where) == archive.name
    assert caught.value.hint
    assert str(archive.parent) not in str(caught.value)
    return caught.value.reason


def unpacked(archive: Path) -> Unpacked:
    return unpack(archive, archive.parent / "into")


# What is unpacked


@pytest.mark.parametrize("style", ["setup.py", "pyproject", "in-tree"])
def test_an_sdist_is_unpacked_with_what_builds_it(style: Any, tmp_path: Path):
    found = unpacked(build_sdist(tmp_path, "demo", "1.0", style=style, build_requires=["setuptools>=61", "wheel"]))
    assert found.folder == tmp_path / "into" / TOP
    assert (found.folder / "demo" / "__init__.py").read_text("utf-8") == '__version__ = "1.0"\n'
    assert found.epoch == FIRST_OF_1980
    assert (
        found.build_system
        == {
            "setup.py": DEFAULT,
            "pyproject": BuildSystem(
                requires=("setuptools>=61", "wheel"), backend="setuptools.build_meta", backend_path=(), legacy=False
            ),
            "in-tree": BuildSystem(requires=(), backend="backend", backend_path=(".",), legacy=False),
        }[style]
    )


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar.bz2"])
@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_every_kind_of_tar_is_unpacked(suffix: str, format: int, tmp_path: Path):  # noqa: A002
    # At 512 bytes exactly the next header follows without padding; 300,000 take several reads.
    contents = {size: os.urandom(size) for size in (0, 1, 511, 512, 513, 300_000)}
    long = "x" * 90
    archive = tar(
        tmp_path / f"{TOP}{suffix}",
        *(member(f"{TOP}/{long}/{size}", data) for size, data in contents.items()),
        format=format,
    )
    folder = unpacked(archive).folder
    assert {int(path.name): path.read_bytes() for path in (folder / long).iterdir()} == contents


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_a_zip_is_unpacked(compression: int, zip_path: Path):
    data = os.urandom(300_000)
    archive = zipped(zip_path, (f"{TOP}/empty/", b"", 0o40755), (f"{TOP}/a/b", data, 0), compression=compression)
    found = unpacked(archive)
    assert (found.folder / "a" / "b").read_bytes() == data
    assert (found.folder / "empty").is_dir()
    assert found.build_system == DEFAULT


def test_the_same_tree_comes_out_of_a_tar_and_of_a_zip(path: Path, zip_path: Path):
    tar(path, member(f"{TOP}/run", b"x", mode=0o755), member(f"{TOP}/to", type=tarfile.SYMTYPE, linkname="run"))
    zipped(zip_path, (f"{TOP}/run", b"x", 0o100755), (f"{TOP}/to", b"run", 0o120777))
    trees = [unpack(archive, archive.with_suffix(".d")) for archive in (path, zip_path)]
    assert described(trees[0].folder) == described(trees[1].folder)
    assert trees[0].epoch == trees[1].epoch


def described(folder: Path) -> list[tuple[str, int, int, bytes | str]]:
    """Return name, mode, time and content of everything in a folder, the folder included."""
    found = []
    for each in sorted([folder, *folder.rglob("*")]):
        status = each.lstat()
        content: bytes | str = b""
        if each.is_symlink():
            content = str(each.readlink())
        elif each.is_file():
            content = each.read_bytes()
        mode = 0 if each.is_symlink() else stat.S_IMODE(status.st_mode)
        found.append((each.relative_to(folder).as_posix(), mode, status.st_mtime_ns, content))
    return found


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_permissions_depend_on_neither_umask_nor_archive(umask: int, path: Path, zip_path: Path):
    modes = {0o600: 0o644, 0o4777: 0o755, 0o000: 0o644, 0o744: 0o755, 0o666: 0o644, 0o011: 0o644}
    tar(
        path,
        member(f"{TOP}/folder", type=tarfile.DIRTYPE, mode=0o700),
        *(member(f"{TOP}/folder/{mode}", mode=mode) for mode in modes),
    )
    zipped(
        zip_path,
        (f"{TOP}/folder/", b"", 0o40700),
        *((f"{TOP}/folder/{mode}", b"", 0o100000 | mode) for mode in modes),
    )
    os.umask(umask)
    for archive in (path, zip_path):
        folder = unpack(archive, archive.parent / f"from {archive.name}").folder
        found = {int(each.name): stat.S_IMODE(each.stat().st_mode) for each in (folder / "folder").iterdir()}
        assert found == modes
        assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder / "folder")] == [0o755, 0o755]


@pytest.mark.parametrize(
    ("times", "epoch"),
    [
        ([0, 1], FIRST_OF_1980),
        ([-5], FIRST_OF_1980),
        ([1600000000, 1500000000], 1600000000),
        ([1600000000.9], 1600000000),
        ([5_000_000_000], LAST_OF_2107),
        ([float("nan"), 1600000000], 1600000000),
        ([1600000000, float("nan")], 1600000000),
        ([float("inf")], LAST_OF_2107),
        ([float("-inf")], FIRST_OF_1980),
    ],
)
def test_the_epoch_is_the_newest_time_that_a_zip_can_hold_and_everything_has_it(
    times: list[float], epoch: int, path: Path
):
    # What no number field can hold, a pax header can.
    members = [member(f"{TOP}/{at}/x", pax_headers={"mtime": str(time)}) for at, time in enumerate(times)]
    link = member(f"{TOP}/link", type=tarfile.SYMTYPE, linkname="setup.py")
    found = unpacked(tar(path, *members, link))
    assert found.epoch == epoch
    assert {each.lstat().st_mtime_ns for each in [found.folder, *found.folder.rglob("*")]} == {epoch * 10**9}
    with zipfile.ZipFile(path.with_suffix(".made"), "w") as archive:
        archive.write(found.folder / "setup.py")


@pytest.mark.parametrize(
    ("date", "epoch"),
    [
        ((1980, 1, 1, 0, 0, 0), FIRST_OF_1980),
        ((2020, 9, 13, 12, 26, 40), 1600000000),
        ((2107, 12, 31, 23, 59, 58), LAST_OF_2107),
        ((1980, 0, 0, 0, 0, 0), FIRST_OF_1980),
    ],
)
def test_the_times_of_a_zip_are_read_as_utc_whatever_the_time_zone(
    date: tuple[int, ...], epoch: int, zip_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archive = zipped(zip_path, (f"{TOP}/x", b"", 0), date=date)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "XXX-13")
        time.tzset()
        found = unpacked(archive)
    time.tzset()
    assert found.epoch == epoch


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("link", "setup.py"),
        ("link", "./a/file"),
        ("link", "a"),
        ("a/link", "../setup.py"),
        ("a/b/link", "../../a/file"),
        ("a/b/link", "../.."),
        ("link", "not-there"),
    ],
)
def test_a_link_inside_the_tree_is_made(name: str, target: str, path: Path, zip_path: Path):
    # The link comes first: nothing it leads to is there yet.
    link = member(f"{TOP}/{name}", type=tarfile.SYMTYPE, linkname=target)
    tar(path, link, member(f"{TOP}/a/file", b"x"), member(f"{TOP}/a/b/c", b""))
    zipped(
        zip_path,
        (f"{TOP}/{name}", target.encode(), 0o120777),
        (f"{TOP}/a/file", b"x", 0),
        (f"{TOP}/a/b/c", b"", 0),
    )
    for archive in (path, zip_path):
        found = unpack(archive, archive.parent / f"from {archive.name}").folder / name
        assert found.is_symlink()
        assert found.readlink() == Path(target)
        assert found.resolve() == Path(os.path.normpath(found.parent / target)).resolve()


def test_a_hard_link_becomes_a_file_of_its_own(path: Path):
    original = member(f"{TOP}/run", b"x", mode=0o755)
    folder = unpacked(tar(path, original, member(f"{TOP}/b/again", type=tarfile.LNKTYPE, linkname=f"{TOP}/run"))).folder
    (folder / "run").write_bytes(b"changed")
    assert (folder / "b" / "again").read_bytes() == b"x"
    assert stat.S_IMODE((folder / "b" / "again").stat().st_mode) == 0o755


@pytest.mark.parametrize("prefix", ["", "./", ".//"])
def test_a_stray_pax_header_and_the_folder_itself_say_nothing(prefix: str, path: Path):
    members = [member("./", type=tarfile.DIRTYPE), member("pax_global_header", b"52 comment=1\n")]
    found = unpacked(tar(path, *members, member(f"{prefix}{TOP}/a", b"")))
    assert sorted(each.name for each in found.folder.parent.iterdir()) == [TOP]


def test_folders_may_be_named_more_than_once(path: Path):
    folder = member(f"{TOP}/a", type=tarfile.DIRTYPE)
    assert unpacked(tar(path, folder, member(f"{TOP}/a/b", b""), folder)).folder.joinpath("a", "b").is_file()


def test_names_that_are_no_utf8_are_kept(path: Path):
    name = os.fsdecode(b"caf\xe9")
    assert (unpacked(tar(path, member(f"{TOP}/{name}"), format=tarfile.GNU_FORMAT)).folder / name).is_file()


def test_what_is_there_already_is_not_touched(path: Path):
    into = path.parent / "into"
    into.mkdir()
    (into / "precious").touch()
    with pytest.raises(FileExistsError):
        unpacked(tar(path))
    assert [each.name for each in into.iterdir()] == ["precious"]


def test_an_archive_that_is_not_there_is_an_error(path: Path):
    with pytest.raises(FileNotFoundError):
        unpacked(path)


# What is refused

OUTSIDE = [
    "/etc/demo", "../demo", f"{TOP}/../../demo", f"{TOP}/..", "..", "//host/share/x", "\\demo", "C:demo", "c:\\demo",
    f"{TOP}\\..\\..\\x", f"{TOP}/a/../b",
]  # fmt: skip


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_member_must_stay_in_the_tree_on_every_system(name: str, path: Path, zip_path: Path):
    assert refusal(tar(path, member(name, b"x"))) == f"the member {name!r} leaves the tree"
    assert refusal_in_new_folder(zipped(zip_path, (name, b"x", 0))) == f"the member {name!r} leaves the tree"


def refusal_in_new_folder(archive: Path, **limits: int) -> str:
    folder = archive.parent / "other"
    folder.mkdir()
    return refusal(archive.rename(folder / archive.name), **limits)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("link", "/etc/passwd"),
        ("link", ".."),
        ("link", "../.."),
        ("link", f"../{TOP}/setup.py"),
        ("a/link", "../../x"),
        ("link", "a/../b"),
        ("link", "..\\x"),
        ("link", "C:\\x"),
        ("link", "\\\\host\\share"),
    ],
)
def test_a_symbolic_link_must_not_lead_out(name: str, target: str, path: Path, zip_path: Path):
    said = f"the member '{TOP}/{name}' is a symbolic link that may lead out of the tree, to {target!r}"
    assert refusal(tar(path, member(f"{TOP}/{name}", type=tarfile.SYMTYPE, linkname=target))) == said
    assert refusal_in_new_folder(zipped(zip_path, (f"{TOP}/{name}", target.encode(), 0o120777))) == said


def test_a_zip_with_an_empty_link_is_refused(zip_path: Path):
    assert "may lead out of the tree" in refusal(zipped(zip_path, (f"{TOP}/link", b"", 0o120777)))


def test_links_through_links_do_not_lead_out(path: Path):
    # Read word by word the second stays inside; read by the system it does not.
    up = member(f"{TOP}/x/y/up", type=tarfile.SYMTYPE, linkname="../..")
    out = member(f"{TOP}/x/y/out", type=tarfile.SYMTYPE, linkname="up/../..")
    assert "may lead out" in refusal(tar(path, up, out))


@pytest.mark.parametrize("first", ["link", "file"])
def test_nothing_is_written_through_a_link(first: str, path: Path):
    link = member(f"{TOP}/a/link", type=tarfile.SYMTYPE, linkname="..")
    file = member(f"{TOP}/a/link/setup.cfg", b"x")
    members = (link, file) if first == "link" else (file, link)
    assert refusal(tar(path, *members)) == f"the member '{TOP}/a/link' stands where another member stands"


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", f"{TOP}/../../x", "C:x"])
def test_a_hard_link_must_not_lead_out(target: str, path: Path):
    (path.parent / "outside").write_text("secret", encoding="utf-8")
    said = f"the member '{TOP}/link' is a hard link out of the tree, to {target!r}"
    assert refusal(tar(path, member(f"{TOP}/link", type=tarfile.LNKTYPE, linkname=target))) == said


@pytest.mark.parametrize("target", ["not-there", TOP, f"{TOP}/symbolic"])
def test_a_hard_link_leads_to_a_file_before_it(target: str, path: Path):
    symbolic = member(f"{TOP}/symbolic", type=tarfile.SYMTYPE, linkname="setup.py")
    hard = member(f"{TOP}/hard", type=tarfile.LNKTYPE, linkname=target)
    said = f"the member '{TOP}/hard' is a hard link to {target!r}, which is no file before it"
    assert refusal(tar(path, symbolic, hard)) == said


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_a_tar_holds_no_devices_and_no_pipes(kind: bytes, path: Path):
    said = f"the member '{TOP}/null' is neither a file, a folder nor a link"
    assert refusal(tar(path, member(f"{TOP}/null", type=kind, devmajor=1, devminor=3))) == said


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_zip_holds_no_devices_and_no_pipes(kind: int, zip_path: Path):
    said = f"the member '{TOP}/null' is neither a file, a folder nor a link"
    assert refusal(zipped(zip_path, (f"{TOP}/null", b"", kind | 0o666))) == said


def test_a_tar_holds_no_sparse_file_that_is_larger_than_its_bytes(path: Path):
    headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": f"{TOP}/s",
        "GNU.sparse.realsize": "9",
    }
    sparse = member(f"{TOP}/s", b"1\n0\n1\n".ljust(512, b"\0") + b"x", pax_headers=headers)
    assert refusal(tar(path, sparse)) == f"the member '{TOP}/s' is neither a file, a folder nor a link"


@pytest.mark.parametrize("other", ["other-1.0/x", "x", f"{TOP}.egg-info/PKG-INFO"])
def test_there_is_one_folder_at_the_top(other: str, path: Path, zip_path: Path):
    tops = ", ".join(repr(name) for name in sorted([TOP, other.partition("/")[0]]))
    said = f"there must be one folder at its top (there is: {tops})"
    assert refusal(tar(path, member(other, b""))) == said
    assert refusal_in_new_folder(zipped(zip_path, (other, b"", 0))) == said


def test_a_file_at_the_top_is_no_folder(tmp_path: Path):
    archive = tmp_path / "demo-1.0.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("demo", "x")
    assert refusal(archive) == "there must be one folder at its top (there is: 'demo')"


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".zip"])
def test_an_archive_with_nothing_in_it_is_refused(suffix: str, tmp_path: Path):
    archive = tmp_path / f"{TOP}{suffix}"
    if suffix == ".zip":
        zipfile.ZipFile(archive, "w").close()
    else:
        archive.write_bytes((bz2 if suffix == ".tar.bz2" else gzip).compress(bytes(tarfile.RECORDSIZE)))
    assert refusal(archive) == "there must be one folder at its top (there is: nothing)"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (member(f"{TOP}/a", b"1"), member(f"{TOP}/a", b"2")),
        (member(f"{TOP}/a", b"1"), member(f"{TOP}/./a", b"2")),
        (member(f"{TOP}/a", b"1"), member(f"{TOP}/a/b", b"2")),
        (member(f"{TOP}/a/b", b"1"), member(f"{TOP}/a", b"2")),
        (member(f"{TOP}/a", b"1"), member(f"{TOP}/a", type=tarfile.DIRTYPE)),
        (member(f"{TOP}/b", b"1"), member(f"{TOP}/b", type=tarfile.SYMTYPE, linkname="a")),
        (member(f"{TOP}/b", b"1"), member(f"{TOP}/b", type=tarfile.LNKTYPE, linkname=f"{TOP}/setup.py")),
        (member(TOP, type=tarfile.DIRTYPE), member(TOP, b"x")),
    ],
)
def test_no_member_overwrites_another(first: tuple[Any, bytes], second: tuple[Any, bytes], path: Path):
    assert refusal(tar(path, first, second)) == f"the member {second[0].name!r} stands where another member stands"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_member_of_a_zip_overwrites_another(zip_path: Path):
    archive = zipped(zip_path, (f"{TOP}/a", b"1", 0), (f"{TOP}/a", b"2", 0))
    assert refusal(archive) == f"the member '{TOP}/a' stands where another member stands"


def test_there_are_not_too_many_members(path: Path, zip_path: Path):
    said = f"the member '{TOP}/2' is one more than 3"
    assert refusal(tar(path, *(member(f"{TOP}/{at}") for at in range(3))), members=3) == said
    zipped(zip_path, *((f"{TOP}/{at}", b"", 0) for at in range(3)))
    assert refusal_in_new_folder(zip_path, members=3) == said
    assert unpack(path, path.parent / "fits", limits=Limits(members=4)).folder.name == TOP


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_all_members_together_are_not_too_large(kind: str, path: Path, zip_path: Path):
    data = os.urandom(60_000)
    if kind == "tar":
        archive = tar(path, member(f"{TOP}/a", data), member(f"{TOP}/b", data))
    else:
        archive = zipped(zip_path, (f"{TOP}/a", data, 0), (f"{TOP}/b", data, 0))
    assert refusal(archive, size=100_000) == f"the member '{TOP}/b' makes it more than 100000 bytes"
    assert unpack(archive, archive.parent / "fits", limits=Limits(size=200_000)).folder.name == TOP


def test_hard_links_count_as_what_they_become(path: Path):
    links = [member(f"{TOP}/{at}", type=tarfile.LNKTYPE, linkname=f"{TOP}/a") for at in range(9)]
    archive = tar(path, member(f"{TOP}/a", os.urandom(60_000)), *links)
    assert refusal(archive, size=200_000) == f"the member '{TOP}/2' makes it more than 200000 bytes"


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_what_swells_as_only_a_bomb_does_is_refused(kind: str, path: Path, zip_path: Path):
    data = bytes(70 << 20)
    archive = tar(path, member(f"{TOP}/bomb", data)) if kind == "tar" else zipped(zip_path, (f"{TOP}/bomb", data, 0))
    assert refusal(archive) == f"the member '{TOP}/bomb' makes it swell to more than 200 times its size"


def test_little_of_anything_is_no_bomb(path: Path):
    assert (unpacked(tar(path, member(f"{TOP}/blank", bytes(2 << 20)))).folder / "blank").stat().st_size == 2 << 20


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_is_not_read_into_memory_however_long_it_claims_to_be(kind: bytes, path: Path):
    bomb = member("header", bytes(2 << 20), type=kind)
    said = refusal(tar(path, bomb, member(f"{TOP}/x"), format=tarfile.GNU_FORMAT))
    assert said == f"the member '{SETUP[0]}' cannot be unpacked: a header claims to have {2 << 20} bytes"


def test_a_header_does_not_lead_backwards(path: Path):
    # A size below zero would let a reader see the same member for ever.
    info, _ = member(f"{TOP}/x")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 10 + struct.pack(">h", -1024)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(gzip.compress(bytes(header) + bytes(2048)))
    assert refusal(path).startswith(f"the member '{TOP}/x' cannot be unpacked: ")


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_is_compressed_as_zips_are(compression: int, zip_path: Path):
    said = f"the member '{SETUP[0]}' is compressed in a way that no build tool uses"
    assert refusal(zipped(zip_path, compression=compression)) == said


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".zip"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_archive_is_refused(suffix: str, keep: float, tmp_path: Path):
    data = os.urandom(50_000)
    archive = tmp_path / f"{TOP}{suffix}"
    if suffix == ".zip":
        zipped(archive, (f"{TOP}/a", data, 0))
    else:
        tar(archive, member(f"{TOP}/a", data))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * keep)])
    assert "cannot be unpacked: " in refusal(archive)


@pytest.mark.parametrize("cut", [512 + 512 + 100, 512 + 512 + 512 + 600])
def test_a_tar_that_ends_in_the_middle_of_a_member_is_refused_though_its_compression_is_sound(cut: int, path: Path):
    plain = gzip.decompress(tar(path, member(f"{TOP}/a", bytes(range(256)) * 8)).read_bytes())
    path.write_bytes(gzip.compress(plain[:cut]))
    assert "cannot be unpacked: " in refusal(path)


def test_a_broken_header_is_not_taken_for_the_end(path: Path):
    plain = bytearray(gzip.decompress(tar(path, member(f"{TOP}/a", b"x"), member(f"{TOP}/b", b"x")).read_bytes()))
    at = plain.index(f"{TOP}/b".encode())
    plain[at] ^= 1
    path.write_bytes(gzip.compress(bytes(plain)))
    assert refusal(path) == f"the member '{TOP}/a' cannot be unpacked: what follows it is broken"


@pytest.mark.parametrize("content", [b"", b"not an archive at all\n" * 100, bytes(2000)])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar.bz2", ".zip"])
def test_what_is_no_archive_is_refused(content: bytes, suffix: str, tmp_path: Path):
    archive = tmp_path / f"{TOP}{suffix}"
    archive.write_bytes(content)
    assert refusal(archive).startswith("the archive cannot be unpacked: ")


@pytest.mark.parametrize("name", [f"{TOP}.whl", f"{TOP}.tar.xz", TOP])
def test_an_archive_of_another_kind_is_refused(name: str, tmp_path: Path):
    (tmp_path / name).touch()
    assert refusal(tmp_path / name).startswith("should be an archive of the kind .tar.gz, ")


def test_an_encrypted_zip_is_refused(zip_path: Path):
    data = bytearray(zipped(zip_path).read_bytes())
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        data[data.index(signature) + offset] |= 1
    zip_path.write_bytes(data)
    assert refusal(zip_path).startswith(f"the member '{SETUP[0]}' cannot be unpacked: ")


@pytest.mark.parametrize("name", ["x" * 300, "/".join("x" * 1500), "nul\0nul"])
def test_a_name_that_no_file_can_have_is_an_error_that_names_it(name: str, path: Path):
    wanted = f"{TOP}/{name}"
    said = refusal(tar(path, member("short", pax_headers={"path": wanted})))
    assert said.startswith(f"the member {wanted!r} cannot be unpacked: ")


def test_a_lack_of_room_is_not_blamed_on_the_archive(path: Path):
    resource = pytest.importorskip("resource")
    tar(path, member(f"{TOP}/large", bytes(50_000)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(SdistError) as caught:
            unpacked(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.reason.startswith(f"the member '{TOP}/large' cannot be unpacked: ")
    assert "make room" in (caught.value.hint or "")


def test_what_has_nothing_to_build_is_refused(tmp_path: Path):
    archive = tmp_path / f"{TOP}.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(f"{TOP}/README", "x")
    with pytest.raises(SdistError, match=r"has neither a pyproject\.toml nor a setup\.py") as caught:
        unpacked(archive)
    assert str(caught.value.where) == archive.name


# Anything else


def archives(folder: Path) -> Iterator[Path]:
    link = member(f"{TOP}/link", type=tarfile.SYMTYPE, linkname="a")
    for suffix in (".tar.gz", ".tar.bz2"):
        yield tar(folder / f"{TOP}{suffix}", member(f"{TOP}/a", b"x" * 2000), link)
    yield zipped(folder / f"{TOP}.zip", (f"{TOP}/a", b"x" * 2000, 0o100644), (f"{TOP}/link", b"a", 0o120777))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hostile_bytes_are_refused_or_stay_in_their_folder(data: st.DataObject, tmp_path_factory: Any):
    folder = tmp_path_factory.mktemp("hostile")
    archive = data.draw(st.sampled_from(list(archives(folder))))
    compressed = archive.name.endswith(".tar.gz")
    content = bytearray(gzip.decompress(archive.read_bytes()) if compressed else archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    archive.write_bytes(gzip.compress(bytes(content)) if compressed else bytes(content))
    before = {path for path in folder.iterdir() if path.name != "into"}
    with contextlib.suppress(SdistError):
        found = unpacked(archive)
        assert found.folder.parent == folder / "into"
        assert all(path.resolve().is_relative_to(found.folder.resolve()) for path in found.folder.rglob("*"))
    assert {path for path in folder.iterdir() if path.name != "into"} == before
