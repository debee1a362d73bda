"""Local projects are judged like pins: what they require must be pinned, and what builds them must be locked and here."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lockhouse.wheelhouse import Wheelhouse
from support import worlds
from support.project import Project
from support.wheels import build_wheel, sha256
from support.worlds import HOUSE, MAIN, MAIN_IN, Entry

BUILD_IN, BUILD = "requirements/build/app.in", "requirements/build/app.txt"
TOML = """\
[build-system]
requires = ["backend"]
build-backend = "backend"

[project]
name = "app"
version = "1.0"
dependencies = [
    "core>=1.5",
]

[project.optional-dependencies]
fast = ["speed; python_version >= '3'"]

[tool.lockhouse]
local = ["."]
"""
Wheels = Mapping[str, tuple[str, Sequence[str], Mapping[str, Sequence[str]]]]
CORE: Wheels = {"core": ("1.10", [], {})}


def _entry(wheel: Path, pin: str, via: str) -> Entry:
    return Entry(pin=pin, hashes=(f"sha256:{sha256(wheel)}",), via=(f"-r {via}",))


def pin(project: Project, wheels: Wheels, *, asked: Sequence[str] = (), layer: str = "main") -> None:
    """Write a layer that asks for every wheel (spelt as in `asked`, else by its name) and has it."""
    entries, lines = [], []
    for name, (version, requires, extras) in wheels.items():
        wheel = build_wheel(project.root / HOUSE, name, version, requires=requires, extras=extras)
        line = next((text for text in asked if text.startswith(name)), name)
        lines.append(line)
        entries.append(_entry(wheel, f"{line}=={version}", f"requirements/{layer}.in"))
    project.write(f"requirements/{layer}.in", "".join(f"{line}\n" for line in lines))
    project.write(f"requirements/{layer}.txt", worlds.lock_text(entries, worlds.header(layer)))


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A sound project whose own code is local, and that pins what it requires."""
    project = Project(tmp_path / "project", environ)
    pin(project, CORE)
    house = Wheelhouse(project.root / HOUSE)
    wheel = build_wheel(house.inputs.path, "backend", "1.0")
    project.write(BUILD_IN, "# What . asks for to be built\n# It is for local .\nbackend\n")
    project.write(BUILD, worlds.lock_text([_entry(wheel, "backend==1.0", BUILD_IN)], worlds.header("build/app")))
    project.write("pyproject.toml", TOML)
    return project


def edit(project: Project, path: str, before: str, after: str) -> None:
    text = project.read(path)
    assert before in text
    project.write(path, text.replace(before, after, 1))


def found(project: Project, *argv: str) -> list[tuple[str, str]]:
    return worlds.printed(project.call("check", *argv).stdout)


def test_what_local_projects_require_and_are_built_with_is_there(project):
    result = project.call("check", "--strict")
    assert result.status == 0, result
    assert found(project) == []


def test_a_missing_dependency_is_named_with_its_line(project):
    edit(project, "pyproject.toml", '"core>=1.5",', '"core>=1.5",\n    "gone[x]>=2 ; python_version > \'3\'",')
    assert found(project) == [("dependency-missing", "pyproject.toml:10")]
    said = project.call("check").stdout
    assert "the local project app requires 'gone[x]>=2', and nothing that is installed with it pins that" in said
    assert "hint: write it into requirements/main.in, then run `make lock`" in said


def test_a_pin_of_another_version_is_named_with_both_places(project):
    edit(project, "pyproject.toml", "core>=1.5", "core<1.9")
    assert found(project) == [("dependency-unsatisfied", "pyproject.toml:9")]
    said = project.call("check").stdout
    assert "and core is pinned to 1.10" in said
    assert f"{MAIN}:7" in said


@pytest.mark.parametrize(("local", "rules"), [(".", []), (".[fast]", ["dependency-missing"])])
def test_an_extra_counts_where_it_is_wanted(project, local, rules):
    edit(project, "pyproject.toml", '"."', f'"{local}"')
    assert [rule for rule, _ in found(project)] == rules


def test_an_extra_of_a_pin_that_only_a_local_project_wants_is_followed(project):
    pin(project, {"core": ("1.10", [], {"socks": ["pysocks"]})})
    assert found(project) == []
    edit(project, "pyproject.toml", "core>=1.5", "core[socks]>=1.5")
    assert found(project) == [("dependency-missing", f"{MAIN}:7")]
    said = project.call("check").stdout
    assert "asked for by app (pyproject.toml:9)" in said
    assert "hint: write `core[socks]` into the source of a layer" in said
    # Compiling again would not mend it: no source asks for the extra.
    assert project.call("lock", "--check").status == 0
    pin(project, {"core": ("1.10", [], {"socks": ["pysocks"]}), "pysocks": ("1", [], {})}, asked=["core[socks]"])
    assert found(project) == []


def test_what_a_local_project_requires_is_not_unreachable(project):
    edit(project, MAIN, f"# via -r {MAIN_IN}", "# via other")
    project.write(MAIN_IN, "")
    assert found(project) == [("lock-orphan", f"{MAIN}:7")]
    edit(project, MAIN, "    # via other\n", "")
    assert found(project) == []
    edit(project, "pyproject.toml", '"core>=1.5",', "")
    assert found(project) == [("pin-unreachable?", f"{MAIN}:7")]


def test_local_projects_meet_each_other_and_wheels(project):
    toml = '[project]\nname = "common"\nversion = "2.0"\ndependencies = ["app"]\noptional-dependencies = { x = ["gone"] }\n'
    project.write("../common/pyproject.toml", toml)
    source = project.read(BUILD_IN).replace("local .", "local ../common").replace("backend", "setuptools >= 40.8.0")
    wheel = build_wheel(Wheelhouse(project.root / HOUSE).inputs.path, "setuptools", "80")
    project.write("requirements/build/common.in", source)
    lock = [_entry(wheel, "setuptools==80", "requirements/build/common.in")]
    project.write("requirements/build/common.txt", worlds.lock_text(lock, worlds.header("build/common")))
    edit(project, "pyproject.toml", 'local = ["."]', 'local = [".", "../common"]')
    edit(project, "pyproject.toml", '"core>=1.5",', '"core>=1.5", "common>=2",')
    pin(project, {"core": ("1.10", ["common"], {})})
    assert found(project) == []
    edit(project, "pyproject.toml", "common>=2", "common[x]>2")
    assert sorted(found(project)) == [
        ("dependency-missing", "../common/pyproject.toml:5"),
        ("dependency-unsatisfied", "pyproject.toml:9"),
    ]
    assert "the local project ../common is common 2.0" in project.call("check").stdout


def test_only_environments_that_hold_the_default_one_must_provide_for_local_projects(project):
    pin(project, {"tool": ("1", [], {})}, layer="tools")
    pin(project, {"other": ("1", [], {})}, layer="more")
    edit(
        project,
        "pyproject.toml",
        "[tool.lockhouse]\n",
        '[tool.lockhouse]\nenvironments = { default = ["main"], tools = ["tools"], all = ["main", "more"] }\n',
    )
    assert found(project) == []
    assert found(project, "tools") == []
    edit(project, "pyproject.toml", "core>=1.5", "other")
    assert found(project) == [("dependency-missing", "pyproject.toml:9")]
    assert found(project, "tools") == []
    assert found(project, "more") == []


def test_a_local_project_that_a_lock_pins_too_is_refused(project):
    pin(project, {**CORE, "app": ("1.0", [], {})})
    assert found(project) == [("pin-duplicate", f"{MAIN}:10")]
    assert "it is the local project . as well" in project.call("check").stdout


def test_what_only_a_build_can_tell_is_noted(project):
    edit(project, "pyproject.toml", "dependencies = [\n", 'dynamic = ["dependencies"]\nunused = [\n')
    edit(project, "pyproject.toml", 'unused = [\n    "core>=1.5",\n]\n', "")
    result = project.call("check")
    assert result.status == 0, result
    assert "note: what . requires is for its build to tell: `install` judges it" in result.stdout


def _unlink(*paths: str):
    def spoil(project: Project) -> None:
        for path in paths:
            [file] = project.root.glob(path)
            file.unlink()

    return spoil


def _change(path: str, before: str, after: str):
    return lambda project: edit(project, path, before, after)


@pytest.mark.parametrize(
    ("spoil", "expected", "text"),
    [
        pytest.param(_unlink(BUILD_IN, BUILD), [("lock-missing", BUILD)], "has no build lock", id="no-source"),
        pytest.param(_unlink(BUILD), [("lock-missing", BUILD)], "", id="no-lock"),
        pytest.param(
            _change("pyproject.toml", '["backend"]', '["backend", "plugin"]'),
            [("lock-stale", f"{BUILD_IN}:2")],
            "asks for other build requirements",
            id="requires-more",
        ),
        pytest.param(
            _change("pyproject.toml", '["backend"]', '["backend>=2"]'),
            [("lock-stale", f"{BUILD_IN}:2")],
            "backend>=2",
            id="requires-another",
        ),
        pytest.param(
            _change(BUILD_IN, "local .", "local ../old"),
            [("lock-stale", f"{BUILD_IN}:2")],
            "was not written for the local project .",
            id="for-another-folder",
        ),
        pytest.param(
            _change(BUILD_IN, "backend\n", "backend\n# Below this line stands what you add\nbackend>=2\n"),
            None,
            "the lock pins backend==1.0",
            id="added-by-users",
        ),
        pytest.param(
            _change("pyproject.toml", 'local = ["."]', ""), [("lock-orphan", BUILD_IN)], "no local project", id="gone"
        ),
        pytest.param(
            _unlink(f"{HOUSE}/.lockhouse/build/backend-*.whl"), [("wheel-missing", f"{BUILD}:7")], "", id="no-wheel"
        ),
        pytest.param(
            lambda project: build_wheel(project.root / HOUSE / ".lockhouse/build", "stray", "1"),
            [("wheel-extra", f"{HOUSE}/.lockhouse/build/stray-1-py3-none-any.whl")],
            "",
            id="stray-wheel",
        ),
    ],
)
def test_whatever_is_wrong_with_a_build_lock_is_found(project, spoil, expected, text):
    spoil(project)
    result = project.call("check")
    assert result.status == 1, result
    assert text in result.stdout
    if expected is not None:
        assert worlds.printed(result.stdout) == expected


def test_the_cache_key_knows_what_local_projects_are_built_with(project):
    before = project.call("key").stdout
    edit(project, BUILD, "--hash=sha256:", f"--hash=sha256:{'1' * 64} \\\n    --hash=sha256:")
    assert project.call("key").stdout != before
