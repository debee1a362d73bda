"""No secret anywhere: after the whole way, with failures of several kinds, no file and no line of output holds one."""

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from support.index import Fault, Index
from support.project import Project
from support.wheels import build_sdist, build_wheel, rewrite_wheel

USER, PASSWORD = "deploy", "s3cret/p@ss:w%rd?&x=1"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    build_wheel(folder, "app", "1.0", requires=["base"])
    build_wheel(folder, "base", "1.0")
    build_sdist(folder, "base", "1.0", style="in-tree")
    return folder


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str], index: Index, shelf: Path) -> Project:
    """A project behind a password and signed URLs; nobody but the environment knows the password."""
    shutil.copytree(shelf, index.directory, dirs_exist_ok=True)
    index.auth, index.redirect = (USER, PASSWORD), True
    (tmp_path / "tmp").mkdir()
    variables = {"PIP_INDEX_URL": index.url_with_password, "TMPDIR": str(tmp_path / "tmp")}
    project = Project(tmp_path / "project", environ | variables)
    project.write("requirements/main.in", "app\n")
    return project


def secrets_of(index: Index) -> set[bytes]:
    words = {PASSWORD, quote(PASSWORD), quote(PASSWORD, safe=""), quote_plus(PASSWORD), "sig="}
    tokens = {base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}
    return {word.encode() for word in words | tokens | set(index.signatures)}


def leaks(index: Index, project: Project, said: str) -> list[str]:
    """Return where any secret stands: files of the project, of HOME and of the folder for temporary ones, or the output."""
    found = []
    places = [project.root, Path(project.environ["HOME"]), Path(project.environ["TMPDIR"])]
    texts = [(str(path), path.read_bytes()) for place in places for path in place.rglob("*") if path.is_file()]
    texts += [(f"output: {line}", line.encode()) for line in said.splitlines()]
    for secret in secrets_of(index):
        found += [f"{secret!r} in {name}" for name, text in texts if secret in text]
    return found


def unstated(project: Project, index: Index) -> None:
    index.state_hashes = False


def wrong_bytes(project: Project, index: Index) -> None:
    other = rewrite_wheel(
        Path(shutil.copy(index.directory / "base-1.0-py3-none-any.whl", project.root / "base-1.0-py3-none-any.whl")),
        lambda members: members.update({"evil.py": b""}),
    )
    body = other.read_bytes()
    other.unlink()
    index.fault = lambda request: Fault(body=body) if request.role == "blob" else None


def sign_in_page(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault.html() if request.role == "blob" else None


def listed_but_gone(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(status=404) if request.role == "blob" else None


def teapot(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(status=418) if request.role == "blob" else None


def forbidden(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(status=403) if request.filename else None


def expired(project: Project, index: Index) -> None:
    index.lifetime = -1


def failing(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(status=500) if request.role == "blob" else None


def cut_short(project: Project, index: Index) -> None:
    index.ranges = False
    index.fault = lambda request: Fault(cut=10) if request.role == "blob" else None


def reset(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(reset=True) if request.role == "blob" else None


def unknown_project(project: Project, index: Index) -> None:
    project.write("requirements/main.in", "app\nno-such-project\n")


def broken_page(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(body=b"{", content_type="text/plain") if not request.filename else None


def refused(project: Project, index: Index) -> None:
    index.fault = lambda request: Fault(status=401)


def gone(project: Project, index: Index) -> None:
    index.stop()


QUICK: tuple[Callable[[Project, Index], None], ...] = (*(forbidden, unknown_project, refused),)
PATIENT: tuple[Callable[[Project, Index], None], ...] = (
    *(
        unstated,
        wrong_bytes,
        broken_page,
        sign_in_page,
        listed_but_gone,
        teapot,
        expired,
        failing,
        cut_short,
        reset,
        gone,
    ),
)


def test_a_secret_that_is_there_is_found(project: Project, index: Index):
    """The control: of the search itself."""
    assert project.call("lock").status == 0
    assert leaks(index, project, "all is well") == []
    assert len(index.signatures) > 0
    for secret in secrets_of(index):
        (project.root / "planted").write_bytes(b"x" + secret + b"y")
        assert leaks(index, project, "")
        (project.root / "planted").unlink()
        assert leaks(index, project, f"a line\nx{secret.decode()}y\n")


def test_the_whole_way_leaves_no_secret(project: Project, index: Index):
    said = ""
    for options in ([], ["-v"]):
        for step in ("lock", "wheelhouse", "check", "install", "key"):
            result = project.call(step, *options)
            assert result.status == 0, result
            said += result.stdout + result.stderr
        for made in ("wheelhouse", ".venv"):
            shutil.rmtree(project.root / made)
        (project.root / "requirements/main.txt").unlink()
    assert index.signatures
    assert leaks(index, project, said) == []


@pytest.mark.parametrize("spoil", [*QUICK, *(pytest.param(each, marks=pytest.mark.slow) for each in PATIENT)])
def test_a_failure_shows_no_secret(project: Project, index: Index, spoil):
    said, statuses = "", set()
    assert project.call("lock").status == 0
    spoil(project, index)
    for step in (["wheelhouse"], ["wheelhouse", "-v"], ["lock", "--upgrade", "-v"], ["install", "-v"]):
        result = project.call(*step)
        statuses.add(result.status)
        assert "Traceback" not in result.stderr, result
        said += result.stdout + result.stderr
    assert statuses <= {0, 1}
    assert (1 in statuses) == (spoil is not unstated)
    assert leaks(index, project, said) == []


def test_a_wrong_password_is_a_secret_too(project: Project, index: Index):
    index.auth = (USER, "another")
    result = project.call("lock", "-v")
    assert result.status == 1
    assert leaks(index, project, result.stdout + result.stderr) == []
