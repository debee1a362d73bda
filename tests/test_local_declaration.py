"""What a local project says about itself is read without running it, and what cannot be read is an error that says where."""

from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse import config
from lockhouse.errors import ConfigError
from lockhouse.local import declaration
from lockhouse.local.declaration import LocalProject
from lockhouse.metadata import Metadata
from support.project import Project

HATCH = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


@pytest.fixture
def root(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project", {})
    project.write("requirements/main.in", "")
    project.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["../common"]\n')
    return project


def read(root: Project) -> list[LocalProject]:
    return list(declaration.read_all(config.load(root.root)).values())


def refused(root: Project) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(root)
    assert caught.value.exit_status == 2
    return caught.value


def test_name_version_build_and_requirements_are_told_with_their_lines(root):
    root.write(
        "../common/pyproject.toml",
        f'{HATCH}\n[project]\nname = "Com.Mon"\nversion = "1.10"\ndependencies = [\n  "six>=1",\n'
        '  \'requests[socks]; python_version > "3"\',\n]\n[project.optional-dependencies]\nFast_1 = ["speed"]\n',
    )
    root.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["../common[fast.1]"]\n')
    [found] = read(root)
    assert (found.name, str(found.version), str(found.path)) == ("com-mon", "1.10", "../common")
    assert found.extras == {canonicalize_name("fast-1")}
    assert found.build_system.requires == ("hatchling",)
    assert [(str(each.requirement), str(each.location)) for each in found.requires or ()] == [
        ("six>=1", "../common/pyproject.toml:9"),
        ('requests[socks]; python_version > "3"', "../common/pyproject.toml:10"),
        ('speed; extra == "fast-1"', "../common/pyproject.toml:13"),
    ]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"setup.py": "", "setup.cfg": "[metadata]\nname = Common\n"}, id="setup.cfg"),
        pytest.param({"pyproject.toml": '[tool.poetry]\nname = "common"\n'}, id="poetry"),
        pytest.param({"pyproject.toml": '[project]\nname = "common"\ndynamic = ["dependencies"]\n'}, id="dynamic"),
    ],
)
def test_what_only_a_build_can_tell_stays_open(root, files):
    for name, text in files.items():
        root.write(f"../common/{name}", text)
    [found] = read(root)
    assert (found.name, found.version, found.requires) == ("common", None, None)
    assert found.build_system.requires == ("setuptools >= 40.8.0",)


def test_extras_that_are_dynamic_stay_open_only_where_they_are_wanted(root):
    text = '[project]\nname = "common"\nversion = "1"\ndependencies = ["six"]\ndynamic = ["optional-dependencies"]\n'
    root.write("../common/pyproject.toml", text)
    [found] = read(root)
    assert [each.text for each in found.requires or ()] == ["six"]
    root.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["../common[x]"]\n')
    [found] = read(root)
    assert found.requires is None


@pytest.mark.parametrize(
    ("files", "where", "reason", "hint"),
    [
        pytest.param({}, "pyproject.toml", "../common is not there", "correct its folder", id="gone"),
        pytest.param(
            {"a": ""}, "pyproject.toml", "has neither a pyproject.toml nor a setup.py", "correct", id="nothing"
        ),
        pytest.param({"setup.py": ""}, "../common/setup.py", "stated nowhere", "[project]", id="unnamed"),
        pytest.param(
            {"setup.py": "", "setup.cfg": "[metadata]\nname = attr: x\n"},
            "../common/setup.py",
            "nowhere",
            "",
            id="attr",
        ),
        pytest.param({"pyproject.toml": "[project]\n"}, "../common/pyproject.toml", "stated nowhere", "", id="no-name"),
        pytest.param(
            {"pyproject.toml": '[project]\nname = "-x"\n'}, "../common/pyproject.toml", "'-x' is no name", "", id="name"
        ),
        pytest.param({"pyproject.toml": "project = 1\n"}, "../common/pyproject.toml", "be a table", "", id="no-table"),
        pytest.param({"pyproject.toml": "= 1"}, "../common/pyproject.toml", "not valid TOML", "", id="no-toml"),
        pytest.param(
            {"pyproject.toml": '[build-system]\nrequires = ["a b"]\n[project]\nname = "x"\n'},
            "../common/pyproject.toml",
            "is no requirement",
            "",
            id="build-requirement",
        ),
        pytest.param(
            {"pyproject.toml": '[project]\nname = "x"\ndependencies = [\n"a b"]\n'},
            "../common/pyproject.toml:4",
            "'a b' is no requirement",
            "",
            id="requirement",
        ),
        pytest.param(
            {"pyproject.toml": '[project]\nname = "x"\ndependencies = "six"\n'},
            "../common/pyproject.toml",
            "arrays of strings",
            "",
            id="no-array",
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_where(root, files, where, reason, hint):
    for name, text in files.items():
        root.write(f"../common/{name}", text)
    error = refused(root)
    assert str(error.where) == where
    assert reason in error.reason
    assert hint in (error.hint or "")


def test_an_extra_that_is_not_there_names_the_nearest(root):
    root.write("../common/pyproject.toml", '[project]\nname = "common"\noptional-dependencies = { fast = [] }\n')
    root.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["../common[fats]"]\n')
    error = refused(root)
    assert "common has no extra 'fats'" in error.reason
    assert error.hint == "did you mean 'fast'?"


def test_two_of_one_name_are_refused(root):
    for folder in ("one", "two"):
        root.write(f"{folder}/pyproject.toml", '[project]\nname = "common"\n')
    root.write("pyproject.toml", '[tool.lockhouse]\nlocal = ["one", "two"]\n')
    assert "two local projects are called common: one and two" in refused(root).reason


def test_a_wheel_tells_what_was_open(root):
    root.write("../common/pyproject.toml", '[project]\nname = "common"\ndynamic = ["dependencies"]\n# "six>=1"\n')
    [found] = read(root)
    text = 'Name: common\nVersion: 2\nRequires-Dist: six>=1\nRequires-Dist: speed; extra == "fast"\n'
    built = found.as_built(Metadata.parse(text), Version("2"))
    assert [(str(each.requirement), str(each.location)) for each in built.requires or ()] == [
        ("six>=1", "../common/pyproject.toml:4"),
        ('speed; extra == "fast"', "../common/pyproject.toml"),
    ]
