"""Wheels' file names (PEP 427): the project, version, build and tags that they state.

Refuses what is not a wheel's name, and names that no file system would hold.
"""

from dataclasses import dataclass

from packaging.tags import Tag
from packaging.utils import BuildTag, NormalizedName, parse_wheel_filename
from packaging.version import Version

from lockhouse.errors import WheelError

# What file systems hold; in a longer name of an index page, a few thousand dots would stand for billions of tags.
_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelName:
    """A wheel's file name, read: the project, its version, the build tag (`()` for none) and the tags."""

    filename: str
    name: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]

    @classmethod
    def parse(cls, filename: str) -> "WheelName":
        """Read a wheel's file name; raises WheelError where it is not one.

        >>> WheelName.parse("six-1.16.0-1-py2.py3-none-any.whl").build
        (1, '')
        """
        if len(filename) > _LONGEST:
            raise WheelError(f"{filename[:40]!r}... is not a wheel's file name: it has {len(filename)} characters")
        try:
            name, version, build, tags = parse_wheel_filename(filename)
        except ValueError as error:
            raise WheelError(f"{filename!r} is not a wheel's file name: {error}") from error
        return cls(filename=filename, name=name, version=version, build=build, tags=tags)
