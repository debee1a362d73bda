"""The CI templates: sound by their systems' schemas, and their steps do what they say, on a miss, a hit and a spoiled cache."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lockhouse.scaffold import ci as templates
from support import ci
from support.backends import offer, offer_lockhouse
from support.ci import Caches, Job
from support.environment import clean_environ
from support.index import Index
from support.project import Project
from support.venvs import installed
from support.wheels import build_sdist, build_wheel, flip_byte

ROOT = Path(__file__).resolve().parents[1]
RUN: dict[str, Callable[[Job], None]] = {"azure": ci.azure, "github": ci.github, "gitlab": ci.gitlab}
SCHEMAS = {
    ".azure/lockhouse.yml": ("azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
    "azure-pipelines.yml": ("azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
    ".github/actions/lockhouse/action.yml": ("github-actions",),
    ".github/workflows/lockhouse.yml": ("github-workflows",),
    ".gitlab/lockhouse.yml": ("gitlab-ci", "--data-transform", "gitlab-ci"),
    ".gitlab-ci.yml": ("gitlab-ci", "--data-transform", "gitlab-ci"),
}


@pytest.mark.slow
@pytest.mark.parametrize("provider", RUN)
def test_each_template_is_sound_by_the_schema_of_its_system(tmp_path: Path, provider):
    for path, text, _ in templates.files(provider, "lockhouse-", "3.11"):
        schema, *options = SCHEMAS[str(path)]
        file = tmp_path / path.name
        file.write_text(text, encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            f"vendor.{schema}",
            *options,
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path}\n{done.stdout}{done.stderr}"


def test_this_repository_offers_the_action_that_init_writes():
    assert (ROOT / "action.yml").read_text(encoding="utf-8") == templates.data("github/action.yml")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index that wants a password, with `app`, `base`, `old` (an sdist), and Lockhouse with all it needs."""
    folder = tmp_path_factory.mktemp("published")
    build_wheel(folder, "app", "1.0", requires=["base"])
    build_wheel(folder, "base", "1.0")
    build_sdist(folder, "old", "1.0")
    with Index(folder, auth=("me", "secret"), redirect=True) as index:
        offer_lockhouse(index)
        offer(index, "setuptools", "wheel")
        yield index


@pytest.mark.slow
@pytest.mark.parametrize("provider", RUN)
def test_the_first_run_fills_the_caches_and_the_second_asks_nobody(index: Index, tmp_path: Path, provider):
    url = index.url.replace("http://", "http://me:secret@")
    environ = clean_environ(tmp_path / "home") | {"LOCKHOUSE_PYTHON": sys.executable}
    project = Project(tmp_path / "project", environ | {"PIP_INDEX_URL": url})
    project.write("requirements/main.in", "app\nold\n")
    project.write("Makefile", "key:\n\t@echo theirs\n")
    for step in (("init", "--yes", "--ci", provider), ("lock",)):
        done = project.run(*step)
        assert done.status == 0, done
    feeds = "  feeds: team\n" if provider == "azure" else ""
    if feeds:
        pipeline = project.read("azure-pipelines.yml")
        project.write("azure-pipelines.yml", pipeline.replace("    parameters:\n", f"    parameters:\n    {feeds}"))
        environ["PIP_INDEX_URL"] = index.url
    else:
        environ["PIP_INDEX_URL"] = url
    caches = Caches(tmp_path / "caches")

    def run(name: str) -> Job:
        index.reset_log()
        job = Job.of(
            project.root,
            tmp_path / name,
            environ=environ,
            caches=caches,
            signed_in={"PIP_INDEX_URL": url} if feeds else {},
        )
        RUN[provider](job)
        assert set(installed(job.checkout / ".venv")) == {"app", "base", "old"}
        assert "secret" not in job.output
        return job

    first = run("first")
    assert "built" in first.output
    assert len(list(caches.store.iterdir())) == 2
    caches.hits.clear()
    second = run("second")
    assert len(set(caches.hits)) == 2
    assert not index.requests
    assert "built old" not in second.output

    [house] = [path for path in caches.store.iterdir() if list(path.glob("app-*.whl"))]
    flip_byte(house / "app-1.0-py3-none-any.whl")
    (house / "base-1.0-py3-none-any.whl").unlink()
    build_wheel(house, "stray", "1.0")
    [tools] = [path for path in caches.store.iterdir() if path != house]
    next(tools.glob("click-*.whl")).unlink()
    run("third")
    files = {request.filename for request in index.requests if request.filename}
    assert {name for name in files if name.startswith(("app-", "base-", "old-", "stray-"))} == {
        "app-1.0-py3-none-any.whl",
        "base-1.0-py3-none-any.whl",
    }
