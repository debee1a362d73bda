"""The whole way, with real pip-compile, pip and index: lock, wheelhouse, check, install, and back after every spoiling."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.environment import clean_environ
from support.index import Index
from support.offline import assert_no_network
from support.project import Project, Result
from support.venvs import installed, make_venv, require_python
from support.wheels import build_sdist, build_wheel, flip_byte, sha256

MAIN = "requirements/main.txt"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the index has; `base` has an sdist too, so that its pin has two hashes."""
    folder = tmp_path_factory.mktemp("shelf")
    for version in ("1.0", "2.0"):
        build_wheel(folder, "app", version, requires=["base"], extras={"more": ["addon"]})
    build_wheel(folder, "base", "1.0")
    build_sdist(folder, "base", "1.0")
    build_wheel(folder, "addon", "1.0")
    build_wheel(folder, "tool", "1.0", requires=["base"])
    return folder


@pytest.fixture(scope="session")
def made(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that went the whole way, once for all tests, which copy it."""
    root = tmp_path_factory.mktemp("made")
    with Index(shelf) as index:
        project = Project(root / "project", clean_environ(root / "home") | {"PIP_INDEX_URL": index.url})
        project.write("requirements/main.in", "app<2\n")
        project.write("requirements/dev.in", "-c main.txt\ntool\n")
        for step in ("lock", "wheelhouse", "check", "install"):
            result = project.run(step)
            assert result.status == 0, result
    return project


@pytest.fixture
def sound(made: Project, shelf: Path, index: Index, tmp_path: Path, environ: dict[str, str]) -> Project:
    """A sound project of the test's own, and an index."""
    shutil.copytree(made.root, tmp_path / "sound", symlinks=True)
    shutil.copytree(shelf, index.directory, dirs_exist_ok=True)
    return Project(tmp_path / "sound", {**environ, "PIP_INDEX_URL": index.url, "PIP_RETRIES": "0"})


def done(project: Project, *argv: str) -> Result:
    result = project.call(*argv)
    assert result.status == 0, result
    return result


def edit(project: Project, path: str, pattern: str, replacement: str) -> None:
    before = project.read(path)
    after = re.sub(pattern, replacement, before)
    assert after != before
    project.write(path, after)


def test_the_sound_state_is_sound_and_every_step_has_nothing_to_do(sound: Project, index: Index):
    before = sound.tree(ignore=())
    for step in ("lock", "wheelhouse", "check", "install"):
        done(sound, step)
        assert sound.tree(ignore=()) == before, step
    assert not index.requests


# Spoiled in one place: nothing is installed, the mending command is named, and it mends


def _flip(project: Project) -> None:
    flip_byte(project.root / "wheelhouse" / "app-1.0-py3-none-any.whl")


def _delete(project: Project) -> None:
    (project.root / "wheelhouse" / "app-1.0-py3-none-any.whl").unlink()


def _stray(project: Project) -> None:
    build_wheel(project.root / "wheelhouse", "stray", "1.0")


def _impostor(project: Project) -> None:
    build_wheel(project.root / "wheelhouse", "app", "1.0", build="1", files={"app/__init__.py": "evil = True\n"})


def _pin(project: Project) -> None:
    edit(project, MAIN, r"app==1\.0", "app==1.1")


def _hash_in_use(project: Project) -> None:
    digest = sha256(project.root / "wheelhouse" / "base-1.0-py3-none-any.whl")
    for path in (MAIN, "requirements/dev.txt"):
        edit(project, path, rf" \\\n    --hash=sha256:{digest}", "")


def _all_hashes(project: Project) -> None:
    edit(project, MAIN, r"(app==1\.0)( \\\n    --hash=\S+)+", r"\1")


def _line(project: Project) -> None:
    project.write("requirements/main.in", "app<2\naddon\n")


def _extra(project: Project) -> None:
    project.write("requirements/main.in", "app[more]<2\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "rule", "hint", "mend"),
    [
        (_flip, "hash-mismatch", "make wheelhouse", ["wheelhouse"]),
        (_delete, "wheel-missing", "make wheelhouse", ["wheelhouse"]),
        (_stray, "wheel-extra", "make wheelhouse", ["wheelhouse"]),
        (_impostor, "wheel-extra", "make wheelhouse", ["wheelhouse"]),
        (_pin, "wheel-missing", "make wheelhouse", ["lock -P app", "wheelhouse"]),
        (_hash_in_use, "hash-mismatch", "make wheelhouse", ["lock -P base", "wheelhouse"]),
        (_all_hashes, "pin-unhashed", "make lock", ["lock"]),
        (_line, "lock-stale", "make lock", ["lock", "wheelhouse"]),
        (_extra, "lock-stale", "make lock", ["lock", "wheelhouse"]),
    ],
)
def test_what_is_spoiled_is_not_installed_and_can_be_mended(
    sound: Project, spoil, rule: str, hint: str, mend: list[str]
):
    done(sound, "install")
    venv = sound.tree(".venv", ignore=())
    spoil(sound)
    refused = sound.call("install")
    assert refused.status == 1, refused
    assert sound.tree(".venv", ignore=()) == venv
    assert re.findall(r": ([a-z]+-[a-z]+)(?: \(warning\))?: ", refused.stdout) == [rule]
    assert hint in refused.stdout
    assert "nothing was installed; .venv is as it was" in refused.stderr
    if mend[0].startswith("lock -P"):
        # The wheelhouse cannot be made to fit a lock that is wrong; it says what can be done about the lock.
        failed = sound.call("wheelhouse")
        assert failed.status == 1, failed
        assert f"hint: if the lock is out of date, run `make upgrade P={mend[0].split()[-1]}`" in failed.stderr
    for command in mend:
        done(sound, *command.split())
    done(sound, "install")
    assert installed(sound.root / ".venv").items() >= {("app", "1.0")}
    assert done(sound, "check").stdout.startswith("ok: ")


# Without a network


@pytest.mark.slow
def test_the_environment_is_made_anew_without_a_network(sound: Project, index: Index, offline: tuple[str, ...]):
    assert_no_network(offline)
    expected = installed(sound.root / ".venv")
    shutil.rmtree(sound.root / ".venv")
    for step in ("wheelhouse", "lock", "check", "install"):
        result = sound.run(step, prefix=offline)
        assert result.status == 0, result
    assert installed(sound.root / ".venv") == expected
    # The control from the inside: the same namespace does not let the same program fetch anything.
    (sound.root / "wheelhouse" / "app-1.0-py3-none-any.whl").unlink()
    failed = sound.run("wheelhouse", prefix=offline)
    assert failed.status == 1
    assert "app==1.0: " in failed.stderr
    assert not index.requests


# Other pins, other places


def test_a_pin_by_url_goes_the_whole_way(sound: Project, index: Index):
    url = f"http://{index.host}/files/tool-1.0-py3-none-any.whl"
    sound.write("requirements/dev.in", f"-c main.txt\ntool @ {url}\n")
    done(sound, "lock")
    assert f"tool @ {url} \\\n    --hash=sha256:" in sound.read("requirements/dev.txt")
    shutil.rmtree(sound.root / "wheelhouse")
    shutil.rmtree(sound.root / ".venv")
    index.reset_log()
    done(sound, "wheelhouse")
    assert "/simple/tool/" not in {request.path for request in index.requests}
    done(sound, "install")
    assert installed(sound.root / ".venv") == {"app": "1.0", "base": "1.0", "tool": "1.0"}
    index.reset_log()
    done(sound, "wheelhouse")
    assert not index.requests
    # What is no wheel of that project cannot be used, and that is said.
    edit(sound, "requirements/dev.txt", r"tool-1\.0-py3-none-any\.whl", "base-1.0.tar.gz")
    edit(sound, "requirements/dev.in", r"tool-1\.0-py3-none-any\.whl", "base-1.0.tar.gz")
    shutil.rmtree(sound.root / "wheelhouse")
    failed = sound.call("wheelhouse")
    assert failed.status == 1
    assert "tool @ URL: " in failed.stderr


@pytest.mark.slow
def test_every_step_works_from_a_folder_below(sound: Project):
    below = sound.root / "src" / "deep"
    below.mkdir(parents=True)
    sound.write("requirements/main.in", "app[more]<2\n")
    outputs = {}
    for step in ("lock", "wheelhouse", "install", "key"):
        outputs[step] = sound.run(step, cwd=below)
        assert outputs[step].status == 0, outputs[step]
    assert outputs["wheelhouse"].stdout.startswith("wheelhouse: fetched 1 ")
    assert outputs["key"].stdout == done(sound, "key").stdout
    assert list(below.iterdir()) == []
    assert set(sound.tree("requirements")) == {
        f"requirements/{name}" for name in ("main.in", "main.txt", "dev.in", "dev.txt")
    }
    assert installed(sound.root / ".venv").items() >= {("addon", "1.0")}


@pytest.mark.slow
def test_the_whole_way_works_under_any_path(shelf: Path, index: Index, tmp_path: Path, environ: dict[str, str]):
    shutil.copytree(shelf, index.directory, dirs_exist_ok=True)
    project = Project(tmp_path / "ein Ordner mit Ümläut & 'quote' #1", {**environ, "PIP_INDEX_URL": index.url})
    project.write("requirements/main.in", "app[more]\n")
    for step in ("lock", "wheelhouse", "install", "check"):
        result = project.run(step, env={"LANG": "C", "LC_ALL": "C"})
        assert result.status == 0, result
    assert installed(project.root / ".venv") == {"addon": "1.0", "app": "2.0", "base": "1.0"}
    assert str(tmp_path) not in project.read(MAIN)


# The key


def _comment(project: Project) -> None:
    project.write(MAIN, "# another comment\n\n" + project.read(MAIN).replace("# via", "#   via"))


def _reordered(project: Project) -> None:
    digests = re.findall(r"--hash=\S+", project.read(MAIN).split("base==")[1])
    first, second = digests
    text = project.read(MAIN)
    project.write(MAIN, text.replace(first, "X").replace(second, first).replace("X", second))


def _source_comment(project: Project) -> None:
    project.write("requirements/main.in", "# why\napp<2\n")


def _not_here(project: Project) -> None:
    project.write(MAIN, project.read(MAIN) + f"extra==1.0 ; python_version < '3' --hash=sha256:{'1' * 64}\n")


def _more_hashes(project: Project) -> None:
    edit(project, MAIN, r"app==1\.0 \\", rf"app==1.0 \\\n    --hash=sha256:{'1' * 64} \\")


KEPT: tuple[Callable[[Project], None], ...] = (_comment, _reordered, _source_comment, _not_here)
CHANGED: tuple[Callable[[Project], None], ...] = (_pin, _more_hashes)


def test_the_key_changes_with_what_is_needed_and_with_nothing_else(sound: Project):
    key = done(sound, "key").stdout.strip()
    assert re.fullmatch(r"lockhouse-1-cp3\d+-[a-z0-9_]+-[0-9a-f]{16}", key)
    lock = sound.read(MAIN)
    for spoil in KEPT:
        spoil(sound)
        assert done(sound, "key").stdout.strip() == key, spoil
        sound.write(MAIN, lock)
    seen = {key}
    for spoil in CHANGED:
        spoil(sound)
        seen.add(done(sound, "key").stdout.strip())
        sound.write(MAIN, lock)
    seen.add(done(sound, "key", "main").stdout.strip())
    assert len(seen) == 4
    assert done(sound, "key").stdout.strip() == key


def test_the_key_changes_with_the_target(sound: Project):
    python = require_python(3, 12) if sys.version_info[:2] != (3, 12) else require_python(3, 11)
    key = done(sound, "key").stdout
    shutil.rmtree(sound.root / ".venv")
    assert done(sound, "key").stdout == key
    make_venv(sound.root / ".venv", python)
    other = done(sound, "key").stdout
    assert other != key
    assert "." not in key + other
