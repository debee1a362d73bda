"""Of a local project's folder, what its authors wrote is copied and counted, and what builds and tools leave is not."""

import subprocess
from pathlib import Path

import pytest

from lockhouse.local import tree
from support.project import Project

SOURCES = ("pyproject.toml", "app/__init__.py", "src/app/build/x.py", "src/app/dist/y.py", "requirements/build/app.in")
LEFT = (
    "build/lib/app/__init__.py",
    "dist/app-1.tar.gz",
    "app.egg-info/PKG-INFO",
    "src/app.egg-info/PKG-INFO",
    "app/__pycache__/x.pyc",
    "env/pyvenv.cfg",
    "env/lib/six.py",
    "node_modules/x/y.js",
    ".tox/x",
    ".mypy_cache/x",
    ".coverage",
    ".lockhouse/tools/x",
    "wheels/six-1-py3-none-any.whl",
)


@pytest.fixture
def folder(tmp_path: Path) -> Project:
    project = Project(tmp_path / "app", {})
    for path in (*SOURCES, *LEFT):
        project.write(path, path)
    return project


def test_what_was_left_behind_is_neither_copied_nor_counted(folder, tmp_path):
    without = frozenset({folder.root / "wheels"})
    copied, git = tree.copy(folder.root, tmp_path / "copy", without)
    found = [path.relative_to(copied).as_posix() for path in copied.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(SOURCES)
    assert git is None
    assert copied.name == "app"
    before = tree.digest(folder.root, without)
    folder.write("build/lib/other.py", "")
    folder.write("app/__pycache__/other.pyc", "")
    assert tree.digest(folder.root, without) == before
    assert tree.digest(copied) == before


def test_a_package_that_is_called_build_is_source(folder, tmp_path):
    folder.write("build/__init__.py", "")
    copied, _ = tree.copy(folder.root, tmp_path / "copy")
    assert (copied / "build" / "lib" / "app" / "__init__.py").is_file()


@pytest.mark.parametrize("path", ["pyproject.toml", "app/new.py", "app/data.bin"])
def test_every_file_counts(folder, path):
    before = tree.digest(folder.root)
    folder.write(path, b"\0other")
    assert tree.digest(folder.root) != before


def test_names_and_the_executable_bit_count(folder):
    before = tree.digest(folder.root)
    (folder.root / "pyproject.toml").chmod(0o755)
    executable = tree.digest(folder.root)
    (folder.root / "app/__init__.py").rename(folder.root / "app/main.py")
    assert len({before, executable, tree.digest(folder.root)}) == 3


def test_links_within_stay_links_and_others_become_what_they_lead_to(folder, tmp_path):
    outside = Project(tmp_path / "outside", {})
    outside.write("LICENSE", "free")
    outside.write("data/x", "x")
    (folder.root / "LICENSE").symlink_to("../outside/LICENSE")
    (folder.root / "data").symlink_to("../outside/data")
    (folder.root / "same.toml").symlink_to("pyproject.toml")
    (folder.root / "nowhere").symlink_to("gone")
    copied, _ = tree.copy(folder.root, tmp_path / "deep" / "copy")
    assert not (copied / "LICENSE").is_symlink()
    assert (copied / "LICENSE").read_text() == "free"
    assert (copied / "data" / "x").read_text() == "x"
    assert str((copied / "same.toml").readlink()) == "pyproject.toml"
    assert str((copied / "nowhere").readlink()) == "gone"
    before = tree.digest(folder.root)
    outside.write("LICENSE", "not free")
    assert tree.digest(folder.root) != before


def _git(folder: Path, *argv: str) -> str:
    options = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *options, *argv], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(folder: Project, tmp_path: Path) -> Path:
    """The folder above, which is a repository with everything that is source committed and tagged."""
    (tmp_path / ".gitignore").write_text("\n".join(["home", "copy", *(f"/app/{path}" for path in LEFT)]) + "\n")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    _git(tmp_path, "tag", "v1.0")
    return tmp_path


def test_versions_can_be_told_from_tags_in_a_copy(repository, tmp_path_factory):
    into = tmp_path_factory.mktemp("elsewhere")
    copied, git = tree.copy(repository, into / "top")
    assert git == repository / ".git"
    assert _git(copied, "describe", "--tags", "--dirty") == "v1.0"
    below, _ = tree.copy(repository / "app", into / "below")
    assert below == into / "below" / "app"
    assert _git(below, "describe", "--tags") == "v1.0"
    assert _git(below, "rev-parse", "--show-toplevel") == str(into / "below")


def test_a_linked_work_tree_leads_to_the_real_folder(repository, tmp_path_factory):
    linked = tmp_path_factory.mktemp("linked") / "tree"
    _git(repository, "worktree", "add", "-q", str(linked))
    copied, git = tree.copy(linked, tmp_path_factory.mktemp("copy") / "x")
    assert git is not None
    assert git.is_relative_to(repository / ".git" / "worktrees")
    assert _git(copied, "describe", "--tags", "--dirty") == "v1.0"


def test_a_new_tag_is_another_revision_and_a_folder_without_git_has_none(repository, environ, tmp_path_factory):
    before = tree.revision(repository / "app", environ)
    assert before.startswith("v1.0-0-g")
    _git(repository, "tag", "v1.1", "-m", "annotated tags go first")
    assert tree.revision(repository / "app", environ) != before
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert tree.revision(elsewhere, environ) == ""
    (elsewhere / ".git").write_text("gitdir: nowhere\n")
    assert tree.revision(elsewhere, environ) == ""
    assert tree.revision(repository, {**environ, "PATH": "/nowhere"}) == ""
