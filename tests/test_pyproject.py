"""Layers made from the tables of a pyproject.toml: read as the PEPs say, judged with file and line, locked as pip-compile does."""

import shlex
import sys
from pathlib import Path, PurePosixPath

import pytest

from lockhouse import config, pyproject
from lockhouse.errors import LockhouseError
from lockhouse.pyproject import Tables
from support.index import Index
from support.project import Project
from support.wheels import build_wheel

PROJECT = """\
[project]
name = "My.App"
version = "1"
# app is not asked for here: "tool"
dependencies = [
    "app[more]>=1",  # "base"
    'base ; python_version < "4"',
]

[project.optional-dependencies]
Test = ["tool", "my-app[docs] ; python_version >= '3'"]
docs = [
    "addon ; python_version < \\"4\\"",
]
all = ["my_app[test,docs]"]

[dependency-groups]
lint = ["tool", {include-group = "Doc_s"}]
doc-s = ["addon", {include-group = "self"}]
self = ["my-app[docs]"]
round = [{include-group = "trip"}]
trip = [{include-group = "round"}]
bad = [{include = "lint"}]

[tool.lockhouse]
python = "3.11"
"""


def read(root: Path, *sources: str, text: str = PROJECT) -> list[tuple[str, str]]:
    (root / "pyproject.toml").write_bytes(text.encode())
    picked = [found for found in map(Tables.parse, sources) if found]
    assert len(picked) == len(sources)
    loaded = pyproject.load(root / "pyproject.toml", PurePosixPath("pyproject.toml"), picked)
    assert len(loaded.given) == len(loaded.requirements) + len(loaded.unlockables)
    return [(line.text, str(line.location.line)) for line in loaded.requirements]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_requirement_is_found_at_its_own_line(tmp_path, newline):
    found = read(tmp_path, "pyproject.toml", text=PROJECT.replace("\n", newline))
    assert found == [("app[more]>=1", "6"), ('base ; python_version < "4"', "7")]


def test_an_extra_comes_with_the_dependencies_and_what_it_includes(tmp_path):
    assert [text for text, _ in read(tmp_path, "pyproject.toml[test]")] == [
        "app[more]>=1",
        'base ; python_version < "4"',
        "tool",
        *("app[more]>=1", 'base ; python_version < "4"'),
        'addon ; python_version < "4"',
    ]
    assert ("tool", "11") in read(tmp_path, "pyproject.toml[all]")


def test_a_group_comes_with_the_groups_it_includes_and_without_the_dependencies(tmp_path):
    assert read(tmp_path, "pyproject.toml:doc_s")[0] == ("addon", "19")
    found = read(tmp_path, "pyproject.toml:lint")
    assert found[:2] == [("tool", "18"), ("addon", "19")]
    assert ('addon ; python_version < "4"', "13") in found, "the project itself stands for what it asks for"


@pytest.mark.parametrize(
    ("source", "text", "reason"),
    [
        ("pyproject.toml:lnt", PROJECT, "there is no dependency group 'lnt'"),
        ("pyproject.toml[lnt]", PROJECT, "there is no extra 'lnt'"),
        ("pyproject.toml:round", PROJECT, "this dependency group includes itself: round -> trip -> round"),
        ("pyproject.toml:bad", PROJECT, "pyproject.toml: {'include': 'lint'} is no requirement"),
        ("pyproject.toml", "[tool]\n", "there is no [project] table"),
        ("pyproject.toml", "[project]\ndynamic = ['dependencies']\n", "'dependencies' is dynamic"),
        (
            "pyproject.toml",
            "[project]\ndependencies = [\n'six',\n'a b']\n",
            "pyproject.toml:4: 'a b' is no requirement",
        ),
        ("pyproject.toml", "[project]\ndependencies = 'six'\n", "'project.dependencies' should be an array"),
        ("pyproject.toml", "project = 1\n", "'project' should be a table"),
        ("pyproject.toml", "[project\n", "not valid TOML"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, source, text, reason):
    with pytest.raises(LockhouseError) as caught:
        read(tmp_path, source, text=text)
    assert str(caught.value).startswith("pyproject.toml")
    assert reason in str(caught.value)


def test_a_layer_says_in_pips_own_notation_what_it_is_made_from(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.lockhouse.layers]\n"
        "main.sources = ['pyproject.toml']\n"
        "dev = { sources = ['pyproject.toml[Dev]'], constraints = ['main'] }\n"
        "api.sources = ['services/api/pyproject.toml:test', 'more.in']\n",
        encoding="utf-8",
    )
    layers = config.load(tmp_path).layers
    assert layers["dev"].sources == (PurePosixPath("pyproject.toml"),)
    assert layers["dev"].constraints == (PurePosixPath("requirements/main.txt"),)
    assert [str(each) for each in layers["dev"].tables] == ["pyproject.toml[dev]"]
    assert layers["api"].sources == (PurePosixPath("services/api/pyproject.toml"), PurePosixPath("more.in"))
    assert config.load(tmp_path).layer("services/api/pyproject.toml:test").name == "api"
    assert config.load(tmp_path).layer("pyproject.toml").name == "main"


@pytest.fixture
def shelf(index: Index) -> Index:
    """An index with `app`, which depends on `base` and whose extra depends on `addon`, and `tool`."""
    build_wheel(index.directory, "app", "1.0", requires=["base"], extras={"more": ["addon"]})
    for name in ("base", "addon", "tool"):
        build_wheel(index.directory, name, "1.0")
    return index


@pytest.fixture
def user(project: Project, shelf: Index) -> Project:
    """Three layers of one pyproject.toml; the index is there."""
    project.write(
        "pyproject.toml",
        "[project]\nname = 'mine'\nversion = '1'\ndependencies = [\n  'app',\n]\n"
        "optional-dependencies.dev = [\n  'tool',\n]\n"
        "[dependency-groups]\nlint = [\n  'addon',\n]\n"
        "[tool.lockhouse.layers]\nmain.sources = ['pyproject.toml']\n"
        "dev = { sources = ['pyproject.toml[dev]'], constraints = ['main'] }\n"
        "lint = { sources = ['pyproject.toml:lint'] }\n",
    )
    return project


def edit(user: Project, before: str, after: str) -> None:
    assert before in user.read("pyproject.toml")
    user.write("pyproject.toml", user.read("pyproject.toml").replace(before, after))


@pytest.mark.slow
def test_layers_of_a_pyproject_are_locked_judged_and_mended(user: Project, shelf: Index):
    done = user.call("lock")
    assert done.status == 0, done
    assert "base==1.0" in user.read("requirements/dev.txt")
    assert "-c requirements/main.txt" in user.read("requirements/dev.txt")
    assert "# via mine (pyproject.toml::dependency-groups.lint)" in user.read("requirements/lint.txt")
    assert "    lockhouse lock lint\n" in user.read("requirements/lint.txt")
    assert user.call("check", "--locks-only").status == 0
    before = user.tree()
    shelf.reset_log()
    assert user.call("lock").stdout.endswith("; 3 fresh already\n")
    assert (user.tree(), shelf.requests) == (before, [])
    edit(user, "  'app',", "  'app',\n  'tool',")
    found = user.call("check", "--locks-only")
    assert "pyproject.toml:6: lock-stale: 'tool' is asked for" in found.stdout, found
    edit(user, "  'app',\n", "")
    found = user.call("check", "--locks-only")
    assert "lock-orphan: app==1.0 is locked, but no source asks for it any more" in found.stdout, found
    assert found.stdout.count("lock-orphan") == 2, "base follows from app"
    edit(user, "  'addon',", "  'base',")
    assert user.call("lock").status == 0
    assert "app" not in user.read("requirements/main.txt") + user.read("requirements/dev.txt")
    assert user.call("check", "--locks-only").status == 0


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["main", "dev"])
def test_the_lock_of_a_pyproject_is_what_the_command_in_its_header_writes(user: Project, layer):
    edit(user, ", constraints = ['main']", "")
    assert user.call("lock").status == 0
    ours = user.read(f"requirements/{layer}.txt")
    command = shlex.split(ours.splitlines()[4].removeprefix("#"))
    known = {"--allow-unsafe", "--extra", "--generate-hashes", "--no-emit-index-url", "--output-file"}
    assert {word.partition("=")[0] for word in command if word.startswith("-")} <= known
    (user.root / f"requirements/{layer}.txt").unlink()
    plain = user.execute(sys.executable, "-m", "piptools", "compile", *command[1:])
    assert plain.status == 0, plain
    assert user.read(f"requirements/{layer}.txt") == ours


def test_several_services_of_one_repository_have_a_layer_each(user: Project):
    for service, name in (("api", "app"), ("web", "tool")):
        user.write(f"services/{service}/pyproject.toml", f"[project]\nname = '{service}'\ndependencies = ['{name}']\n")
    user.write(
        "pyproject.toml",
        "[tool.lockhouse.layers]\n"
        "api = { lock = 'services/api/lock.txt', sources = ['services/api/pyproject.toml'] }\n"
        "web = { lock = 'services/web/lock.txt', sources = ['services/web/pyproject.toml'] }\n",
    )
    done = user.call("lock")
    assert done.status == 0, done
    assert "via api (services/api/pyproject.toml)" in user.read("services/api/lock.txt")
    assert user.call("check", "--locks-only").status == 0
    user.write("services/web/pyproject.toml", "[project]\nname = 'web'\ndependencies = ['addon']\n")
    found = user.call("check", "--locks-only")
    assert "services/web/pyproject.toml:3: lock-stale" in found.stdout
