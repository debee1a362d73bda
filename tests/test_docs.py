"""What the pages say holds: each shell block runs, in order, in a project of its own; files are sound, and links lead somewhere."""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import click
import pytest
import tomli
import yaml  # type: ignore[import-untyped]  # comes with pre-commit, and without types

from lockhouse.cli import cli
from lockhouse.scaffold import ci
from support import dockerfile, documents
from support.backends import offer
from support.documents import PAGES, ROOT
from support.index import Index
from support.project import Project, Result
from support.venvs import installed
from support.wheels import build_sdist

OURS = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "main.txt").read_text(encoding="utf-8"), re.MULTILINE)
OTHERS = ("flit_core", "hatchling", "iniconfig", "pathspec", "pluggy", "pytest", "six", "tomlkit", "trove_classifiers")
# Run in a checkout or on two machines: they have tests of their own.
APART = ("README.md", "air-gap.md", "ci.md", "docker.md")
FAST = ("pre-commit.md",)
# What must be there before the first block, where a page does not make it itself.
SCENES: Mapping[str, str] = {
    "diff.md": """\
        mkdir -p requirements; echo six > requirements/main.in; lockhouse lock; git init -q .; git add requirements
        git -c user.name=x -c user.email=x@example.com commit -qm x; git update-ref refs/remotes/origin/main HEAD
        """,
}


def text_of(name: str) -> str:
    return (ROOT if name == "README.md" else ROOT / "docs").joinpath(name).read_text(encoding="utf-8")


def shell(user: Project, script: str, cwd: Path | None = None) -> Result:
    """Run a block; the PATH that it leaves behind is that of the next one, as in a terminal."""
    kept = Path(user.environ["HOME"], ".path")
    done = user.execute("bash", "-euo", "pipefail", "-c", f'{script}\nprintf %s "$PATH" > {kept}', cwd=cwd)
    assert done.status == 0, f"{script}\n{done}"
    user.environ["PATH"] = kept.read_text(encoding="utf-8")
    return done


def follow(user: Project, text: str) -> None:
    """Do what a page says: write its files, and run its blocks."""
    for block in documents.blocks(text):
        if block.file:
            user.write(block.file, block.text)
        elif block.language == "sh":
            shell(user, block.text)


@pytest.fixture(scope="session")
def shelf(tmp_path_factory, distribution):
    """What an index offers: Lockhouse, all that it needs, backends, some packages, and one that has no wheel."""
    folder = tmp_path_factory.mktemp("shelf")
    offer(Index(folder), *(name.replace("-", "_") for name in OURS), *OTHERS)
    shutil.copy(distribution, folder)
    build_sdist(folder, "docopt", "0.6.2")
    return folder


@pytest.fixture
def reader(shelf, project, index, command):
    """Somebody with the command on the PATH, and that index."""
    index.directory = shelf
    project.environ["PATH"] = f"{command}:{project.environ['PATH']}"
    return project


@pytest.fixture
def bare(tmp_path):
    """A folder with a Python of the same series that is no environment's."""
    (folder := tmp_path / "bare").mkdir()
    for name in ("python", "python3", f"python3.{sys.version_info.minor}"):
        (folder / name).symlink_to(getattr(sys, "_base_executable", sys.executable))
    return folder


# Shell blocks


def with_shell() -> list[str]:
    return [page.name for page in PAGES if documents.blocks(page.read_text(encoding="utf-8"), "sh")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in FAST else pytest.mark.slow) for name in with_shell() if name not in APART],
)
def test_every_shell_block_of_a_page_runs_in_order(reader, name):
    if name in SCENES:
        shell(reader, SCENES[name])
    follow(reader, text_of(name))


@pytest.mark.slow
def test_a_stranger_gets_from_a_checkout_to_an_install_by_the_readme_alone(shelf, project, index, bare, tmp_path):
    index.directory = shelf
    (checkout := tmp_path / "checkout").mkdir()
    for path in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / path, checkout)
    shutil.copytree(ROOT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    project.environ["PATH"] = f"{bare}:/usr/bin:/bin"
    developing, once, then = documents.blocks(text_of("README.md"), "sh")
    assert "make test" in developing.text
    shell(project, once.text, cwd=checkout)
    shell(project, then.text)
    assert installed(project.root / ".venv") == {"six": "1.17.0"}
    # In a shell of its own, which finds the command as this one does.
    project.write("Makefile", documents.blocks(text_of("README.md"), "make")[0].text)
    assert project.execute("make", "install").status == 0


@pytest.mark.slow
def test_the_way_over_the_air_gap_runs_as_it_stands(reader, bare, tmp_path):
    lock_pip, write, compare = documents.blocks(text_of("air-gap.md"), "sh")
    reader.write("requirements/main.in", "six\n")
    for block in (lock_pip, write):
        shell(reader, block.text)
    (there := tmp_path / "there").mkdir()
    (reader.root / "demo.tar").rename(there / "demo.tar")
    line = reader.read("said.txt").splitlines()[-1]
    assert reader.execute("sh", "-c", line, cwd=there).stdout == "demo.tar: OK\n"
    reader.environ["PATH"] = f"{bare}:/usr/bin:/bin"
    shell(reader, compare.text, cwd=there)
    assert set(installed(there / ".venv")) == {"six"}


@pytest.mark.slow
def test_ci_asks_no_index_for_anything_once_both_caches_are_there(reader, index):
    text = text_of("ci.md")
    first, _, again = text.partition("And again, with both caches restored")
    follow(reader, first)
    assert index.requests
    index.reset_log()
    follow(reader, again)
    assert index.requests == []
    assert installed(reader.root / ".venv") == {"six": "1.17.0"}


@pytest.mark.slow
def test_the_image_holds_the_code_and_its_requirements_and_nothing_else(reader, bare, tmp_path):
    follow(reader, text_of("docker.md"))
    # What a developer has lying about, and what must not get into the image.
    shell(reader, "lockhouse wheelhouse main; lockhouse install main --no-local; touch .venv/mine wheelhouse/mine")
    (tmp_path / "stages").mkdir()
    path = f"{bare}:/usr/bin:/bin"
    image = dockerfile.Image(context=reader, root=tmp_path / "image", done=tmp_path / "stages", path=path)
    said = image.build(dockerfile.parse(reader.read("Dockerfile")))
    assert said.stdout == "hello from an image, with six 1.17.0\n"
    assert [each.name for each in image.root.iterdir()] == ["app"]
    assert [each.name for each in (image.root / "app").iterdir()] == [".venv"]
    assert installed(image.root / "app/.venv") == {"demo": "1.0", "six": "1.17.0"}
    assert not (image.root / "app/.venv/mine").exists()
    assert ".venv: 1 added, 0 changed, 0 removed" in image.ran[-1].stdout


# Other blocks


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_is_of_a_kind_that_is_looked_at_and_can_be_read(page):
    readers = {
        "toml": tomli.loads,
        "yaml": yaml.safe_load,
        "json": json.loads,
        "dockerfile": dockerfile.parse,
        "python": lambda text: compile(text, page.name, "exec"),
    }
    plain = {"sh", "make", "text", "console"}
    for block in documents.blocks(page.read_text(encoding="utf-8")):
        assert block.language in plain | readers.keys(), block
        if block.language in readers:
            readers[block.language](block.text)


def test_what_docker_does_not_know_is_noticed():
    for text in ("FROM a\nCOPPY . .\n", "RUN x\n", ""):
        with pytest.raises(ValueError, match="Docker"):
            dockerfile.parse(text)


# Links and words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_and_headings_that_there_are(page):
    for link in documents.links(page.read_text(encoding="utf-8")):
        if re.match("https?:", link):
            continue
        path, _, anchor = link.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.is_file(), link
        assert goal.is_relative_to(ROOT), link
        assert not anchor or anchor in documents.anchors(goal.read_text(encoding="utf-8")), link


def test_the_readme_leads_to_every_page():
    linked = {link for link in documents.links(text_of("README.md")) if not link.startswith("http")}
    assert {f"docs/{page.name}" for page in PAGES} - {"docs/README.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_host_that_is_not_an_example(page):
    hosts = re.findall(
        r"\b(?:[a-z0-9-]+\.)+(?:cloud|com|dev|io|net|org)\b(?!\.?\w)", page.read_text(encoding="utf-8"), re.IGNORECASE
    )
    assert {host for host in hosts if not re.search(r"(^|\.)example\.com$", host)} <= {"pre-commit.com"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_that_are_named_exist(page):
    for span in re.findall(r"`lockhouse ([a-z][^`\n]*)`", page.read_text(encoding="utf-8")):
        name, *words = span.split()
        command = cli.get_command(click.Context(cli), name)
        assert command, span
        known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known, span


def test_the_page_about_ci_names_the_files_that_init_writes():
    rows = re.findall(r"^\| `(\w+)` \| `(.*)` \| `(.*)` \|$", text_of("ci.md"), re.MULTILINE)
    written = [(provider, *(str(path) for path, _, _ in ci.files(provider, "", "3.11"))) for provider in ci.PROVIDERS]
    assert rows == written


def test_the_page_about_rules_is_what_explain_prints():
    assert text_of("rules.md") == documents.rules_page(), "run `PYTHONPATH=scripts:tests python -m support.documents`"


def test_pages_are_short():
    lengths = {page.name: page.read_text(encoding="utf-8").count("\n") for page in PAGES}
    assert {name for name, length in lengths.items() if length > 120} <= {"README.md", "rules.md"}
    assert lengths["README.md"] <= 200
