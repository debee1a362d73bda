"""The CI templates: sound by their systems' schemas, and their steps do what they say, on a miss, a hit and a spoiled cache."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from lockhouse.scaffold import ci as templates
from support import ci
from support.backends import offer, offer_lockhouse
from support.ci import Caches, Job
from support.environment import clean_environ
from support.index import Index
from support.project import Project
from support.venvs import installed
from support.wheels import build_sdist, build_wheel, flip_byte

BUILT = "built old-1.0-py3-none-any.whl, as recorded"
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


PAGES = {"azure": "azure-pipelines.md", "github": "github-actions.md", "gitlab": "gitlab.md"}


def judge(path: str, text: str, folder: Path) -> None:
    """Let the schema of its system judge a file, as if it stood under that path."""
    schema, *options = SCHEMAS[path]
    file = folder / Path(path).name
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *options, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{path}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("provider", RUN)
def test_each_template_is_sound_by_the_schema_of_its_system(tmp_path: Path, provider):
    for path, text, _ in templates.files(provider, "lockhouse-", "3.11"):
        judge(str(path), text, tmp_path)


def page(provider: str) -> str:
    return (ROOT / "docs" / PAGES[provider]).read_text(encoding="utf-8")


def example(provider: str) -> str:
    """Return the pipeline that a page shows."""
    [match] = re.finditer(r"^```yaml\n(.*?)^```$", page(provider), re.MULTILINE | re.DOTALL)
    return match[1]


@pytest.mark.slow
@pytest.mark.parametrize("provider", RUN)
def test_each_page_shows_a_pipeline_that_is_sound(tmp_path: Path, provider):
    *_, (path, _, _) = templates.files(provider, "", "3.11")
    judge(str(path), example(provider), tmp_path)


@pytest.mark.parametrize("provider", RUN)
def test_each_page_names_the_files_and_every_parameter_of_the_steps(provider):
    (steps, text, _), (pipeline, _, _) = templates.files(provider, "", "3.11")
    assert f"`{steps}`" in page(provider)
    assert f"`{pipeline}`" in page(provider)
    ours = yaml.safe_load(text)
    known = {
        "azure": lambda: {each["name"] for each in ours["parameters"]},
        "github": lambda: set(ours["inputs"]),
        "gitlab": lambda: {"LOCKHOUSE_PREFIX", "LOCKHOUSE_WHEELHOUSE"},
    }[provider]()
    assert set(re.findall(r"^\| `(\w+)` \|", page(provider), re.MULTILINE)) == known


def test_the_pages_use_the_steps_as_init_does():
    azure, github, gitlab = (yaml.safe_load(example(provider)) for provider in RUN)
    written = {provider: yaml.safe_load([*templates.files(provider, "", "3.11")][1][1]) for provider in RUN}
    [step] = [step for step in azure["steps"] if "template" in step]
    assert step | {"parameters": {"prefix": ""}} == written["azure"]["steps"][1]
    assert azure["steps"][0] == written["azure"]["steps"][0]
    assert github["jobs"]["test"]["steps"][:-1] == written["github"]["jobs"]["install"]["steps"][:-1]
    for key in ("include", "default", "variables"):
        assert gitlab[key] == written["gitlab"][key]
    assert gitlab["test"]["extends"] == written["gitlab"]["install"]["extends"]


def test_this_repository_offers_the_action_that_init_writes():
    assert (ROOT / "action.yml").read_text(encoding="utf-8") == templates.data("github/action.yml")


@pytest.fixture
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
def test_the_first_run_fills_the_caches_the_second_asks_nobody_and_a_changed_pin_is_one_file(
    index: Index, tmp_path: Path, provider
):
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

    def move(name: str, version: str) -> None:
        build_wheel(index.directory, name, version, requires=["base"] if name == "app" else [])
        done = project.run("lock", "--upgrade-package", name)
        assert done.status == 0, done

    first = run("first")
    assert BUILT in first.output
    caches.hits.clear()
    second = run("second")
    assert len(set(caches.hits)) == 2
    assert not index.requests
    assert BUILT not in second.output

    # A partial restore: one pin is another, so the caches lack its wheel alone. What is built is proven anew.
    move("app", "1.1")
    third = run("third")
    assert len(caches.partial) == 1
    assert [request.filename for request in index.downloads] == ["app-1.1-py3-none-any.whl"]
    assert BUILT in third.output

    # Spoiled wherever a next run may find it, the tools' cache too.
    for house in {path.parent for path in caches.store.rglob("app-1.1-*.whl")}:
        flip_byte(house / "app-1.1-py3-none-any.whl")
        build_wheel(house, "stray", "1.0")
    next(caches.store.rglob("click-*.whl")).unlink()
    move("base", "1.1")
    run("fourth")
    files = {request.filename for request in index.downloads}
    assert {name for name in files if str(name).startswith(("app-", "base-", "old-", "stray-"))} == {
        "app-1.1-py3-none-any.whl",
        "base-1.1-py3-none-any.whl",
    }
