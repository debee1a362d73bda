"""The wheelhouse: what is in it is read as it is, and a wheel has its name only when its bytes are all there."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

import pytest

from lockhouse.filenames import WheelName
from lockhouse.wheelhouse import Inventory, Wheelhouse
from support.wheels import build_wheel, sha256

ALPHA = WheelName.parse("alpha-1.0-py3-none-any.whl")


@pytest.fixture
def house(tmp_path: Path) -> Wheelhouse:
    return Wheelhouse(tmp_path / "wheel house")


@pytest.mark.parametrize("name", [".lockhouse", ".lockhouse/tmp", ".lockhouse/lock"])
def test_a_link_in_place_of_what_is_ours_leads_nowhere(house: Wheelhouse, tmp_path: Path, name: str):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "work.py").write_text("x", encoding="utf-8")
    link = house.path / name
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "made" if name.endswith("lock") else precious)
    if name == ".lockhouse":
        assert [stray.filename for stray in house.inventory().strays] == [name]
    with house.held(never), house.incoming() as (file, _):
        file.write(b"x")
    house.describe((), {})
    assert [path.name for path in precious.iterdir()] == ["work.py"]
    assert not (tmp_path / "made").exists()
    assert not link.is_symlink()


def test_what_lies_in_the_scratch_folder_goes_whatever_it_is(house: Wheelhouse):
    (house.state / "tmp" / "folder").mkdir(parents=True)
    (house.state / "tmp" / "folder" / "file").touch()
    with house.held(never):
        assert list((house.state / "tmp").iterdir()) == []


def test_a_first_fill_is_needed_until_one_has_come_to_its_end(house: Wheelhouse):
    assert house.needs_first_fill
    house.path.mkdir()
    (house.path / ".gitkeep").touch()
    assert house.needs_first_fill
    with house.held(never):
        assert house.needs_first_fill
    assert house.needs_first_fill
    house.filled()
    assert not house.needs_first_fill


def test_wheels_that_somebody_put_there_need_no_first_fill(house: Wheelhouse):
    build_wheel(house.path, "alpha", "1.0")
    assert not house.needs_first_fill


def never() -> None:
    raise AssertionError("nobody else has it")


def test_a_directory_that_is_not_there_is_told_from_an_empty_one(house: Wheelhouse):
    assert house.inventory() == Inventory(present=False, wheels=(), strays=())
    house.path.mkdir()
    assert house.inventory() == Inventory(present=True, wheels=(), strays=())


def test_the_inventory_holds_every_wheel_with_its_digests(house: Wheelhouse):
    paths = [build_wheel(house.path, name, "1.0") for name in ("beta", "alpha")]
    found = house.inventory({"sha512"})
    assert [stored.filename for stored in found.wheels] == ["alpha-1.0-py3-none-any.whl", "beta-1.0-py3-none-any.whl"]
    assert found.strays == ()
    alpha = found.wheels[0]
    assert alpha.sha256.hex == sha256(paths[1])
    assert alpha.size == paths[1].stat().st_size
    assert {digest.algorithm: digest.hex for digest in alpha.digests} == {
        name: hashlib.new(name, paths[1].read_bytes()).hexdigest() for name in ("sha256", "sha512")
    }
    assert alpha.is_any_of(alpha.digests[1:])
    assert not alpha.is_any_of(found.wheels[1].digests)


def test_what_is_no_wheel_is_a_stray_with_a_reason(house: Wheelhouse, tmp_path: Path):
    wheel = build_wheel(tmp_path, "alpha", "1.0")
    house.path.mkdir()
    for name in ("notes.txt", "alpha-1.0.whl", ".gitkeep", ".gitattributes", "SHA256SUMS"):
        (house.path / name).write_text("text", encoding="utf-8")
    (house.path / wheel.name).symlink_to(wheel)
    (house.path / "folder.whl").mkdir()
    os.mkfifo(house.path / "pipe-1.0-py3-none-any.whl")
    found = house.inventory()
    assert found.wheels == ()
    assert {stray.filename: stray.removable for stray in found.strays} == {
        "alpha-1.0-py3-none-any.whl": True,
        "alpha-1.0.whl": True,
        "folder.whl": False,
        "notes.txt": False,
        "pipe-1.0-py3-none-any.whl": False,
    }
    reasons = [stray.reason for stray in found.strays]
    assert reasons[0].startswith("a symbolic link")
    assert reasons[1].startswith("'alpha-1.0.whl' is not a wheel's file name")
    assert reasons[2:] == ["a directory, not a wheel", "not a wheel", "not a regular file"]


def test_a_wheel_gets_its_name_only_when_told_to(house: Wheelhouse):
    with house.incoming() as (file, put):
        file.write(b"bytes")
        assert list(house.path.glob("*.whl")) == []
        put(ALPHA)
        assert (house.path / ALPHA.filename).read_bytes() == b"bytes"
    assert (house.path / ALPHA.filename).stat().st_mode & 0o777 == 0o644
    assert list((house.state / "tmp").iterdir()) == []


@pytest.mark.parametrize("how", ["forgotten", "failed"])
def test_without_being_told_nothing_of_it_stays(house: Wheelhouse, how: str):
    with contextlib.suppress(ZeroDivisionError), house.incoming() as (file, _):
        file.write(b"bytes")
        if how == "failed":
            1 / 0  # noqa: B018
    assert list(house.path.glob("*.whl")) == []
    assert list((house.state / "tmp").iterdir()) == []


def test_holding_it_clears_what_a_killed_run_has_left(house: Wheelhouse):
    scratch = house.state / "tmp"
    scratch.mkdir(parents=True)
    (scratch / "old.part").write_bytes(b"half")
    with house.held(never):
        assert list(scratch.iterdir()) == []
        (scratch / "new.part").write_bytes(b"half")
    assert list(scratch.iterdir()) == []


def test_removing_is_content_with_what_is_gone(house: Wheelhouse):
    path = build_wheel(house.path, "alpha", "1.0")
    house.remove(path.name)
    assert not path.exists()
    house.remove(path.name)


def test_it_is_described_once_and_the_same_each_time(house: Wheelhouse):
    build_wheel(house.path, "beta", "1.0")
    build_wheel(house.path, "alpha", "1.0")
    wheels = house.inventory().wheels
    origins = {"beta-1.0-py3-none-any.whl": "http://pkgs.example.com/beta"}
    house.describe(reversed(wheels), origins)
    assert house.origins() == {**origins, "alpha-1.0-py3-none-any.whl": "found here"}
    sums = (house.path / "SHA256SUMS").read_text(encoding="utf-8")
    assert sums == "".join(f"{stored.sha256.hex}  {stored.filename}\n" for stored in wheels)
    times = [path.stat().st_mtime_ns for path in (house.path / "SHA256SUMS", house.state / "manifest.json")]
    house.describe(wheels, house.origins())
    assert [path.stat().st_mtime_ns for path in (house.path / "SHA256SUMS", house.state / "manifest.json")] == times


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"wheels": 1}', '{"wheels": {"a": {}}}', '{"wheels": {"a": 1}}', "\ufeff{}", "\x00"]
)
def test_a_manifest_that_is_none_says_nothing(house: Wheelhouse, text: str):
    assert house.origins() == {}
    house.state.mkdir(parents=True)
    (house.state / "manifest.json").write_text(text, encoding="utf-8")
    assert house.origins() == {}
    house.describe([], {})
    assert json.loads((house.state / "manifest.json").read_bytes()) == {"schema": 1, "wheels": {}}
