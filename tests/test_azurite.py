"""A real Azure Blob Storage front: the index redirects every file to a signed URL that lives for two seconds."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.azurite import Azurite, require_azurite
from support.index import Index
from support.project import Project
from support.venvs import installed
from support.wheels import build_wheel

LIFETIME = 2.0
MANY = 40
STEPS = ("lock", "wheelhouse", "check", "install")


class Front(Index):
    """An index as Azure Artifacts is one: it has the pages, and the store has the files.

    `expired` names the files whose next URL has run out before it is used.
    """

    def __init__(self, directory: Path, store: Azurite) -> None:
        super().__init__(directory, auth=("me", "secret"), redirect=True, lifetime=LIFETIME)
        self._store = store
        self.expired: set[str] = set()
        self.urls: list[str] = []

    def signed_url(self, filename: str, *, lifetime: float | None = None) -> str:
        seconds = self.lifetime if lifetime is None else lifetime
        if filename in self.expired:
            self.expired.discard(filename)
            seconds = -1.0
        url = self._store.sas_url(filename, lifetime=seconds)
        self.urls.append(url)
        return url

    @property
    def signatures(self) -> list[str]:
        return [parse_qs(urlsplit(url).query)["sig"][0] for url in self.urls]


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    build_wheel(folder, "app", "1.0", requires=[f"part-{number}" for number in range(MANY)])
    for number in range(MANY):
        build_wheel(folder, f"part-{number}", "1.0", size=20_000)
    return folder


@pytest.fixture(scope="session")
def store(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    require_azurite()
    with Azurite(tmp_path_factory.mktemp("azurite")) as started:
        for wheel in shelf.iterdir():
            started.put(wheel)
        yield started


@pytest.fixture
def front(store: Azurite, shelf: Path) -> Iterator[Front]:
    with Front(shelf, store) as started:
        yield started


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str], front: Front) -> Project:
    project = Project(tmp_path / "project", environ | {"PIP_INDEX_URL": front.url_with_password})
    project.write("requirements/main.in", "app\n")
    return project


def whole_way(project: Project, front: Front) -> None:
    said = ""
    for step in STEPS:
        result = project.run(step, "-v")
        assert result.status == 0, result
        said += result.stdout + result.stderr
    assert len(installed(project.root / ".venv")) == MANY + 1
    assert "sig=" not in said
    assert front.signatures
    assert not [signature for signature in front.signatures if signature in said]


def test_the_store_checks_signature_and_expiry(store: Azurite):
    """The control: what the other tests overcome is really there."""
    name = "app-1.0-py3-none-any.whl"
    url = store.sas_url(name, lifetime=60)
    assert store.get(url) == 200
    assert store.get(url.partition("?")[0]) in {403, 404, 409}
    assert store.get(url.replace("sp=r", "sp=rw")) == 403
    assert store.get(url.replace("app-1.0", "part_1-1.0")) == 403
    assert store.get(store.sas_url(name, lifetime=-1)) == 403
    short = store.sas_url(name, lifetime=1)
    assert store.get(short) == 200
    time.sleep(1.5)
    assert store.get(short) == 403


@pytest.mark.slow
def test_the_whole_way_goes_through_urls_that_live_for_two_seconds(project: Project, front: Front, store: Azurite):
    whole_way(project, front)
    assert len(front.urls) > MANY
    assert len(set(front.signatures)) > MANY // 2, "signed anew, not remembered"
    assert not [request for request in front.requests if request.role == "blob"], "the files come from the store"
    assert store.statuses.count(200) > MANY


@pytest.mark.slow
def test_more_files_than_fit_into_the_life_of_one_url(project: Project, front: Front):
    project.write("pyproject.toml", "[tool.lockhouse]\nconnections = 2\n")
    assert project.run("lock").status == 0
    front.latency = 0.15
    began = time.monotonic()
    result = project.run("wheelhouse")
    assert result.status == 0, result
    assert time.monotonic() - began > 2 * LIFETIME, "the control: the first URL has long run out at the end"
    assert len(list((project.root / "wheelhouse").glob("*.whl"))) == MANY + 1


@pytest.mark.slow
def test_a_url_that_has_run_out_is_asked_for_again(project: Project, front: Front, store: Azurite, shelf: Path):
    assert project.run("lock").status == 0
    before = store.statuses.count(403)
    front.expired = {path.name for path in shelf.iterdir()}
    front.urls.clear()
    whole_way(project, front)
    assert not front.expired
    assert len(front.urls) == 2 * (MANY + 1)
    assert store.statuses.count(403) - before == MANY + 1
