"""Wheels' file names: what they say, and which are none."""

import doctest

import pytest
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse import wheel as module
from lockhouse.errors import WheelError
from lockhouse.wheel import WheelName


def test_doctests():
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("filename", "name", "version", "build"),
    [
        ("demo-1.0-py3-none-any.whl", "demo", "1.0", ()),
        ("Zope.Interface-1.0.0-py3-none-any.whl", "zope-interface", "1.0", ()),
        ("foo_bar-1.10-2abc-cp311-cp311-win_amd64.whl", "foo-bar", "1.10", (2, "abc")),
        ("demo-1.0+local.1-py3-none-any.whl", "demo", "1.0+local.1", ()),
    ],
)
def test_a_name_is_read(filename: str, name: str, version: str, build: tuple[object, ...]):
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
    "filename",
    [
        f"demo-{'9' * 5000}-py3-none-any.whl",
        f"demo-1.0-{'9' * 5000}-py3-none-any.whl",
        f"demo-1.0-{'.'.join(['py3'] * 3000)}-{'.'.join(['none'] * 3000)}-{'.'.join(['any'] * 3000)}.whl",
    ],
)
def test_a_name_that_no_file_can_have_is_refused_before_it_is_taken_apart(filename: str):
    with pytest.raises(WheelError, match="not a wheel's file name") as caught:
        WheelName.parse(filename)
    assert len(caught.value.reason) < 200
