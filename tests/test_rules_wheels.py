"""The wheelhouse against the locks: each project is one finding, and it says what to do."""

from pathlib import Path

import pytest

from support import worlds
from support.wheels import build_wheel, flip_byte, rewrite_wheel, sha256
from support.worlds import DEV, HOUSE, MAIN, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return worlds.make(tmp_path / "world", tmp_path / "home")


def block(world: World) -> str:
    """Return what is printed about the only finding, without its place."""
    *lines, _ = world.check().stdout.splitlines()
    assert sum(not line.startswith(" ") for line in lines) == 1, lines
    return "\n".join([lines[0].partition(": ")[2], *lines[1:]])


def test_a_missing_wheel_says_where_it_should_be(world: World):
    world.wheel("core").unlink()
    assert block(world) == ("wheel-missing: core==1.10 has no wheel in wheelhouse\n  hint: run `make wheelhouse`")


def test_a_missing_and_an_extra_wheel_of_one_project_are_one_finding(world: World):
    world.wheel("core").unlink()
    for version in ("1.1", "1.9"):
        build_wheel(world.house, "core", version)
    assert block(world) == (
        "wheel-missing: core==1.10 has no wheel in wheelhouse\n"
        "  instead: core-1.1-py3-none-any.whl, core-1.9-py3-none-any.whl\n"
        "  hint: run `make wheelhouse`"
    )


def test_a_wheel_that_is_a_link_says_so(world: World):
    wheel = world.wheel("core")
    wheel.symlink_to(wheel.rename(world.root / "hidden.whl"))
    assert block(world) == (
        "wheel-missing: core==1.10 has no wheel in wheelhouse\n"
        "  core-1.10-py3-none-any.whl: a symbolic link, not a file: its bytes can change from outside\n"
        "  hint: run `make wheelhouse`"
    )


def test_a_stray_file_of_another_project_does_not_explain_a_missing_wheel(world: World):
    (world.house / "foo-1.0-py3-none-any.whl").unlink()
    (world.house / "foo_bar-2.0-py3-none-any.whl").symlink_to(world.wheel("core"))
    assert worlds.printed(world.check().stdout) == [
        ("wheel-missing", world.at(MAIN, "foo==")),
        ("wheel-extra", f"{HOUSE}/foo_bar-2.0-py3-none-any.whl"),
    ]


def test_wrong_bytes_show_both_digests_and_the_pin(world: World):
    wheel = world.wheel("tool")
    locked = min(f"sha256:{sha256(wheel)}", worlds.made_up("tool-3.0.tar.gz"))
    flip_byte(wheel)
    assert block(world) == (
        "hash-mismatch: these are not the bytes that are locked for tool==3.0\n"
        f"  pin:    {world.at(DEV, 'tool')}\n"
        f"  locked: {locked} or one of 1 more\n"
        f"  actual: sha256:{sha256(wheel)}\n"
        "  hint: run `make wheelhouse`, which fetches the locked ones; if it was the lock that changed, take that back"
    )


def test_a_wheel_of_another_platform_that_nobody_locked_is_not_called_altered(world: World):
    world.wheel("core").unlink()
    build_wheel(world.house, "core", "1.10", tag="cp311-cp311-win_amd64")
    assert worlds.printed(world.check().stdout) == [("wheel-missing", world.at(MAIN, "core"))]
    assert "  instead: core-1.10-cp311-cp311-win_amd64.whl\n" in world.check().stdout


def test_an_extra_wheel_says_which_one_is_the_right_one(world: World):
    build_wheel(world.house, "core", "1.10", build="1")
    assert block(world).startswith("wheel-extra: nothing asks for this wheel on cp311-")
    assert "\n  instead of: core-1.10-py3-none-any.whl\n" in block(world)


def test_an_unrelated_wheel_says_only_that_nothing_asks_for_it(world: World):
    build_wheel(world.house, "stray", "1.0")
    assert "instead" not in block(world)


def test_a_file_that_make_wheelhouse_leaves_alone_comes_with_a_command_that_does_not(world: World):
    world.project.write(f"{HOUSE}/old wheels/notes.txt", "was here")
    assert block(world) == "wheel-extra: a directory, not a wheel\n  hint: `rm -r 'wheelhouse/old wheels'`"


def test_an_empty_wheelhouse_is_not_one_finding_a_wheel_when_it_is_not_there(world: World):
    world.house.rename(world.root / "elsewhere")
    assert block(world) == (
        "wheel-missing: there is no wheelhouse yet, and 8 wheels to put into it\n  hint: run `make wheelhouse`"
    )
    world.house.mkdir()
    assert len(worlds.printed(world.check().stdout)) == 8


def test_no_wheelhouse_is_needed_when_there_is_nothing_to_put_into_it(tmp_path: Path, environ: dict[str, str]):
    from support.project import Project

    project = Project(tmp_path / "empty", environ)
    project.write("requirements/main.in", "# nothing\n")
    project.write("requirements/main.txt", worlds.header("main"))
    result = project.call("check", "--strict")
    assert (result.status, result.stdout) == (0, "ok: 1 lock, 0 pins, 0 wheels\n"), result


def test_a_pin_without_a_hash_is_not_reported_again_by_its_wheel(world: World):
    world.drop_hashes(MAIN, "app")
    wheel = world.wheel("app")
    for change in (wheel.unlink, lambda: wheel.symlink_to(world.wheel("core"))):
        change()
        assert worlds.printed(world.check().stdout) == [("pin-unhashed", world.at(MAIN, "app"))]


def test_a_wheelhouse_elsewhere_is_shown_by_its_whole_path(world: World, tmp_path: Path):
    outside = tmp_path / "outside"
    world.house.rename(outside)
    world.project.write("pyproject.toml", f"[tool.lockhouse]\nwheelhouse = '{outside}'\n")
    assert world.check().status == 0
    flip_byte(outside / "core-1.10-py3-none-any.whl")
    assert worlds.printed(world.check().stdout) == [("hash-mismatch", str(outside / "core-1.10-py3-none-any.whl"))]


def test_a_wheel_with_wrong_bytes_is_not_opened(world: World):
    wheel = world.wheel("core")
    rewrite_wheel(wheel, lambda members: members.clear())
    assert worlds.printed(world.check().stdout) == [("hash-mismatch", f"{HOUSE}/{wheel.name}")]


def test_only_wheels_that_answer_a_named_layer_are_opened(world: World):
    wheel = world.wheel("tool")
    before = sha256(wheel)
    rewrite_wheel(wheel, lambda members: members.pop("tool-3.0.dist-info/RECORD"))
    world.relock("tool", before)
    assert world.check("main").status == 0
    assert worlds.printed(world.check("dev").stdout) == [("wheel-broken", f"{HOUSE}/{wheel.name}")]


def test_a_wheel_for_another_python_says_which(world: World):
    wheel = world.wheel("core")
    before = sha256(wheel)
    build_wheel(world.house, "core", "1.10", requires_python=">=3.99")
    world.relock("core", before)
    assert block(world).startswith("wheel-unusable: requires Python >=3.99, and the target has 3.")
    assert block(world).endswith("lock another release: write `core!=1.10` into a source, then run `make lock`")


def test_a_stray_only_explains_its_own_sdist(world: World):
    (world.house / "foo-1.0-py3-none-any.whl").unlink()
    world.project.write(f"{HOUSE}/foo_bar-1.0.tar.gz", "an sdist")
    assert worlds.printed(world.check().stdout) == [
        ("wheel-missing", world.at(MAIN, "foo==")),
        ("wheel-extra", f"{HOUSE}/foo_bar-1.0.tar.gz"),
    ]


def test_a_file_whose_name_says_nothing_does_not_explain_a_missing_wheel(world: World):
    world.wheel("core").unlink()
    for name in ("core.whl", "core-1.10.txt", "core"):
        world.project.write(f"{HOUSE}/{name}", "was here")
    assert worlds.printed(world.check().stdout) == [
        ("wheel-missing", world.at(MAIN, "core")),
        ("wheel-extra", f"{HOUSE}/core"),
        ("wheel-extra", f"{HOUSE}/core-1.10.txt"),
        ("wheel-extra", f"{HOUSE}/core.whl"),
    ]


# Two wheels, one path


def meeting(world: World, path: str, one: str, other: str) -> list[tuple[str, str]]:
    """Let two wheels of one environment hold a path, and return what is found."""
    for name, text in (("app", one), ("core", other)):
        before = sha256(world.wheel(name))
        rewrite_wheel(world.wheel(name), lambda members, text=text: members.update({path: text.encode()}))  # type: ignore[misc]
        world.relock(name, before)
    return worlds.printed(world.check().stdout)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("shared/module.py", "wheel-broken"),
        ("module.py", "wheel-broken"),
        ("hook.pth", "wheel-broken"),
        ("shared/__init__.py", "wheel-broken?"),
        ("tests/conftest.py", "wheel-broken?"),
        ("LICENSE", "wheel-broken?"),
    ],
)
def test_two_wheels_that_write_one_path_are_named(path: str, rule: str, world: World):
    core = f"{HOUSE}/{world.wheel('core').name}"
    assert meeting(world, path, "one", "other") == [(rule, core)]
    assert "writes other bytes to a path that app-1.0-py3-none-any.whl writes, too" in world.check().stdout
    assert f"\n  path: '{path}'\n" in world.check().stdout


def test_one_file_in_two_wheels_is_harmless(world: World):
    assert meeting(world, "shared/__init__.py", "same", "same") == []
    assert world.check("--strict").status == 0


def test_a_command_of_two_wheels_is_named_however_it_is_made(world: World):
    before = sha256(world.wheel("app"))
    build_wheel(world.house, "app", "1.0", requires=["core>=1.0"], entry_points={"go": "app:main"})
    world.relock("app", before)
    before = sha256(world.wheel("core"))
    build_wheel(world.house, "core", "1.10", files={"core-1.10.data/scripts/go": "#!python"})
    world.relock("core", before)
    assert worlds.printed(world.check().stdout) == [("wheel-broken", f"{HOUSE}/{world.wheel('core').name}")]
    assert "'scripts/go'" in world.check().stdout


def test_wheels_that_are_never_installed_together_may_write_one_path(world: World):
    for name in ("app", "checker"):
        before = sha256(world.wheel(name))
        rewrite_wheel(world.wheel(name), lambda members, name=name: members.update({"shared/x.py": name.encode()}))  # type: ignore[misc]
        world.relock(name, before)
    assert [rule for rule, _ in worlds.printed(world.check().stdout)] == ["wheel-broken"]
    world.project.write("pyproject.toml", "[tool.lockhouse]\nenvironments = { a = ['main'], b = ['dev'] }\n")
    assert worlds.printed(world.check().stdout) == []


def test_only_a_deep_check_hashes_the_members(world: World):
    wheel = world.wheel("core")
    before = sha256(wheel)
    rewrite_wheel(wheel, lambda members: members.update({"core/__init__.py": b"other = True"}), stale_record=True)
    world.relock("core", before)
    assert world.check().status == 0
    result = world.check("--deep")
    assert worlds.printed(result.stdout) == [("wheel-broken", f"{HOUSE}/{wheel.name}")]
    assert "'core/__init__.py' is not what RECORD states (sha256=" in result.stdout
    assert world.check("--deep", "--locks-only").status == 2
