"""Reads locks and sources, which are pip requirements files, into values that keep their line and their *via*.

Refuses, with file and line, whatever it cannot read, and also what pip would silently read over: a second `-r` on a
line, a marker behind the options. It opens no URL, imports no pip, and judges nothing: whether a pin is loose or a hash
weak is the rules' business. The format: https://pip.pypa.io/en/stable/reference/requirements-file-format/.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal, TypeAlias

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name, is_normalized_name
from packaging.version import InvalidVersion, Version

from lockhouse import links
from lockhouse.annotations import Header, header, via
from lockhouse.digest import Digest
from lockhouse.errors import Location, RequirementsError
from lockhouse.lines import Given, LogicalLine, UnreadableError, decode, expand, logical_lines, split
from lockhouse.redact import redact

_OF_A_REQUIREMENT = frozenset({"--hash", "--config-settings"})
_OF_AN_EDITABLE = frozenset({"--editable", "--config-settings"})
_BY_NAME = frozenset({"--no-binary", "--only-binary", "--all-releases", "--only-final"})
_DIGITS_LIMIT = 1000
_ONE_A_LINE = "write one line for each of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementLine:
    """A project that is asked for by name, in a source or a lock.

    `text` is fit to be shown; `url` is the URL as it stands, credentials included, and is never shown as it is.
    """

    name: NormalizedName
    project: str
    extras: frozenset[NormalizedName]
    specifier: SpecifierSet
    url: str | None = field(repr=False)
    marker: Marker | None
    hashes: tuple[Digest, ...]
    config_settings: tuple[str, ...]
    via: tuple[str, ...]
    text: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockableLine:
    """What cannot be locked by a hash: an editable, a version control URL, a directory or a file on this machine.

    It is named, not judged: nobody looks whether the path exists. `url` is the text as it stands, credentials included.
    """

    kind: Literal["editable", "vcs", "path"]
    name: NormalizedName | None
    url: str = field(repr=False)
    marker: Marker | None
    hashes: tuple[Digest, ...]
    config_settings: tuple[str, ...]
    via: tuple[str, ...]
    text: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludeLine:
    """Another file that this one reads: `-r` asks for what is in it, `-c` only limits versions."""

    kind: Literal["requirements", "constraints"]
    target: str
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """One global option, by its long name (`--index-url`); `value` stands as it is, credentials included."""

    name: str
    value: str | None = field(repr=False)
    location: Location


Line: TypeAlias = RequirementLine | UnlockableLine | IncludeLine | OptionLine


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementsFile:
    """One file, without the files that it includes. `path` is as the user should read it."""

    path: PurePath
    lines: tuple[Line, ...]
    header: Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A requirement that names exactly one version, or one URL.

    `arbitrary`: pinned by `===`. `version` is None for a URL whose file name does not tell one.
    """

    name: NormalizedName
    project: str
    version: Version | None
    arbitrary: bool
    extras: frozenset[NormalizedName]
    marker: Marker | None
    url: str | None = field(repr=False)
    hashes: tuple[Digest, ...]
    via: tuple[str, ...]
    location: Location


def parse(content: bytes, path: PurePath, *, environ: Mapping[str, str]) -> RequirementsFile:
    r"""Read one requirements file; raises RequirementsError for the first line that cannot be read.

    >>> lock = parse(b"six==1.16.0 \\\n    --hash=sha256:" + b"0" * 64 + b"\n    # via app\n", PurePath("main.txt"), environ={})
    >>> [(line.name, str(line.specifier), line.via, str(line.location)) for line in lock.lines]
    [('six', '==1.16.0', ('app',), 'main.txt:1')]
    """
    above, logical = logical_lines(decode(content, path))
    lines: list[Line] = []
    for each in logical:
        where = Location(path, each.number)
        try:
            lines.extend(_read(each, where, environ))
        except ValueError as error:
            # Of several lines, packaging's errors draw a picture below the first.
            reason = str(error).partition("\n")[0]
            hint = error.hint if isinstance(error, UnreadableError) else None
            raise RequirementsError(redact(reason), where=where, hint=hint) from None
    return RequirementsFile(path=path, lines=tuple(lines), header=header(above))


def pin_of(line: RequirementLine) -> Pin | None:
    """Return the pin that a requirement is, or None where it is not exact (`==1.*`, `>=1`, two specifiers, none).

    An `===` that is no PEP 440 version pins nothing either: no wheel can have it.

    >>> [line] = parse(b"App[x]==1.10", PurePath("main.txt"), environ={}).lines
    >>> pin_of(line).version
    <Version('1.10')>
    """
    arbitrary = False
    version: Version | None
    if line.url is not None:
        version = links.version(line.url, line.name)
    else:
        specifiers = list(line.specifier)
        if len(specifiers) != 1 or specifiers[0].operator not in {"==", "==="}:
            return None
        arbitrary = specifiers[0].operator == "==="
        try:
            version = Version(specifiers[0].version)
        except InvalidVersion:
            return None
    return Pin(
        name=line.name,
        project=line.project,
        version=version,
        arbitrary=arbitrary,
        extras=line.extras,
        marker=line.marker,
        url=line.url,
        hashes=line.hashes,
        via=line.via,
        location=line.location,
    )


def read_requirement(text: str, where: Location, *, shown: str = "") -> RequirementLine | UnlockableLine:
    """Read one requirement that stands in another format than ours, `shown` as the user wrote it there.

    Raises RequirementsError.
    """
    try:
        read = _requirement(text, (), LogicalLine(number=where.line, text=text), where)
    except ValueError as error:
        hint = error.hint if isinstance(error, UnreadableError) else None
        raise RequirementsError(redact(str(error).partition("\n")[0]), where=where, hint=hint) from None
    return replace(read, text=redact(shown)) if shown else read


def _read(line: LogicalLine, where: Location, environ: Mapping[str, str]) -> Sequence[Line]:
    """Read one logical line: a requirement, an editable, an include, or options; raises ValueError."""
    text, given = split(expand(line.text, environ))
    names = [name for name, _ in given]
    for name, value in given:
        if value is not None and (not value.strip() or (name in _BY_NAME and value.startswith("-"))):
            raise UnreadableError(f"{name} needs a value", f"write {name}=VALUE")
    if text:
        if extra := [name for name in names if name not in _OF_A_REQUIREMENT]:
            raise UnreadableError(
                f"{extra[0]} has no effect on the line of a requirement", f"give {extra[0]} its own line"
            )
        return [_requirement(text, given, line, where)]
    if not names:
        raise UnreadableError("this line says nothing", "remove it")
    if "--editable" in names:
        return [_editable(given, line, where)]
    if "--requirement" in names or "--constraint" in names:
        return [_include(given, where)]
    if stray := _OF_A_REQUIREMENT.intersection(names):
        raise UnreadableError(f"{min(stray)} without a requirement", "end the line above it with a backslash")
    if names.count("--find-links") > 1:
        raise UnreadableError("--find-links twice on a line: pip reads only the first", _ONE_A_LINE)
    return [OptionLine(name=name, value=value, location=where) for name, value in given]


def _include(given: Sequence[Given], where: Location) -> IncludeLine:
    [(name, value), *others] = given
    target = value or ""
    if others:
        raise UnreadableError("beside -r or -c pip reads over the other options of the line", _ONE_A_LINE)
    if target.lower().startswith(("http:", "https:")):
        raise UnreadableError(f"{target} can be read only over the network", "copy the file into the project")
    if target.lower().startswith("file:"):
        # pip reads it. But it names a path of one machine, and a second name for a file hides a cycle.
        raise UnreadableError(f"{target} names a path of one machine", "write the path relative to this file")
    return IncludeLine(kind="requirements" if name == "--requirement" else "constraints", target=target, location=where)


def _editable(given: Sequence[Given], line: LogicalLine, where: Location) -> UnlockableLine:
    names = [name for name, _ in given]
    if names.count("--editable") > 1 or not _OF_AN_EDITABLE.issuperset(names):
        raise UnreadableError("beside -e pip reads over every option of the line but --config-settings", _ONE_A_LINE)
    text = dict(given)["--editable"] or ""
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        requirement = None
    url = requirement.url if requirement and requirement.url else text
    named = requirement is not None and url is not text
    return UnlockableLine(
        kind="editable",
        name=canonicalize_name(requirement.name) if requirement and named else links.project(url),
        url=url,
        marker=requirement.marker if requirement and named else None,
        hashes=(),
        config_settings=_config_settings(given),
        via=via(line.comments),
        text=redact(text),
        location=where,
    )


def _requirement(
    text: str, given: Sequence[Given], line: LogicalLine, where: Location
) -> RequirementLine | UnlockableLine:
    """Read what stands before the options, in pip's order: cut off the marker, then see a URL, a path, or a name."""
    if len(text) > _DIGITS_LIMIT and re.search(rf"\d{{{_DIGITS_LIMIT}}}", text):
        # Where versions are compared, Python refuses to convert some thousands of digits.
        raise UnreadableError(f"a number of more than {_DIGITS_LIMIT} digits", "write the version that is meant")
    alone = links.kind(text)
    body, _, condition = (part.strip() for part in text.partition(";" if alone == "none" else "; "))
    marker = _marker(condition)
    if alone in {"download", "other"}:
        raise UnreadableError(f"{body} does not say which project it is", "write it as NAME @ URL")
    requirement = None if alone != "none" or links.is_archive(body) else _named(body)
    url = requirement.url if requirement else body
    kind = links.kind(url) if url else "none"
    if requirement and url and (kind in {"other", "none"} or links.without_extras(body) != body):
        raise UnreadableError(f"{url} is no URL that can be fetched", "give an https URL, and extras before the @")
    link = url if url and kind != "none" else None
    egg = links.project(link) if link else None
    if requirement is None or kind in {"vcs", "path"}:
        return UnlockableLine(
            kind="vcs" if kind == "vcs" else "path",
            name=canonicalize_name(requirement.name) if requirement else egg,
            url=url or body,
            marker=marker,
            hashes=_hashes(given, link),
            config_settings=_config_settings(given),
            via=via(line.comments),
            text=redact(text.strip()),
            location=where,
        )
    return RequirementLine(
        name=canonicalize_name(requirement.name),
        project=requirement.name,
        extras=frozenset(map(canonicalize_name, requirement.extras)),
        specifier=requirement.specifier,
        url=url,
        marker=marker,
        hashes=_hashes(given, link),
        config_settings=_config_settings(given),
        via=via(line.comments),
        text=redact(text.strip()),
        location=where,
    )


def _marker(text: str) -> Marker | None:
    try:
        return Marker(text) if text else None
    except InvalidMarker as error:
        raise UnreadableError(
            f"{text!r} is no marker: {error}", "see PEP 508; mind the quotes around values"
        ) from error


@dataclass(frozen=True, slots=True)
class _Plain:
    """What `Requirement` says of a name and one exact version."""

    name: str
    specifier: SpecifierSet
    extras: frozenset[str] = frozenset()
    url: None = None


def _plain(text: str) -> _Plain | None:
    """Read `name==version` without a parser, for it is nearly every line of a lock; None for anything else."""
    name, _, version = text.partition("==")
    if version[:1].isdigit() and version.isascii() and is_normalized_name(name) and "," not in version:
        with contextlib.suppress(InvalidSpecifier):
            return _Plain(name, SpecifierSet(f"=={version}"))
    return None


def _named(text: str) -> Requirement | _Plain | None:
    """Read a requirement that begins with a name; None for what only a file system could explain."""
    if plain := _plain(text):
        return plain
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        if links.looks_like_path(text) and "://" not in text:
            return None
        hint = "= is no operator; write ==" if "=" in text and "==" not in text else "write NAME==VERSION or NAME @ URL"
        raise UnreadableError(f"{text!r} is no requirement: {error}", hint) from error


def _hashes(given: Sequence[Given], url: str | None) -> tuple[Digest, ...]:
    """Return the digests of the options, then that of the URL's fragment, which pip counts too."""
    found: list[Digest] = []
    for text in (value or "" for name, value in given if name == "--hash"):
        digest = Digest.parse(text)
        if not text.startswith(digest.algorithm) or len(text) != len(digest.algorithm) + 1 + len(digest.hex):
            raise UnreadableError(f"not a digest: {text!r}", "write the algorithm in small letters, and no blanks")
        found.append(digest)
    in_url = links.digest(url) if url else None
    return (*found, *([in_url] if in_url and in_url not in found else []))


def _config_settings(given: Sequence[Given]) -> tuple[str, ...]:
    settings = tuple(value or "" for name, value in given if name == "--config-settings")
    if any("=" not in setting for setting in settings):
        raise UnreadableError("--config-settings needs KEY=VALUE", "write --config-settings=KEY=VALUE")
    return settings
