"""Fixtures and fences of all tests: an empty HOME, an index, a project, and no way out of loopback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.environment import clean_environ, scrub
from support.fence import Fence
from support.index import Index
from support.offline import require_offline
from support.project import Project
from support.venvs import installed, make_venv, site_packages
from support.wheels import build_wheel

_FENCE = Fence()
# Set and removed by pytest itself in the middle of a test.
_PYTESTS_OWN = "PYTEST_CURRENT_TEST"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_configure() -> None:
    scrub(os.environ)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that starts the tests in the background ignores interruptions, and the programs they start would, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _FENCE.raise_()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # With -m, which of the slow tests are to run is said there.
    if config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)


@pytest.fixture(autouse=True)
def fence() -> Iterator[Fence]:
    """The fence around this process; a breach fails the test even where the code under test swallowed its error."""
    _FENCE.breaches.clear()
    yield _FENCE
    breaches = list(_FENCE.breaches)
    _FENCE.breaches.clear()
    if breaches:
        pytest.fail(f"the test left loopback: {'; '.join(breaches)}", pytrace=False)


@pytest.fixture(autouse=True)
def _process_state() -> Iterator[None]:
    """Give the process back as it was: variables, working directory, umask."""
    environ, directory, umask = dict(os.environ), Path.cwd(), os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    os.chdir(directory)
    for name in os.environ.keys() - environ.keys() - {_PYTESTS_OWN}:
        del os.environ[name]
    os.environ.update({name: value for name, value in environ.items() if name != _PYTESTS_OWN})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty HOME."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def environ(home: Path) -> dict[str, str]:
    """The variables of a clean machine."""
    return clean_environ(home)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A started index over the empty folder `index.directory`."""
    directory = tmp_path / "index"
    directory.mkdir()
    with Index(directory) as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str], index: Index) -> Project:
    """An empty project whose pip asks the index."""
    return Project(tmp_path / "project", {**environ, "PIP_INDEX_URL": index.url})


@pytest.fixture
def offline() -> tuple[str, ...]:
    """What to put before a command so that it has no network, or the test is skipped."""
    return require_offline()


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that hatchling builds from this repository."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=Path(__file__).resolve().parents[1],
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("lockhouse-*.whl")
    return wheel


@pytest.fixture
def command(distribution: Path, tmp_path: Path, environ: dict[str, str]) -> Path:
    """A folder with a `lockhouse` command, installed from the distribution; its requirements are this environment's."""
    env = make_venv(tmp_path / "user")
    pip = [sys.executable, "-m", "pip", "--python", str(env), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(distribution)], check=True, env=environ)
    assert set(installed(env)) == {"lockhouse"}
    (site_packages(env) / "theirs.pth").write_text(str(site_packages(Path(sys.prefix))), encoding="utf-8")
    return env / "bin"


@pytest.fixture
def user(project: Project, index: Index, command: Path) -> Project:
    """A user with the command on the PATH and an index that has `six`."""
    build_wheel(index.directory, "six", "1.17.0")
    project.environ["PATH"] = f"{command}:{project.environ['PATH']}"
    return project
