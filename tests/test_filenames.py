"""The file names of wheels and of source distributions: read as pip reads them, and nothing else is taken for one."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import parse_tag
from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import Version

from lockhouse import filenames as module
from lockhouse.errors import SdistError, WheelError
from lockhouse.filenames import SdistName, WheelName


def test_doctests():
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("filename", "name", "version", "build"),
    [
        ("demo-1.0-py3-none-any.whl", "demo", "1.0", ()),
        ("Zope.Interface-1.0.0-py3-none-any.whl", "zope-interface", "1.0", ()),
        ("foo_bar-1.10-2abc-cp311-cp311-win_amd64.whl", "foo-bar", "1.10", (2, "abc")),
        ("demo-1.0+local.1-py3-none-any.whl", "demo", "1.0+local.1", ()),
    ],
)
def test_a_wheels_name_is_read(filename: str, name: str, version: str, build: tuple[object, ...]):
    found = WheelName.parse(filename)
    assert (found.name, found.version, found.build) == (canonicalize_name(name), Version(version), build)
    assert found.filename == filename


def test_compressed_tags_are_taken_apart():
    tags = WheelName.parse("demo-1.0-py2.py3-none-any.whl").tags
    assert tags == parse_tag("py2-none-any") | parse_tag("py3-none-any")


@pytest.mark.parametrize(
    "filename",
    [
        "demo.whl",
        "demo-1.0.tar.gz",
        "demo-1.0-py3-none.whl",
        "demo-one-py3-none-any.whl",
        "demo-1.0-x-py3-none-any.whl",
        "demo-1.0-py3-none-any.whl.part",
        "-1.0-py3-none-any.whl",
        "",
    ],
)
def test_what_is_no_wheels_name_is_refused(filename: str):
    with pytest.raises(WheelError, match="not a wheel's file name"):
        WheelName.parse(filename)


@pytest.mark.parametrize(
    ("filename", "name", "version"),
    [
        ("docopt-0.6.2.tar.gz", "docopt", "0.6.2"),
        ("Zope.Interface-5.0.zip", "zope-interface", "5.0"),
        ("python-dateutil-2.8.2.tar.bz2", "python-dateutil", "2.8.2"),
        ("foo_bar-1.10rc1.tgz", "foo-bar", "1.10rc1"),
        ("demo-2!1.0+local.1.tar.gz", "demo", "2!1.0+local.1"),
    ],
)
def test_an_sdists_name_is_read(filename: str, name: str, version: str):
    found = SdistName.parse(filename)
    assert (found.filename, found.name, found.version) == (filename, name, Version(version))


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("demo-1.0-1.tar.gz", "demo", "1.0.post1"),
        ("De_Mo-1.0-beta-2.tar.gz", "de-mo", "1.0b2"),
        ("de-mo-1.0.tar.gz", "de-mo", "1.0"),
    ],
)
def test_a_dash_in_the_version_is_told_from_one_in_the_name_by_the_project(filename: str, project: str, version: str):
    found = SdistName.parse(filename, canonicalize_name(project))
    assert (found.name, found.version) == (project, Version(version))


def test_another_project_is_read_as_what_it_is():
    assert SdistName.parse("other-1.0.tar.gz", canonicalize_name("demo")).name == "other"


@pytest.mark.parametrize(
    "filename",
    [
        "", "demo", "demo-1.0", "demo.tar.gz", "-1.0.tar.gz", "demo-.zip", "demo-one.tar.gz", "demo-1.0.whl",
        "demo-1.0.tar", "demo-1.0.tar.xz", "demo-1.0.tar.gz.part", "demo-1.0.TAR.GZ", "demo-1.0 .tar.gz", "demo-1.0\n.zip",
        "../demo-1.0.tar.gz", "a/b-1.0.tar.gz", "a\\b-1.0.zip", "dé-1.0.zip", "_demo-1.0.zip",
    ],
)  # fmt: skip
def test_what_is_no_sdists_name_is_refused(filename: str):
    with pytest.raises(SdistError, match="is not a source distribution's file name"):
        SdistName.parse(filename)


@given(
    name=st.from_regex(r"\A[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?\Z"),
    version=st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){0,2}((a|b|rc|\.post|\.dev)[0-9])?\Z"),
    suffix=st.sampled_from([".tar.gz", ".zip", ".tar.bz2", ".tgz"]),
)
def test_every_name_and_version_is_read_back(name: str, version: str, suffix: str):
    found = SdistName.parse(f"{name}-{version}{suffix}")
    assert (found.name, found.version) == (canonicalize_name(name), Version(version))


@given(st.text(alphabet="a0-._ /\\v!+é", max_size=12), st.sampled_from([".tar.gz", ".zip"]))
def test_nothing_is_taken_that_packaging_refuses_and_what_both_take_is_the_same(stem: str, suffix: str):
    try:
        found = SdistName.parse(stem + suffix)
    except SdistError:
        return
    try:
        assert (found.name, found.version) == parse_sdist_filename(stem + suffix)
    except InvalidSdistFilename:
        pytest.fail(f"packaging refuses {stem + suffix!r}")
