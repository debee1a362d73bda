"""The step `check`: from one sound world, one thing is spoiled, and exactly that is found; what is sound is left in peace."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lockhouse.rules import RULES
from support import worlds
from support.environment import clean_environ
from support.project import Project
from support.wheels import build_wheel, flip_byte, rewrite_wheel, sha256
from support.worlds import DEV, DEV_IN, HOUSE, MAIN, MAIN_IN, Entry, World, made_up

SECRET = "hunter2-token"

Found = list[tuple[str, str]]
Spoiling = Callable[[World], Found]
SPOILINGS: dict[str, Spoiling] = {}
HARMLESS: dict[str, Callable[[World], object]] = {}


def spoiling(spoil: Spoiling) -> Spoiling:
    SPOILINGS[spoil.__name__.strip("_").replace("_", " ")] = spoil
    return spoil


def harmless(change: Callable[[World], object]) -> Callable[[World], object]:
    HARMLESS[change.__name__.strip("_").replace("_", " ")] = change
    return change


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("sound")
    return worlds.make(folder / "world", folder / "home")


@pytest.fixture
def world(sound: World, tmp_path: Path) -> World:
    return sound.copied(tmp_path / "world")


def in_house(path: Path) -> str:
    return f"{HOUSE}/{path.name}"


# Bytes and files


@spoiling
def one_byte_of_a_wheel_is_flipped(world: World) -> Found:
    return [("hash-mismatch", in_house(flip_byte(world.wheel("core"))))]


@spoiling
def a_wheel_is_cut_short(world: World) -> Found:
    wheel = world.wheel("core")
    wheel.write_bytes(wheel.read_bytes()[:-100])
    return [("hash-mismatch", in_house(wheel))]


@spoiling
def a_wheel_is_empty(world: World) -> Found:
    world.wheel("core").write_bytes(b"")
    return [("hash-mismatch", in_house(world.wheel("core")))]


@spoiling
def another_build_has_taken_a_wheels_place(world: World) -> Found:
    world.wheel("core").unlink()
    return [("hash-mismatch", in_house(build_wheel(world.house, "core", "1.10", build="2")))]


@spoiling
def a_wheel_is_deleted(world: World) -> Found:
    world.wheel("speed").unlink()
    return [("wheel-missing", world.at(MAIN, "speed"))]


@spoiling
def a_wheel_of_both_layers_is_deleted(world: World) -> Found:
    world.wheel("core").unlink()
    return [("wheel-missing", world.at(MAIN, "core"))]


@spoiling
def a_wheel_is_deleted_whose_name_begins_another(world: World) -> Found:
    (world.house / "foo-1.0-py3-none-any.whl").unlink()
    return [("wheel-missing", world.at(MAIN, "foo=="))]


@spoiling
def the_wheelhouse_is_not_there(world: World) -> Found:
    world.house.rename(world.root / "elsewhere")
    return [("wheel-missing", HOUSE)]


@spoiling
def another_version_stands_in_for_a_wheel(world: World) -> Found:
    world.wheel("core").unlink()
    build_wheel(world.house, "core", "1.9")
    return [("wheel-missing", world.at(MAIN, "core"))]


@spoiling
def a_wheel_is_there_that_nobody_asks_for(world: World) -> Found:
    return [("wheel-extra", in_house(build_wheel(world.house, "stray", "1.0")))]


@spoiling
def another_version_lies_beside_the_right_one(world: World) -> Found:
    return [("wheel-extra", in_house(build_wheel(world.house, "core", "1.1")))]


@spoiling
def a_higher_build_lies_beside_the_right_one(world: World) -> Found:
    return [("wheel-extra", in_house(build_wheel(world.house, "core", "1.10", build="1")))]


@spoiling
def a_wheel_of_another_platform_lies_beside_that_nobody_locked(world: World) -> Found:
    return [("wheel-extra", in_house(build_wheel(world.house, "speed", "0.3", tag="cp311-cp311-win_arm64")))]


@spoiling
def a_locked_wheel_of_another_platform_stands_in(world: World) -> Found:
    [wheel] = world.shelf.iterdir()
    world.wheel("speed").unlink()
    (world.house / wheel.name).write_bytes(wheel.read_bytes())
    return [("wheel-unusable", in_house(wheel))]


@spoiling
def a_wheel_is_a_link_to_the_same_bytes(world: World) -> Found:
    wheel = world.wheel("core")
    wheel.symlink_to(wheel.rename(world.root / "hidden.whl"))
    return [("wheel-missing", world.at(MAIN, "core"))]


@spoiling
def a_link_lies_beside(world: World) -> Found:
    (world.house / "extra-1.0-py3-none-any.whl").symlink_to(world.wheel("core"))
    return [("wheel-extra", f"{HOUSE}/extra-1.0-py3-none-any.whl")]


@spoiling
def a_link_to_a_text_lies_beside(world: World) -> Found:
    (world.house / "notes").symlink_to(world.root / MAIN_IN)
    return [("wheel-extra", f"{HOUSE}/notes")]


@spoiling
def a_directory_lies_beside(world: World) -> Found:
    world.project.write(f"{HOUSE}/old/readme.txt", "was here")
    return [("wheel-extra", f"{HOUSE}/old")]


@spoiling
def a_directory_is_named_as_the_wheel(world: World) -> Found:
    wheel = world.wheel("core")
    wheel.unlink()
    wheel.mkdir()
    return [("wheel-missing", world.at(MAIN, "core"))]


@spoiling
def a_text_lies_beside(world: World) -> Found:
    world.project.write(f"{HOUSE}/readme.txt", "was here")
    return [("wheel-extra", f"{HOUSE}/readme.txt")]


@spoiling
def a_file_lies_beside_that_only_ends_as_wheels_do(world: World) -> Found:
    world.project.write(f"{HOUSE}/core.whl", "was here")
    return [("wheel-extra", f"{HOUSE}/core.whl")]


@spoiling
def an_sdist_lies_beside(world: World) -> Found:
    world.project.write(f"{HOUSE}/core-1.10.tar.gz", "was here")
    return [("wheel-extra", f"{HOUSE}/core-1.10.tar.gz")]


@spoiling
def an_sdist_stands_in_for_a_wheel(world: World) -> Found:
    world.wheel("core").unlink()
    world.project.write(f"{HOUSE}/core-1.10.tar.gz", "was here")
    return [("wheel-missing", world.at(MAIN, "core"))]


# What is inside a wheel, its hash being locked


def relocked(world: World, name: str, change: Callable[[Path], object]) -> str:
    before = sha256(world.wheel(name))
    change(world.wheel(name))
    assert sha256(world.wheel(name)) != before
    world.relock(name, before)
    return in_house(world.wheel(name))


def inside(world: World, change: Callable[[dict[str, bytes]], object], *, stale_record: bool = False) -> str:
    return relocked(world, "core", lambda path: rewrite_wheel(path, change, stale_record=stale_record))


def replaced(member: str, before: bytes, after: bytes) -> Callable[[dict[str, bytes]], object]:
    def change(members: dict[str, bytes]) -> None:
        name = f"core-1.10.dist-info/{member}"
        assert before in members[name]
        members[name] = members[name].replace(before, after)

    return change


@spoiling
def a_member_climbs_out(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.update({"core/../../evil.py": b""})))]


@spoiling
def a_member_is_absolute(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.update({"/etc/evil": b""})))]


@spoiling
def a_member_is_absolute_on_windows(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.update({"C:/evil.py": b""})))]


@spoiling
def a_member_climbs_out_on_windows(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.update({"core\\..\\..\\evil.py": b""})))]


@spoiling
def a_member_is_there_twice(world: World) -> Found:
    def twice(path: Path) -> None:
        with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("core/__init__.py", "evil = True\n")

    return [("wheel-broken", relocked(world, "core", twice))]


@spoiling
def a_member_is_a_link(world: World) -> Found:
    def link(path: Path) -> None:
        record = "core-1.10.dist-info/RECORD"
        rewrite_wheel(
            path, lambda members: members.update({record: members[record] + b"core/link,,\n"}), stale_record=True
        )
        info = zipfile.ZipInfo("core/link")
        info.create_system = 3
        info.external_attr = 0o120777 << 16
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(info, "/etc/passwd")

    return [("wheel-broken", relocked(world, "core", link))]


@spoiling
def a_file_is_not_in_record(world: World) -> Found:
    where = inside(world, lambda members: members.update({"core/more.py": b""}), stale_record=True)
    return [("wheel-broken", where)]


@spoiling
def a_file_of_record_is_not_there(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.pop("core/__init__.py"), stale_record=True))]


@spoiling
def there_is_no_record(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.pop("core-1.10.dist-info/RECORD")))]


@spoiling
def there_is_no_metadata(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.pop("core-1.10.dist-info/METADATA")))]


@spoiling
def there_are_two_dist_infos(world: World) -> Found:
    return [("wheel-broken", inside(world, lambda members: members.update({"evil-1.0.dist-info/METADATA": b""})))]


@spoiling
def a_wheel_is_no_zip(world: World) -> Found:
    return [("wheel-broken", relocked(world, "core", lambda path: path.write_bytes(b"<html>Please log in</html>")))]


@spoiling
def a_locked_wheel_is_cut_short(world: World) -> Found:
    return [("wheel-broken", relocked(world, "core", lambda path: path.write_bytes(path.read_bytes()[:-100])))]


@spoiling
def metadata_names_another_project(world: World) -> Found:
    return [("wheel-misnamed", inside(world, replaced("METADATA", b"Name: core", b"Name: cores")))]


@spoiling
def metadata_names_another_version(world: World) -> Found:
    return [("wheel-misnamed", inside(world, replaced("METADATA", b"Version: 1.10", b"Version: 1.1")))]


@spoiling
def a_wheel_of_another_project_was_renamed(world: World) -> Found:
    def swap(path: Path) -> None:
        build_wheel(path.parent, "evil", "1.10").rename(path)

    return [("wheel-misnamed", relocked(world, "core", swap))]


@spoiling
def a_wheel_says_other_tags_than_its_name(world: World) -> Found:
    return [("wheel-misnamed?", inside(world, replaced("WHEEL", b"Tag: py3-none-any", b"Tag: py2-none-any")))]


@spoiling
def a_wheel_is_for_another_python(world: World) -> Found:
    change = replaced("METADATA", b"Summary:", b"Requires-Python: >=3.99\nSummary:")
    return [("wheel-unusable", inside(world, change))]


# What the wheels require


@spoiling
def a_pin_is_deleted_that_only_another_wheel_requires(world: World) -> Found:
    world.edit(DEV, world.block(DEV, "checker"), "")
    return [("dependency-missing", world.at(DEV, "tool"))]


@spoiling
def a_pin_is_deleted_that_only_an_extra_requires(world: World) -> Found:
    world.edit(MAIN, world.block(MAIN, "speed"), "")
    return [("dependency-missing", world.at(MAIN, "lib"))]


@spoiling
def a_wheel_requires_another_version_than_the_pinned_one(world: World) -> Found:
    relocked(world, "app", lambda path: build_wheel(path.parent, "app", "1.0", requires=["core>=1.11"]))
    return [("dependency-unsatisfied", world.at(MAIN, "app"))]


@spoiling
def a_requirement_cannot_be_read(world: World) -> Found:
    def change(members: dict[str, bytes]) -> None:
        name = "core-1.10.dist-info/METADATA"
        members[name] = members[name].replace(b"Summary:", b"Requires-Dist: left (>right)\nSummary:")

    return [("wheel-broken", inside(world, change))]


@spoiling
def a_pin_is_there_that_nothing_needs(world: World) -> Found:
    wheel = build_wheel(world.house, "hidden", "1.0")
    entry = Entry(pin="hidden==1.0", hashes=(f"sha256:{sha256(wheel)}",), via=("app",))
    return [("pin-unreachable?", world.append(MAIN, str(entry)))]


# Pins


@spoiling
def a_pin_of_one_layer_is_edited(world: World) -> Found:
    world.edit(MAIN, "app==1.0", "app==1.0.1")
    return [("wheel-missing", world.at(MAIN, "app"))]


@spoiling
def a_pin_is_edited_from_1_10_to_1_1(world: World) -> Found:
    world.edit(DEV, "checker==1.10", "checker==1.1")
    return [("wheel-missing", world.at(DEV, "checker"))]


@spoiling
def a_pin_of_both_layers_is_edited_in_the_later(world: World) -> Found:
    world.edit(DEV, "core==1.10", "core==1.1")
    return [("layers-disagree", world.at(DEV, "core"))]


@spoiling
def a_pin_of_both_layers_is_edited_in_the_base(world: World) -> Found:
    world.edit(MAIN, "core==1.10", "core==1.11")
    return [("layers-disagree", world.at(DEV, "core"))]


@spoiling
def a_pin_of_both_layers_shares_no_hash(world: World) -> Found:
    world.drop_hashes(DEV, "core")
    world.edit(DEV, "core==1.10", f"core==1.10 --hash={made_up('other')}")
    return [("layers-disagree", world.at(DEV, "core"))]


@spoiling
def the_hash_of_the_wheel_in_use_is_dropped(world: World) -> Found:
    wheel = world.wheel("speed")
    world.drop_hashes(MAIN, "speed", only=f"sha256:{sha256(wheel)}")
    return [("hash-mismatch", in_house(wheel))]


@spoiling
def the_hash_of_the_wheel_in_use_is_dropped_in_one_of_two_layers(world: World) -> Found:
    wheel = world.wheel("core")
    world.drop_hashes(DEV, "core", only=f"sha256:{sha256(wheel)}")
    return [("hash-mismatch", in_house(wheel))]


@spoiling
def all_hashes_of_a_pin_are_dropped(world: World) -> Found:
    world.drop_hashes(MAIN, "app")
    return [("pin-unhashed", world.at(MAIN, "app"))]


@spoiling
def all_hashes_are_dropped_in_one_of_two_layers(world: World) -> Found:
    world.drop_hashes(DEV, "core")
    return [("pin-unhashed", world.at(DEV, "core"))]


@spoiling
def a_pin_has_only_an_md5(world: World) -> Found:
    world.rewrite(MAIN, "app", Entry(pin="app==1.0", hashes=(made_up("app", "md5"),), via=(f"-r {MAIN_IN}",)))
    return [("pin-weak-hash", world.at(MAIN, "app"))]


@spoiling
def a_pin_has_only_a_sha1_in_one_of_two_layers(world: World) -> Found:
    world.rewrite(DEV, "core", Entry(pin="core==1.10", hashes=(made_up("core", "sha1"),), via=("tool",)))
    return [("pin-weak-hash", world.at(DEV, "core"))]


@spoiling
def a_pin_has_a_star(world: World) -> Found:
    world.edit(MAIN, "app==1.0", "app==1.*")
    return [("pin-loose", world.at(MAIN, "app"))]


@spoiling
def a_pin_in_the_middle_of_the_tree_is_loose(world: World) -> Found:
    world.edit(MAIN, "lib[fast]==2.1", "lib[fast]>=2.1")
    return [("pin-loose", world.at(MAIN, "lib"))]


@spoiling
def a_pin_has_two_conditions(world: World) -> Found:
    world.edit(MAIN, "app==1.0", "app==1.0,<2")
    return [("pin-loose", world.at(MAIN, "app"))]


@spoiling
def a_pin_is_there_twice(world: World) -> Found:
    return [("pin-duplicate", world.append(MAIN, world.block(MAIN, "app")))]


@spoiling
def a_project_is_pinned_to_two_versions(world: World) -> Found:
    second = world.block(MAIN, "app").replace("app==1.0", "App==1.1")
    return [("pin-duplicate", world.append(MAIN, second))]


@spoiling
def a_project_of_both_layers_is_pinned_to_two_versions(world: World) -> Found:
    second = world.block(DEV, "core").replace("core==1.10", "core==1.1")
    return [("pin-duplicate", world.append(DEV, second))]


@spoiling
def markers_of_two_pins_overlap(world: World) -> Found:
    block = world.block(MAIN, "app")
    world.edit(MAIN, "app==1.0", 'app==1.0 ; python_version >= "3"')
    return [("pin-duplicate", world.append(MAIN, block.replace("app==1.0", 'app==1.1 ; python_version >= "3.1"')))]


@spoiling
def a_lock_has_a_vcs_line(world: World) -> Found:
    return [("pin-unlockable", world.append(MAIN, "own @ git+https://code.example.com/own.git@v1\n    # via app\n"))]


@spoiling
def a_lock_has_an_editable(world: World) -> Found:
    return [("pin-unlockable", world.append(MAIN, "-e .\n    # via app\n"))]


@spoiling
def a_lock_has_a_directory(world: World) -> Found:
    return [("pin-unlockable", world.append(MAIN, "./vendored/own\n    # via app\n"))]


# Sources


@spoiling
def a_line_is_added_to_a_source(world: World) -> Found:
    return [("lock-stale", world.append(MAIN_IN, "newcomer\n"))]


@spoiling
def a_line_is_added_whose_name_only_begins_a_pin(world: World) -> Found:
    return [("lock-stale", world.append(MAIN_IN, "fo\n"))]


@spoiling
def an_extra_is_added_to_a_source(world: World) -> Found:
    world.edit(MAIN_IN, "app>=1.0", "app[tls]>=1.0")
    return [("lock-stale", world.at(MAIN_IN, "app"))]


@spoiling
def a_second_extra_is_added_to_a_source(world: World) -> Found:
    world.edit(MAIN_IN, "lib[fast]", "lib[Fast,Tls_1]")
    return [("lock-stale", world.at(MAIN_IN, "lib"))]


@spoiling
def a_version_is_tightened(world: World) -> Found:
    world.edit(MAIN_IN, "app>=1.0", "app>=1.0.1")
    return [("lock-stale", world.at(MAIN_IN, "app"))]


@spoiling
def a_version_is_tightened_from_1_10_to_1_1(world: World) -> Found:
    world.edit(DEV_IN, "core>=1.1", "core==1.1")
    return [("lock-stale", world.at(DEV_IN, "core"))]


@spoiling
def a_constraint_is_added_that_does_not_hold(world: World) -> Found:
    world.project.write("limits.txt", "checker<1.10\nunrelated<1\n")
    world.append(DEV_IN, "-c ../limits.txt\n")
    return [("lock-stale", "limits.txt:1")]


@spoiling
def a_requirement_becomes_a_url(world: World) -> Found:
    world.edit(MAIN_IN, "app>=1.0", "app @ https://pkgs.example.com/app-1.0-py3-none-any.whl")
    return [("lock-stale", world.at(MAIN_IN, "app"))]


@spoiling
def a_requirement_becomes_a_vcs_line(world: World) -> Found:
    world.edit(MAIN_IN, "app>=1.0", "app @ git+https://code.example.com/app.git")
    return [("lock-stale", world.at(MAIN_IN, "app"))]


@spoiling
def a_directory_is_added_to_a_source(world: World) -> Found:
    return [("lock-stale", world.append(MAIN_IN, "./vendored/own\n"))]


@spoiling
def a_line_is_removed_from_a_source(world: World) -> Found:
    world.edit(MAIN_IN, "lib[fast]>=2.0,<3\n", "")
    return [("lock-orphan", world.at(MAIN, "lib"))]


@spoiling
def a_requirement_leaves_that_the_base_still_pins(world: World) -> Found:
    world.project.write(DEV_IN, "-c main.txt\ncore\n")
    return [("lock-orphan", world.at(DEV, "tool"))]


@spoiling
def a_lock_is_missing(world: World) -> Found:
    (world.root / DEV).unlink()
    return [("lock-missing", DEV)]


@spoiling
def a_pin_was_deleted_by_hand(world: World) -> Found:
    world.edit(MAIN, world.block(MAIN, "lib"), "")
    return [("lock-stale", world.at(MAIN_IN, "lib"))]


# Leaks


@spoiling
def a_lock_holds_a_password(world: World) -> Found:
    return [("lock-leak", world.append(MAIN, f"--index-url https://me:{SECRET}@pkgs.example.com/simple/\n"))]


@spoiling
def a_lock_holds_a_token(world: World) -> Found:
    return [("lock-leak", world.append(MAIN, f"--extra-index-url=https://{SECRET}@pkgs.example.com/simple/\n"))]


@spoiling
def a_lock_holds_a_signed_url(world: World) -> Found:
    return [("lock-leak", world.append(MAIN, f"--find-links https://pkgs.example.com/wheels/?sig={SECRET}\n"))]


@spoiling
def a_lock_holds_a_path(world: World) -> Found:
    return [("lock-leak", world.append(MAIN, "--find-links ../somewhere/wheels\n"))]


@spoiling
def a_lock_holds_a_file_url(world: World) -> Found:
    return [("lock-leak", world.append(MAIN, "--find-links file:///srv/wheels\n"))]


@spoiling
def the_header_of_a_lock_holds_a_password(world: World) -> Found:
    world.edit(MAIN, "--no-emit-index-url", f"--index-url=https://me:{SECRET}@pkgs.example.com/simple/")
    return [("lock-leak", f"{MAIN}:1")]


@spoiling
def the_url_of_a_pin_holds_a_password(world: World) -> Found:
    url = f"https://me:{SECRET}@pkgs.example.com/app-1.0-py3-none-any.whl"
    world.edit(MAIN, "app==1.0", f"app @ {url}")
    return [("lock-leak", world.at(MAIN, "app"))]


@spoiling
def a_vcs_line_holds_a_token(world: World) -> Found:
    where = world.append(MAIN, f"own @ git+https://{SECRET}@code.example.com/own.git\n    # via app\n")
    return [("lock-leak", where), ("pin-unlockable", where)]


# Warnings: exit status 0, with --strict 1


@spoiling
def a_lock_names_an_index(world: World) -> Found:
    return [("lock-leak?", world.append(MAIN, "--index-url https://pkgs.example.com/simple/\n"))]


@spoiling
def a_lock_trusts_a_host(world: World) -> Found:
    return [("lock-leak?", world.append(MAIN, "--trusted-host pkgs.example.com\n"))]


@spoiling
def a_lock_was_compiled_for_another_python(world: World) -> Found:
    world.edit(MAIN, worlds.header("main"), worlds.header("main", "3.99"))
    return [("lock-python?", f"{MAIN}:1")]


@pytest.mark.parametrize("name", SPOILINGS)
def test_what_is_spoiled_is_found_and_nothing_else(name: str, world: World):
    expected = SPOILINGS[name](world)
    warnings_only = all(rule.endswith("?") for rule, _ in expected)
    before = world.project.tree()
    result = world.check()
    assert worlds.printed(result.stdout) == expected, result
    assert result.status == (0 if warnings_only else 1), result
    assert result.stderr == "", result
    assert SECRET not in result.stdout, result
    assert result.stdout.count("  hint: ") == len(expected), result
    assert world.project.tree() == before
    assert world.check("--strict").status == 1


@pytest.mark.parametrize("name", [name for name in SPOILINGS if "hash" in name or "byte" in name or "place" in name])
def test_no_hint_offers_the_digest_that_is_there(name: str, world: World):
    SPOILINGS[name](world)
    hints = [line for line in world.check().stdout.splitlines() if line.startswith("  hint:")]
    assert hints
    for wheel in world.house.glob("*.whl"):
        assert not any(sha256(wheel) in hint for hint in hints)


def test_every_rule_is_spoiled_at_least_once(sound: World, tmp_path: Path):
    shown: set[str] = set()
    for number, spoil in enumerate(SPOILINGS.values()):
        shown |= {rule.removesuffix("?") for rule, _ in spoil(sound.copied(tmp_path / str(number)))}
    # What is built from source is spoiled in test_builds, environments in test_environment, acceptances in test_accept.
    elsewhere = {"wheel-unrecorded", "env-missing", "env-extra", "env-differs", "accept-stale"}
    assert shown == set(RULES) - elsewhere


def test_the_sound_world_has_no_finding(world: World):
    before = world.project.tree()
    result = world.check("--strict")
    assert (result.status, result.stdout, result.stderr) == (0, "ok: 2 locks, 9 pins, 8 wheels\n", ""), result
    assert world.project.tree() == before


# What is not a finding


@harmless
def requirements_that_the_pins_satisfy_already(world: World) -> None:
    world.append(MAIN_IN, "core>=1.2\nspeed<1\nAPP==1.0\nlib>=2\n")


@harmless
def a_requirement_for_another_platform(world: World) -> None:
    world.append(MAIN_IN, 'newcomer ; sys_platform == "no-such-platform"\n./own ; python_version < "3"\n')


@harmless
def a_constraint_for_another_platform_or_on_what_is_not_pinned(world: World) -> None:
    world.project.write("limits.txt", 'checker<1 ; sys_platform == "no-such-platform"\nunpinned<1\n')
    world.append(DEV_IN, "-c ../limits.txt\n")


@harmless
def comments_blanks_and_blank_lines(world: World) -> None:
    world.edit(MAIN_IN, "app>=1.0\n", "\n# a word\n  app >= 1.0   # and another\n\n\t\n")
    world.edit(MAIN, "app==1.0", "# by hand\n\napp==1.0")


@harmless
def carriage_returns(world: World) -> None:
    for path in (MAIN, MAIN_IN, DEV, DEV_IN):
        world.project.write(path, world.project.read(path).replace("\n", "\r\n"))


@harmless
def other_spellings_of_names(world: World) -> None:
    world.edit(MAIN, "foo-bar==1.0", "FOO_Bar==1.0")
    world.edit(MAIN_IN, "Foo.Bar~=1.0", "foo--bar~=1.0")
    world.edit(DEV_IN, "core>=1.1", "Core>=1.1")


@harmless
def other_spellings_of_a_version(world: World) -> None:
    world.edit(DEV, "core==1.10", "core==1.10.0")
    world.edit(MAIN, "app==1.0", "app==v1")


@harmless
def no_header(world: World) -> None:
    world.edit(MAIN, worlds.header("main"), "")


@harmless
def a_header_that_an_update_bot_rewrote(world: World) -> None:
    command = "pip-compile --allow-unsafe --generate-hashes --no-emit-index-url --output-file=requirements/main.txt"
    world.edit(MAIN, command, "pip-compile --generate-hashes --output-file=main.txt")


@harmless
def a_pin_that_an_update_bot_moved(world: World) -> None:
    old = world.block(MAIN, "foo")
    wheel = build_wheel(world.house, "foo", "1.0.1")
    world.house.joinpath("foo-1.0-py3-none-any.whl").unlink()
    hashes = (made_up("foo"), f"sha256:{sha256(wheel)}")
    world.edit(MAIN, old, str(Entry(pin="foo==1.0.1", hashes=hashes, via=(f"-r {MAIN_IN}",))))


@harmless
def annotations_on_one_line(world: World) -> None:
    block = world.block(DEV, "core")
    one_line = block[: block.index("    # via")] + f"    # via -c {MAIN}, -r {DEV_IN}, tool\n"
    world.edit(DEV, block, one_line)


@harmless
def pins_with_markers_that_exclude_each_other(world: World) -> None:
    block = world.block(MAIN, "app")
    world.edit(MAIN, "app==1.0", 'app==1.0 ; python_version >= "3"')
    world.append(MAIN, block.replace("app==1.0", 'app==0.9 ; python_version < "3"'))


@harmless
def a_pin_for_another_platform(world: World) -> None:
    entry = Entry(pin="winonly==1.0", hashes=(made_up("x"),), via=("app",), marker='sys_platform == "no-such-platform"')
    world.append(MAIN, str(entry))


@harmless
def a_pin_that_is_arbitrarily_equal(world: World) -> None:
    world.edit(MAIN, "app==1.0", "app===1.0")


@harmless
def a_pin_by_url(world: World) -> None:
    world.edit(MAIN, "app==1.0", "app @ https://pkgs.example.com/app-1.0-py3-none-any.whl")


@harmless
def a_stronger_hash(world: World) -> None:
    import hashlib

    digest = hashlib.sha512(world.wheel("app").read_bytes()).hexdigest()
    world.rewrite(MAIN, "app", Entry(pin="app==1.0", hashes=(f"sha512:{digest}",), via=(f"-r {MAIN_IN}",)))


@harmless
def a_weak_hash_beside_a_strong_one(world: World) -> None:
    world.edit(MAIN, "app==1.0", f"app==1.0 --hash={made_up('app', 'md5')}")


@harmless
def a_locked_wheel_of_another_platform(world: World) -> None:
    [wheel] = world.shelf.iterdir()
    (world.house / wheel.name).write_bytes(wheel.read_bytes())


@harmless
def a_wheel_of_a_pin_for_another_platform(world: World) -> None:
    wheel = build_wheel(world.house, "winonly", "1.0")
    marker = 'sys_platform == "no-such-platform"'
    world.append(MAIN, str(Entry(pin="winonly==1.0", hashes=(f"sha256:{sha256(wheel)}",), via=("app",), marker=marker)))


@harmless
def what_version_control_keeps_in_a_directory(world: World) -> None:
    for name in (".gitignore", ".gitkeep", ".gitattributes"):
        world.project.write(f"{HOUSE}/{name}", "*\n")


@harmless
def what_lockhouse_keeps_in_the_wheelhouse(world: World) -> None:
    world.project.write(f"{HOUSE}/SHA256SUMS", "nonsense\n")
    world.project.write(f"{HOUSE}/.lockhouse/manifest.json", json.dumps({"schema": 99}))
    world.project.write(f"{HOUSE}/.lockhouse/tmp/half.part", "half a wheel")


@harmless
def an_index_in_a_source(world: World) -> None:
    world.append(MAIN_IN, "--extra-index-url https://pkgs.example.com/simple/\n")


@harmless
def a_requirements_file_that_includes_another(world: World) -> None:
    world.project.write("shared/base.in", "foo\nlib[fast]>=2.0\n")
    world.edit(MAIN_IN, "foo\nlib[fast]>=2.0,<3\n", "-r ../shared/base.in\n")
    world.edit(MAIN, world.block(MAIN, "foo"), world.block(MAIN, "foo").replace(MAIN_IN, "shared/base.in"))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_no_finding(name: str, world: World):
    HARMLESS[name](world)
    result = world.check("--strict")
    assert worlds.printed(result.stdout) == [], result
    assert result.status == 0, result
    assert "note: " not in result.stdout, result


# What was not judged is said


def test_a_lock_without_annotations_is_judged_as_far_as_it_goes(world: World):
    text = world.project.read(MAIN)
    world.project.write(MAIN, "".join(line for line in text.splitlines(True) if not line.startswith("    #")))
    world.edit(MAIN_IN, "foo\n", "")
    result = world.check("--locks-only")
    assert result.status == 0, result
    assert f"note: {MAIN} has no `via` comments: pins that nothing asks for were not judged\n" in result.stdout
    where = world.append(MAIN_IN, "newcomer\n")
    assert worlds.printed(world.check("--locks-only").stdout) == [("lock-stale", where)]


@pytest.mark.parametrize(
    "header",
    [
        "# This file was autogenerated by uv via the following command:\n#    uv pip compile main.in -o main.txt\n",
        (
            "#\n# This file is autogenerated by pip-compile with Python {series}\n# by the following command:\n#\n"
            "#    pip-compile --generate-hashes --strip-extras main.in\n#\n"
        ),
    ],
    ids=["uv", "strip-extras"],
)
def test_a_lock_that_drops_extras_is_not_judged_for_them(header: str, world: World):
    from lockhouse.target import running

    world.edit(MAIN, worlds.header("main"), header.format(series=running().series))
    world.edit(MAIN, "lib[fast]==2.1", "lib==2.1")
    result = world.check("--strict", "--locks-only")
    assert result.status == 0, result
    assert f"note: {MAIN} keeps no extras: those that its sources ask for were not judged\n" in result.stdout


def test_a_layer_without_sources_is_judged_by_its_lock_alone(world: World):
    world.project.write("pyproject.toml", f'[tool.lockhouse.layers]\napp = {{ lock = "{MAIN}", sources = [] }}\n')
    for name in ("tool", "checker"):
        world.wheel(name).unlink()
    result = world.check("--strict")
    assert result.status == 0, result
    assert f"note: {MAIN} has no sources here: whether it is fresh was not judged\n" in result.stdout
    world.drop_hashes(MAIN, "app")
    assert worlds.printed(world.check().stdout) == [("pin-unhashed", world.at(MAIN, "app"))]


# What the wheels themselves require, and what was not judged


def test_a_lock_is_judged_by_its_wheels_where_it_has_no_annotations(world: World):
    text = world.project.read(MAIN)
    world.project.write(MAIN, "".join(line for line in text.splitlines(True) if not line.startswith("    #")))
    world.edit(MAIN_IN, "foo\n", "")
    result = world.check()
    assert worlds.printed(result.stdout) == [("pin-unreachable?", world.at(MAIN, "foo=="))]
    assert "note: " not in result.stdout, result
    world.wheel("core").unlink()
    result = world.check()
    assert f"note: {MAIN} has no `via` comments: pins that nothing asks for were not judged\n" in result.stdout
    assert result.stdout.endswith("the dependency rules wait until every pin has its wheel\n"), result


# How it is asked


def test_layers_that_are_named_limit_what_must_be_there(world: World):
    world.wheel("tool").unlink()
    world.wheel("app").unlink()
    assert worlds.printed(world.check("dev").stdout) == [("wheel-missing", world.at(DEV, "tool"))]
    assert worlds.printed(world.check("main").stdout) == [("wheel-missing", world.at(MAIN, "app"))]
    assert worlds.printed(world.check(MAIN_IN, DEV).stdout) == worlds.printed(world.check().stdout)


def test_what_other_layers_ask_for_is_not_extra(world: World):
    result = world.check("main", "--strict")
    assert (result.status, result.stdout) == (0, "ok: 1 lock, 6 pins, 6 wheels\n"), result


def test_findings_of_layers_that_are_not_named_are_not_reported(world: World):
    world.edit(DEV, "core==1.10", "core==1.1")
    world.append(DEV_IN, "newcomer\n")
    world.drop_hashes(DEV, "tool")
    assert world.check("main", "--strict").status == 0


def test_without_a_lock_only_what_the_others_pin_can_be_extra(world: World):
    (world.root / DEV).unlink()
    impostor = build_wheel(world.house, "app", "1.0", build="1")
    build_wheel(world.house, "stray", "1.0")
    result = world.check()
    assert worlds.printed(result.stdout) == [("lock-missing", DEV), ("wheel-extra", in_house(impostor))]
    assert f"note: without {DEV}, wheels that nothing asks for were not judged\n" in result.stdout, result
    assert "were not judged" not in world.check("--locks-only").stdout


def test_an_edited_pin_does_not_hide_what_is_extra(world: World):
    world.edit(MAIN_IN, "foo\n", "")
    world.edit(MAIN, world.block(MAIN, "foo"), "")
    # Nothing asks for foo any more: neither a source nor a lock.
    assert worlds.printed(world.check().stdout) == [("wheel-extra", f"{HOUSE}/foo-1.0-py3-none-any.whl")]


def test_locks_only_leaves_the_wheelhouse_aside(world: World):
    flip_byte(world.wheel("core"))
    world.wheel("app").unlink()
    result = world.check("--locks-only", "--strict")
    assert (result.status, result.stdout) == (0, "ok: 2 locks, 9 pins\n"), result
    where = world.append(MAIN_IN, "newcomer\n")
    assert worlds.printed(world.check("--locks-only").stdout) == [("lock-stale", where)]


def test_all_findings_come_at_once_and_sorted(world: World):
    expected = [
        ("wheel-extra", in_house(build_wheel(world.house, "stray", "1.0"))),
        ("lock-stale", world.append(MAIN_IN, "newcomer\n")),
        ("lock-stale", world.append(MAIN_IN, "second\n")),
        ("lock-leak?", world.append(DEV, "--index-url https://pkgs.example.com/simple/\n")),
        ("hash-mismatch", in_house(flip_byte(world.wheel("core")))),
    ]
    world.drop_hashes(MAIN, "speed")
    expected.append(("pin-unhashed", world.at(MAIN, "speed")))
    result = world.check()
    found = worlds.printed(result.stdout)
    assert sorted(found) == sorted(expected), result

    def place(found: tuple[str, str]) -> tuple[str, int]:
        path, _, line = found[1].partition(":")
        return path, int(line or 0)

    assert found == sorted(found, key=place)
    assert result.stdout.endswith(
        "5 findings, 1 warning: 2 locks, 9 pins, 6 wheels; the dependency rules wait until every pin has its wheel\n"
    ), result


def test_a_project_that_two_environments_pin_differently_needs_both_wheels(world: World):
    world.project.write("pyproject.toml", '[tool.lockhouse]\nenvironments = { a = ["main"], b = ["dev"] }\n')
    # The later layer is of another environment, and builds on the first no more.
    world.edit(DEV_IN, "-c main.txt\n", "")
    wheel = build_wheel(world.house, "core", "1.11")
    world.rewrite(DEV, "core", Entry(pin="core==1.11", hashes=(f"sha256:{sha256(wheel)}",), via=("tool",)))
    assert world.check("--strict").status == 0
    flip_byte(wheel)
    flip_byte(world.house / "core-1.10-py3-none-any.whl")
    result = world.check()
    assert worlds.printed(result.stdout) == [
        ("hash-mismatch", f"{HOUSE}/core-1.10-py3-none-any.whl"),
        ("hash-mismatch", f"{HOUSE}/core-1.11-py3-none-any.whl"),
    ], result


def test_a_hash_mismatch_says_which_pin_the_bytes_do_not_answer(world: World):
    wheel = world.wheel("core")
    world.drop_hashes(DEV, "core", only=f"sha256:{sha256(wheel)}")
    result = world.check()
    assert f"  pin:    {world.at(DEV, 'core')}\n" in result.stdout, result
    assert f"  locked: {made_up('core-1.10.tar.gz')}\n  actual: sha256:{sha256(wheel)}\n" in result.stdout, result


def test_check_uses_no_network_and_imports_nothing_slow(world: World, offline: tuple[str, ...], home: Path):
    scripts = Path(__file__).resolve().parents[1] / "scripts"
    code = (
        "import os, sys; from pathlib import Path; from lockhouse.cli import run\n"
        "status = run(['check', '--strict'], cwd=Path.cwd(), environ=os.environ, stdout=sys.stdout, stderr=sys.stderr)\n"
        "heavy = {'pip', 'piptools', 'rich', 'ssl', 'requests', 'http.client', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else status)\n"
    )
    before = world.project.tree()
    run = Project(world.root, clean_environ(home) | {"PYTHONPATH": str(scripts), "PYTHONDONTWRITEBYTECODE": "1"})
    result = run.execute(*offline, sys.executable, "-c", code)
    assert result.status == 0, result
    assert result.stdout.startswith("ok: "), result
    assert world.project.tree() == before
