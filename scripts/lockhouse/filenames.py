"""What the file names of wheels (PEP 427) and of source distributions (PEP 625) say.

Refuses names that are none; looks at no file.
"""

from dataclasses import dataclass

from packaging.tags import Tag
from packaging.utils import (
    BuildTag,
    InvalidName,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from lockhouse.errors import SdistError, WheelError

# What PyPI has ever taken as a source distribution and pip still reads.
SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tgz")


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
        try:
            name, version, build, tags = parse_wheel_filename(filename)
        except (InvalidWheelFilename, InvalidVersion, InvalidName) as error:
            raise WheelError(f"{filename!r} is not a wheel's file name: {error}") from error
        return cls(filename=filename, name=name, version=version, build=build, tags=tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SdistName:
    """A source distribution's file name, read."""

    filename: str
    name: NormalizedName
    version: Version

    @classmethod
    def parse(cls, filename: str, project: NormalizedName | None = None) -> "SdistName":
        """Read a file name with any suffix that pip takes from PyPI; raises SdistError where it is no sdist's name.

        The version follows the last dash (PEP 625). Where it holds dashes itself, as old ones do, `project` tells where
        the name ends; this is how pip reads it.

        >>> [SdistName.parse("demo-1.0-1.tgz", project).version for project in (None, canonicalize_name("demo"))]
        [<Version('1')>, <Version('1.0.post1')>]
        """
        try:
            name, version = _split(filename, project)
            return cls(filename=filename, name=canonicalize_name(name, validate=True), version=Version(version))
        except ValueError as error:
            raise SdistError(f"{filename!r} is not a source distribution's file name: {error}") from error


def _split(filename: str, project: NormalizedName | None) -> tuple[str, str]:
    suffix = next((suffix for suffix in SDIST_SUFFIXES if filename.endswith(suffix)), None)
    # packaging would read over blanks around a version.
    if suffix is None or any(letter.isspace() for letter in filename):
        raise ValueError(f"expected NAME-VERSION and one of {', '.join(SDIST_SUFFIXES)}")
    stem = filename.removesuffix(suffix)
    for at, letter in enumerate(stem):
        if letter == "-" and canonicalize_name(stem[:at]) == project:
            return stem[:at], stem[at + 1 :]
    name, _, version = stem.rpartition("-")
    return name, version
