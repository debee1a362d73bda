"""What builds a source distribution: read as pip and pypa/build read it, and never from outside of its folder."""

from collections.abc import Callable
from pathlib import Path, PurePath

import pytest

from lockhouse.buildsystem import BuildSystem
from lockhouse.errors import SdistError

TOP = "demo-1.0"
DEFAULT = BuildSystem(
    requires=("setuptools >= 40.8.0",), backend="setuptools.build_meta:__legacy__", backend_path=(), legacy=True
)


def system(folder: Path, text: str | None) -> BuildSystem:
    folder.joinpath("setup.py").touch()
    if text is not None:
        folder.joinpath("pyproject.toml").write_text(text, encoding="utf-8")
    return BuildSystem.read(folder, PurePath(f"{TOP}.tar.gz"))


@pytest.mark.parametrize("text", [None, "", "[project]\nname = 'demo'\n", "[tool.black]\nline-length = 120\n"])
def test_without_a_table_it_is_setuptools_as_for_pip_and_build(text: str | None, tmp_path: Path):
    assert system(tmp_path, text) == DEFAULT


def test_the_default_is_that_of_the_frontend_that_builds(tmp_path: Path):
    from build import ProjectBuilder

    (tmp_path / "setup.py").touch()
    assert ProjectBuilder(tmp_path).build_system_requires == set(DEFAULT.requires)


def test_a_table_without_a_backend_is_legacy_but_keeps_what_it_requires(tmp_path: Path):
    found = system(tmp_path, "[build-system]\nrequires = ['wheel', 'Cython < 3 ; python_version >= \"3\"']\n")
    assert found == BuildSystem(
        requires=("wheel", 'Cython < 3 ; python_version >= "3"'), backend=DEFAULT.backend, backend_path=(), legacy=True
    )


def test_an_own_backend_and_its_folders_are_read_in_their_order(tmp_path: Path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    found = system(
        tmp_path, "[build-system]\nrequires = []\nbuild-backend = 'x.y:z'\nbackend-path = ['b/c', 'b/..', 'b']\n"
    )
    assert (found.backend, found.backend_path, found.legacy) == ("x.y:z", ("b/c", "b/..", "b"), False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("build-system = 1", "'build-system' should be a table"),
        ("[build-system]", "'build-system' has no 'requires'"),
        ("[build-system]\nrequires = 'wheel'", "'requires' should be a list of strings"),
        ("[build-system]\nrequires = ['wheel', 1]", "'requires' should be a list of strings"),
        ("[build-system]\nrequires = ['wheel = 1']", "'wheel = 1' in 'requires' is no requirement: "),
        ("[build-system]\nrequires = []\nbuild-backend = ['x']", "'build-backend' should be the name of a module"),
        ("[build-system]\nrequires = []\nbuild-backend = ''", "'build-backend' should be the name of a module"),
        ("[build-system]\nrequires = []\nbackend-path = '.'", "'backend-path' should be a list of strings"),
        ("[build-system]\nrequires = []\nbuild_backend = 'x'", "'build-system' has a key that no backend knows: 'build_backend'"),
        ("[build-system", "is not valid TOML: "),
        ("x = " + "[" * 100_000, "is not valid TOML: "),
        ("x = " + "9" * 10_000, "is not valid TOML: "),
        ("#" * (2 << 20), "is larger than 1 MiB"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_named(text: str, said: str, tmp_path: Path):
    with pytest.raises(SdistError) as caught:
        system(tmp_path, text)
    assert caught.value.reason.startswith(said)
    assert str(caught.value.where) == f"{TOP}.tar.gz/pyproject.toml"
    assert caught.value.hint


@pytest.mark.parametrize(
    "backend_path", ["..", "/", "../other", "a/../..", "not-there", "setup.py", "out", "C:x", "loop"]
)
def test_an_own_backend_lies_in_the_tree(backend_path: str, tmp_path: Path):
    root = tmp_path / TOP
    for folder in (root / "a", tmp_path / "other"):
        folder.mkdir(parents=True)
    (root / "out").symlink_to("../other")
    (root / "loop").symlink_to("loop")
    with pytest.raises(SdistError) as caught:
        system(root, f"[build-system]\nrequires = []\nbackend-path = ['{backend_path}']\n")
    assert caught.value.reason == f"{backend_path!r} in 'backend-path' is no folder of the source distribution"


def test_an_own_backend_is_not_named_by_a_path_of_one_machine(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(SdistError, match="in 'backend-path' is no folder of the source distribution"):
        system(tmp_path, f"[build-system]\nrequires = []\nbackend-path = ['{tmp_path / 'a'}']\n")


def test_a_credential_in_a_requirement_is_not_shown(tmp_path: Path):
    with pytest.raises(SdistError) as caught:
        system(tmp_path, "[build-system]\nrequires = ['a @ https://me:hunter2@pkgs.example.com/a.zip ; x']\n")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to(path.name)])
def test_a_pyproject_toml_that_is_no_file_is_refused(make: Callable[[Path], None], tmp_path: Path):
    make(tmp_path / "pyproject.toml")
    with pytest.raises(SdistError, match="cannot be read: "):
        system(tmp_path, None)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(SdistError, match="is not valid TOML"):
        system(tmp_path, None)
