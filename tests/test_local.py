"""A team's own projects: locked, built offline, installed after the locks, in place or as wheels, and only when they change."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from lockhouse import config
from lockhouse.construct import Yard
from lockhouse.errors import LockhouseError
from lockhouse.local import wheels
from lockhouse.project import read
from lockhouse.target import running
from lockhouse.wheelhouse import Wheelhouse
from support.backends import offer
from support.environment import clean_environ
from support.index import Index
from support.offline import offline_prefix, require_offline
from support.project import Project, Result
from support.venvs import installed
from support.wheels import build_sdist, build_wheel

FLIT = '[build-system]\nrequires = ["flit_core >=3.2"]\nbuild-backend = "flit_core.buildapi"\n'
BACKENDS = {
    "flit": (FLIT, ["flit_core"]),
    "hatchling": (
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
        ["hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove_classifiers", "editables"],
    ),
    "setuptools": (
        '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n',
        ["setuptools"],
    ),
}
TABLE = (
    '[project]\nname = "common"\nversion = "1.0"\ndescription = "x"\ndependencies = ["six"]\n'
    '[project.scripts]\ncommon-says = "common:says"\n'
)
CODE = 'WORD = "old"\n\n\ndef says():\n    print(WORD)\n'
BUILD_IN, BUILD = "requirements/build/common.in", "requirements/build/common.txt"


def ok(result: Result) -> Result:
    assert result.status == 0, result
    return result


def says(project: Project) -> str:
    return ok(project.execute(project.root / ".venv/bin/common-says", cwd=project.root.parent)).stdout.strip()


def write(
    project: Project, kind: str = "flit", *, local: str = "../common", more: Mapping[str, str] | None = None
) -> None:
    """Write a project that pins six, and its sister beside it, which is local."""
    project.write("requirements/main.in", "six\n")
    project.write("pyproject.toml", f'[tool.lockhouse]\nlocal = ["{local}"]\n')
    files = {"pyproject.toml": BACKENDS[kind][0] + TABLE, "common/__init__.py": CODE, **(more or {})}
    for path, text in files.items():
        project.write(f"../common/{path}", text)


def offered(index: Index, kind: str = "flit") -> None:
    offer(index, *BACKENDS[kind][1])
    build_wheel(index.directory, "six", "1.0")


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds such a project and its sister, locked and with its wheelhouse full, for tests to copy."""
    folder = tmp_path_factory.mktemp("local")
    (folder / "index").mkdir()
    (folder / "home").mkdir()
    with Index(folder / "index") as index:
        offered(index)
        project = Project(folder / "both" / "project", {**clean_environ(folder / "home"), "PIP_INDEX_URL": index.url})
        write(project)
        assert "../common: locked what it is built with" in ok(project.run("lock")).stdout
        ok(project.run("wheelhouse"))
    return folder / "both"


@pytest.fixture
def locked(project: Project, index: Index, sound: Path) -> Project:
    offered(index)
    shutil.copytree(sound, project.root.parent, dirs_exist_ok=True)
    return project


def test_a_local_project_is_built_when_it_must_be_and_never_else(locked: Project, index: Index):
    project = locked
    assert project.read(BUILD_IN).splitlines()[:3] == [
        "# What ../common asks for to be built; `lockhouse lock` writes this part.",
        "# It is for local ../common",
        "flit_core >=3.2",
    ]
    assert "flit-core==" in project.read(BUILD)
    assert list((project.root / "wheelhouse/.lockhouse/build").glob("flit_core-*.whl"))
    before = project.tree("requirements")
    index.reset_log()
    assert "locked 0 layers" in ok(project.call("lock")).stdout
    assert "building common from ../common, editable" in ok(project.call("install")).stderr
    assert not index.requests
    assert project.tree("requirements") == before
    assert installed(project.root / ".venv") == {"common": "1.0", "six": "1.0"}
    # In place: a change shows at once.
    project.write("../common/common/__init__.py", CODE.replace("old", "new"))
    assert says(project) == "new"
    again = ok(project.call("install"))
    assert "building" not in again.stderr
    assert "0 added, 0 changed" in again.stdout
    # As a wheel: it must be built again for that.
    assert "building common from ../common\n" in ok(project.call("install", "--no-editable")).stderr
    project.write("../common/common/__init__.py", CODE.replace("old", "newer"))
    assert says(project) == "new"
    assert "building" in ok(project.call("install", "--no-editable")).stderr
    assert says(project) == "newer"
    assert "building" not in ok(project.call("install", "--no-editable")).stderr
    assert sorted(path.name for path in (project.root / ".venv/.lockhouse/local").iterdir()) == [
        "common-1.0-py2.py3-none-any.whl",
        "wheels.json",
    ]
    logs = {path.name for path in (project.root / "wheelhouse/.lockhouse/logs").iterdir()}
    assert {"common-build_editable.log", "common-build_wheel.log"} <= logs
    assert not (project.root / "requirements/built.sum").exists()
    assert sorted(path.name for path in (project.root / "../common").iterdir()) == ["common", "pyproject.toml"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", BACKENDS)
def test_every_backend_serves_both_ways_without_a_network(project: Project, index: Index, kind):
    require_offline()
    offered(index, kind)
    write(project, kind)
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    ok(project.call("check"))
    # A fresh clone makes the environment from what is committed and housed.
    assert "editable" in ok(project.run("install", prefix=offline_prefix())).stderr
    assert says(project) == "old"
    project.write("../common/common/__init__.py", CODE.replace("old", "new"))
    assert says(project) == "new"
    assert "building" not in ok(project.run("install", prefix=offline_prefix())).stderr
    left = set(Path(project.root, "../common").iterdir())
    ok(project.run("install", "--no-editable", prefix=offline_prefix()))
    assert says(project) == "new"
    assert set(Path(project.root, "../common").iterdir()) == left
    project.write("../common/common/__init__.py", CODE.replace("old", "newer"))
    ok(project.run("install", "--no-editable", prefix=offline_prefix()))
    assert says(project) == "newer"
    assert "building" not in ok(project.run("install", "--no-editable", prefix=offline_prefix())).stderr
    ok(project.run("install", prefix=offline_prefix()))
    project.write("../common/common/__init__.py", CODE.replace("old", "newest"))
    assert says(project) == "newest"


@pytest.mark.slow
def test_the_project_itself_can_be_local(project: Project, index: Index):
    offered(index, "setuptools")
    write(project, "setuptools")
    for path in ("pyproject.toml", "common/__init__.py"):
        project.write(path, project.read(f"../common/{path}"))
    project.write(
        "pyproject.toml",
        project.read("pyproject.toml") + '[tool.setuptools]\npackages = ["common"]\n[tool.lockhouse]\nlocal = ["."]\n',
    )
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    ok(project.call("install"))
    assert says(project) == "old"
    ok(project.call("check"))
    ok(project.call("install", "--no-editable"))
    assert "building" not in ok(project.call("install", "--no-editable")).stderr


@pytest.mark.slow
def test_what_a_wheel_requires_is_judged_before_the_environment_is_touched(locked: Project, index: Index):
    legacy = "from setuptools import setup\nsetup(name='common', version='1.0', packages=['common'], install_requires=['six>1', 'gone'])\n"
    (locked.root / "../common/pyproject.toml").unlink()
    locked.write("../common/setup.py", legacy)
    locked.write("../common/setup.cfg", "[metadata]\nname = common\n")
    offer(index, "setuptools")
    ok(locked.call("lock"))
    ok(locked.call("wheelhouse"))
    said = ok(locked.call("check"))
    assert "note: what ../common requires is for its build to tell" in said.stdout
    for options in ((), ("--no-editable",)):
        refused = locked.call("install", *options)
        assert refused.status == 1, refused
        assert "dependency-missing: the local project common requires 'gone'" in refused.stdout
        assert "dependency-unsatisfied: the local project common requires 'six>1'" in refused.stdout
        assert "nothing was installed" in refused.stderr
        assert not (locked.root / ".venv").exists()
    ok(locked.call("install", "--no-local"))
    assert set(installed(locked.root / ".venv")) == {"six"}


@pytest.mark.slow
def test_a_missing_dependency_stops_the_install(locked: Project):
    toml = locked.read("../common/pyproject.toml")
    locked.write("../common/pyproject.toml", toml.replace('["six"]', '["six", "gone"]'))
    said = locked.call("install")
    assert said.status == 1, said
    assert "../common/pyproject.toml:8: dependency-missing" in said.stdout
    assert not (locked.root / ".venv").exists()


@pytest.mark.slow
def test_a_project_that_moved_away_is_named(locked: Project):
    (locked.root / "../common").rename(locked.root / "../moved")
    for command in ("lock", "check", "install"):
        said = locked.call(command)
        assert said.status == 2, said
        assert "the local project ../common is not there" in said.stderr
    locked.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["../moved"]\n')
    said = locked.call("check")
    assert f"{BUILD_IN}:2: lock-stale" in said.stdout
    locked.write("pyproject.toml", "")
    assert f"{BUILD_IN}: lock-orphan" in locked.call("check").stdout
    ok(locked.call("lock"))
    assert not (locked.root / BUILD).exists()
    ok(locked.call("check"))


@pytest.mark.slow
def test_other_build_requirements_are_locked_anew_and_those_of_users_kept(locked: Project, index: Index):
    build_wheel(index.directory, "plugin", "1.0")
    build_wheel(index.directory, "helper", "1.0")
    toml = locked.read("../common/pyproject.toml")
    locked.write("../common/pyproject.toml", toml.replace('["flit_core >=3.2"]', '["flit_core >=3.2", "plugin"]'))
    locked.write(BUILD_IN, locked.read(BUILD_IN) + "helper\n")
    assert locked.call("check").status == 1
    assert locked.call("lock", "--check").status == 1
    ok(locked.call("lock"))
    assert "plugin\n" in locked.read(BUILD_IN)
    assert locked.read(BUILD_IN).endswith("helper\n")
    assert "helper==1.0" in locked.read(BUILD)
    assert "wheel-missing" in locked.call("check").stdout or not locked.call("check").status
    ok(locked.call("wheelhouse"))
    ok(locked.call("check"))
    assert "building" in ok(locked.call("install")).stderr


OWN_BACKEND = """\
import os
from flit_core.buildapi import build_wheel, get_requires_for_build_wheel as asked
def get_requires_for_build_wheel(config_settings=None):
    return ['helper>=1']
"""
OWN = FLIT.replace("flit_core.buildapi", "own").replace("[build-system]\n", '[build-system]\nbackend-path = ["."]\n')


@pytest.mark.slow
def test_a_backend_is_asked_for_what_it_needs_and_may_have_no_editable_wheels(project: Project, index: Index):
    offered(index)
    # Of the helper there is no wheel: it is built first.
    offer(index, "setuptools")
    build_sdist(index.directory, "helper", "1.5")
    write(project, more={"pyproject.toml": OWN + TABLE, "own.py": OWN_BACKEND})
    ok(project.call("lock"))
    assert "flit_core >=3.2\n# Its backend asks for this, too.\nhelper>=1\n" in project.read(BUILD_IN)
    assert "helper==1.5" in project.read(BUILD)
    assert "helper-1.5" in project.read("requirements/built.sum")
    index.reset_log()
    ok(project.call("lock"))
    assert not index.requests
    shutil.rmtree(project.root / "wheelhouse")
    ok(project.call("wheelhouse"))
    ok(project.call("check"))
    said = project.call("install")
    assert said.status == 1, said
    assert "common (../common): common could not be built: its backend has no build_editable" in said.stderr
    assert "set `editable = false`" in said.stderr
    assert not (project.root / ".venv").exists()
    project.write("pyproject.toml", project.read("pyproject.toml") + "editable = false\n")
    ok(project.call("install"))
    assert says(project) == "old"


FROM_GIT = """\
import subprocess
from setuptools import setup
said = subprocess.run(["git", "describe", "--tags", "--dirty"], capture_output=True, text=True)
setup(version=said.stdout.strip() or "0+" + "".join(filter(str.isalnum, said.stderr)), name="common", packages=["common"])
"""


@pytest.mark.slow
def test_a_version_from_tags_is_told_in_a_wheel_and_a_new_tag_is_built_again(project: Project, index: Index):
    offered(index, "setuptools")
    more = {"setup.py": FROM_GIT, "pyproject.toml": '[project]\nname = "common"\ndynamic = ["version"]\n'}
    write(project, "setuptools", more=more)
    common = project.root.parent / "common"
    for argv in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"], ["tag", "1.5"]):
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *argv], cwd=common, check=True)
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    ok(project.call("install", "--no-editable"))
    assert installed(project.root / ".venv") == {"common": "1.5", "six": "1.0"}
    assert "building" not in ok(project.call("install", "--no-editable")).stderr
    subprocess.run(["git", "tag", "1.6"], cwd=common, check=True)
    subprocess.run(["git", "tag", "-d", "1.5"], cwd=common, check=True, capture_output=True)
    ok(project.call("install", "--no-editable"))
    assert installed(project.root / ".venv") == {"common": "1.6", "six": "1.0"}


@pytest.mark.slow
def test_a_build_that_changes_what_is_committed_is_refused(project: Project, index: Index):
    offered(index)
    bad = OWN_BACKEND.replace("['helper>=1']", "[]") + (
        "def build_editable(*args):\n    open('requirements/main.txt', 'a').write('# evil')\n    return build_wheel(*args)\n"
    )
    write(project, more={"own.py": bad, "pyproject.toml": OWN + TABLE})
    for path in ("own.py", "common/__init__.py"):
        project.write(path, project.read(f"../common/{path}"))
    project.write("pyproject.toml", OWN + TABLE + '[tool.lockhouse]\nlocal = ["."]\n')
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    said = project.call("install")
    assert said.status == 1, said
    assert "requirements/main.txt changed while . was built" in said.stderr
    assert not (project.root / ".venv").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        pytest.param(lambda kept: kept.update(schema=2), "building", id="schema"),
        pytest.param(lambda kept: kept["wheels"]["common"].update(key="x"), "building", id="key"),
        pytest.param(lambda kept: kept["wheels"]["common"].update(wheel="../x.whl"), "building", id="name"),
        pytest.param(lambda kept: kept.update(wheels=[]), "building", id="shape"),
    ],
)
def test_what_is_kept_only_informs(locked: Project, spoil, text):
    ok(locked.call("install"))
    noted = json.loads(locked.read(".venv/.lockhouse/local/wheels.json"))
    spoil(noted)
    locked.write(".venv/.lockhouse/local/wheels.json", json.dumps(noted))
    assert text in ok(locked.call("install")).stderr
    assert "building" not in ok(locked.call("install")).stderr


@pytest.mark.slow
def test_what_is_gone_from_the_environment_comes_back(locked: Project):
    ok(locked.call("install"))
    [info] = (locked.root / ".venv").glob("lib/*/site-packages/common-1.0.dist-info")
    shutil.rmtree(info)
    again = ok(locked.call("install"))
    assert "1 added" in again.stdout
    assert "building" not in again.stderr
    shutil.rmtree(locked.root / ".venv")
    assert "building" in ok(locked.call("install")).stderr
    assert says(locked) == "old"


@pytest.mark.slow
def test_layers_that_are_installed_alone_bring_local_projects_that_they_provide_for(locked: Project, index: Index):
    build_wheel(index.directory, "tool", "1.0")
    locked.write("requirements/dev.in", "-c main.txt\ntool\n")
    ok(locked.call("lock"))
    ok(locked.call("wheelhouse"))
    ok(locked.call("install", "main", "--no-editable"))
    assert set(installed(locked.root / ".venv")) == {"common", "six"}
    refused = locked.call("install", "dev")
    assert refused.status == 1, refused
    assert "the local project common requires 'six'" in refused.stdout
    ok(locked.call("install", "dev", "--no-local"))


@pytest.fixture
def described(project: Project, index: Index):
    """What looks into the wheel of the local project `common`, for the running Python."""
    write(project)
    current = read(config.load(project.root), project.environ)
    yard = Yard(
        house=Wheelhouse(project.root / "wheelhouse"),
        target=running(),
        config=current.config,
        environ=project.environ,
        connect=pytest.fail,
        progress=pytest.fail,
        say=pytest.fail,
        waiting=pytest.fail,
    )
    [local] = current.local.values()
    return lambda path: wheels.described(local, path, yard)


def test_a_wheel_is_known_by_its_own_metadata(described, tmp_path: Path):
    name, project = described(build_wheel(tmp_path, "common", "2.0", requires=["six>=1"]))
    assert (str(name.version), str(project.version)) == ("2.0", "2.0")
    assert [str(each.requirement) for each in project.requires] == ["six>=1"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"name": "other"}, "builds to other-1.0-py3-none-any.whl, which is not common", id="name"),
        pytest.param({"tag": "cp27-cp27m-win32"}, "which does not fit", id="tag"),
        pytest.param({"metadata_version": "2.0"}, "which is not sound: the file name says", id="misnamed"),
        pytest.param({"requires_python": "<3"}, "which requires Python <3, and the target has", id="python"),
        pytest.param({"requires": ["a b"]}, "whose Requires-Dist cannot be read", id="requires"),
    ],
)
def test_a_wheel_that_is_not_that_of_the_project_is_refused(described, tmp_path: Path, given, reason):
    path = build_wheel(tmp_path, **{"name": "common", "version": "1.0", **given})
    with pytest.raises(LockhouseError) as caught:
        described(path)
    assert reason in caught.value.reason
    assert "../common" in str(caught.value)
