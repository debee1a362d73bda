"""What users' machines add to the environment changes nothing: lock, wheelhouse and installed files stay the same bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from support.environment import POLLUTIONS, clean_environ, polluted_environ
from support.features import INSTALLERS_OWN
from support.index import Index
from support.project import Project, Result
from support.venvs import installed, site_packages
from support.wheels import build_wheel

# Every way that is meant to change nothing. `pip-no-index` is left out: it says how to connect, and counts.
GROUPS = {
    "where pip looks": [
        *("pip-user-conf", "pip-legacy-conf", "pip-global-conf", "pip-find-links", "pip-extra-index", "pip-log"),
        *("uv-conf", "uv-find-links", "uv-index", "uv-no-binary", "uv-prerelease"),
    ],
    "what pip takes": [
        *("pip-named-conf", "pip-constraint", "pip-no-binary", "pip-pre", "pip-uploaded-prior-to", "pip-quiet"),
        *("pip-build-constraint", "build-flags", "compile-command"),
    ],
    "how pip takes it": [
        *("pip-only-binary", "pip-platform", "pip-no-deps", "pip-no-build-isolation", "pip-verbose"),
        *("pip-require-hashes", "python-warnings", "python-optimize", "virtual-env"),
    ],
    "where pip installs": ["pip-target", "pip-user", "pip-python", "pip-require-virtualenv", "user-site", "netrc"],
    "and where else": ["pip-prefix", "pip-root", "pip-dry-run", "python-encoding", "pydistutils", "pythonpath"],
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """An index, a folder of wheels that must not be used, and what comes out on a clean machine."""

    index: Index
    unwanted: Path
    lock: str
    house: dict[str, str]
    packages: dict[str, str]


def steps(project: Project) -> None:
    for step in ("lock", "wheelhouse", "install"):
        result = project.run(step)
        assert result.status == 0, result


def outcome(project: Project) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the lock, the wheelhouse with all that is in it, and the installed files by their paths."""
    packages = site_packages(project.root / ".venv").relative_to(project.root)
    landed = project.tree(str(packages))
    # uv notes the time at which it installed.
    landed = {path: digest for path, digest in landed.items() if path.rpartition("/")[2] not in INSTALLERS_OWN}
    return project.read("requirements/main.txt"), project.tree("wheelhouse"), landed


def environment_of(home: Path, index: Index, ways: Sequence[str], unwanted: Path) -> dict[str, str]:
    polluted = polluted_environ(home, ways, wheels=unwanted, index_url=index.url, constraint="base==0.9")
    return {**polluted, "PIP_INDEX_URL": index.url, "PIP_RETRIES": "0"}


def new_project(root: Path, environ: dict[str, str]) -> Project:
    project = Project(root, environ)
    project.write("requirements/main.in", "app\nnative-code\n")
    return project


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
    root = tmp_path_factory.mktemp("surroundings")
    shelf, unwanted = root / "shelf", root / "unwanted"
    build_wheel(shelf, "app", "1.0", requires=["base"])
    for version in ("0.9", "1.0"):
        build_wheel(shelf, "base", version)
    build_wheel(shelf, "base", "1.1rc1")
    build_wheel(shelf, "native-code", "1.0")
    # Another wheel of a pinned version under the same name and a better one, and newer releases.
    build_wheel(unwanted, "base", "1.0", files={"base/__init__.py": "evil = True\n"})
    build_wheel(unwanted, "app", "1.0", build="9", files={"app/__init__.py": "evil = True\n"})
    build_wheel(unwanted, "app", "3.0")
    build_wheel(unwanted, "native-code", "2.0")
    with Index(shelf) as index:
        clean = {"PIP_INDEX_URL": index.url}
        project = new_project(root / "project", {**clean_environ(root / "home"), **clean})
        steps(project)
        yield Surroundings(index, unwanted, *outcome(project))


def test_the_clean_outcome_is_what_it_should_be(surroundings: Surroundings):
    wheels = {path.rpartition("/")[2] for path in surroundings.house if path.endswith(".whl")}
    assert wheels == {f"{name}-1.0-py3-none-any.whl" for name in ("app", "base", "native_code")}
    assert any(path.endswith("base/__init__.py") for path in surroundings.packages)


def test_no_way_is_forgotten():
    assert sorted([*(way for ways in GROUPS.values() for way in ways), "pip-no-index"]) == sorted(POLLUTIONS)


@pytest.mark.parametrize(
    "ways",
    [
        *(
            pytest.param(ways, id=name, marks=[] if name in {"where pip looks", "what pip takes"} else pytest.mark.slow)
            for name, ways in GROUPS.items()
        ),
        *(pytest.param([way], id=way, marks=pytest.mark.slow) for ways in GROUPS.values() for way in ways),
    ],
)
def test_a_polluted_machine_gives_the_same_bytes(surroundings: Surroundings, tmp_path: Path, ways: list[str]):
    environ = environment_of(tmp_path / "home", surroundings.index, ways, surroundings.unwanted)
    project = new_project(tmp_path / "project", environ)
    steps(project)
    assert outcome(project) == (surroundings.lock, surroundings.house, surroundings.packages)
    # Nothing went where the pollution would have it.
    strange = {"target", "prefix", "root", "pip.log", "other-env", "conda", "usercustomize.log"}
    assert strange.isdisjoint(path.name for path in (tmp_path / "home").iterdir())


def test_an_index_that_the_user_turned_off_is_not_asked(surroundings: Surroundings, tmp_path: Path):
    environ = environment_of(tmp_path / "home", surroundings.index, ["pip-no-index"], surroundings.unwanted)
    project = new_project(tmp_path / "project", environ)
    result = project.call("lock")
    assert result.status == 1
    assert "  asked no index\n" in result.stderr


@pytest.fixture
def other(surroundings: Surroundings, tmp_path: Path) -> Iterator[Index]:
    """An index with other bytes under the locked names and newer releases, behind a password."""
    folder = tmp_path / "other"
    for path in surroundings.unwanted.iterdir():
        (folder / path.name).parent.mkdir(exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    with Index(folder, auth=("me", "secret")) as index:
        yield index


@pytest.mark.parametrize(
    "stated", [pytest.param(True, id="stated"), pytest.param(False, id="unstated", marks=pytest.mark.slow)]
)
def test_an_extra_index_with_other_bytes_changes_nothing_that_is_locked(surroundings, tmp_path, home, other, stated):
    other.state_hashes = stated
    variables = {"PIP_INDEX_URL": other.url_with_password, "PIP_EXTRA_INDEX_URL": surroundings.index.url}
    project = new_project(tmp_path / "project", {**clean_environ(home), **variables})
    project.write("requirements/main.txt", surroundings.lock)
    steps(project)
    assert outcome(project) == (surroundings.lock, surroundings.house, surroundings.packages)
    assert "/simple/base/" in {request.path for request in other.requests}, "it was asked, and answered"


def test_an_extra_index_counts_when_locking_and_is_named(surroundings, tmp_path: Path, home: Path, other: Index):
    variables = {"PIP_INDEX_URL": surroundings.index.url, "PIP_EXTRA_INDEX_URL": other.url_with_password}
    project = new_project(tmp_path / "project", {**clean_environ(home), **variables})
    project.write("requirements/main.txt", surroundings.lock)
    result: Result = project.call("lock", "--upgrade")
    assert result.status == 0, result
    assert f"  app          1.0 -> 3.0   {other.url}\n" in result.stdout
    assert f"main: asked {surroundings.index.url}, http://****@{other.host}/simple/\n" in result.stderr
    assert "secret" not in result.stdout + result.stderr + project.read("requirements/main.txt")
    for step in ("wheelhouse", "install"):
        assert project.call(step).status == 0
    assert installed(project.root / ".venv")[canonicalize_name("app")] == "3.0"
