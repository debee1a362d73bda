"""What pip itself makes of a requirements file, line by line, to hold ours against.

The only place that imports its parser. Every exception of pip counts as a refusal, hence the wide nets.
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from packaging.utils import canonicalize_name
from pip._internal.cli.cmdoptions import use_new_feature
from pip._internal.models.format_control import FormatControl
from pip._internal.models.release_control import ReleaseControl
from pip._internal.req.constructors import install_req_from_parsed_requirement
from pip._internal.req.req_file import (
    ParsedLine,
    get_file_content,
    get_line_parser,
    handle_requirement_line,
    parse_requirements,
    preprocess,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """pip stops with this message."""

    message: str


Reading = dict[str, Any]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Swallow the usage text that pip's parser prints and what it logs; a refusal holds the message."""
    logging.disable()
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


class _NoSession:
    def get(self, url: str) -> None:
        raise OSError(f"no network: {url}")


def read_file(content: bytes, path: Path, environ: Mapping[str, str]) -> list[tuple[int, Reading | Refused]] | Refused:
    """Return what pip reads in each logical line of one file, going on after a line that it refuses."""
    path.write_bytes(content)
    with _quiet(), mock.patch.dict(os.environ, environ, clear=True):
        try:
            _, text = get_file_content(str(path), _NoSession())
            lines = list(preprocess(text))
        except Exception as error:  # noqa: BLE001
            return Refused(repr(error))
        return [(number, _read_line(line, number)) for number, line in lines]


def read_tree(path: Path) -> list[tuple[str, str, bool]] | Refused:
    """Return file name, project and whether it is a constraint, of all that pip reaches from a file."""
    with _quiet():
        try:
            found = [install_req_from_parsed_requirement(each) for each in parse_requirements(str(path), _NoSession())]
        except Exception as error:  # noqa: BLE001
            return Refused(str(error))
    return [(Path(str(each.comes_from).split()[1]).name, str(each.name), each.constraint) for each in found]


def _read_line(line: str, number: int) -> Reading | Refused:
    # pip shares this one list between all lines that it ever reads, so a feature would be on in every later line.
    use_new_feature.keywords["default"].clear()
    try:
        text, options = get_line_parser(None)(line)
        parsed = ParsedLine("FILE", number, text, options, constraint=False)
        if parsed.requirement is None:
            return _options(options)
        parsed_requirement = handle_requirement_line(parsed)
        asked = install_req_from_parsed_requirement(parsed_requirement, user_supplied=True)
        hashes = asked.hashes(trust_internet=False)
    except Exception as error:  # noqa: BLE001
        return Refused(getattr(error, "msg", None) or repr(error))
    assert f"(line {number})" in str(asked.comes_from)
    return {
        "kind": "editable" if asked.editable else _kind_of(asked.link),
        "name": canonicalize_name(asked.name) if asked.name else None,
        "project": asked.req.name if asked.req else None,
        "specifier": str(asked.req.specifier) if asked.req else "",
        "marker": str(asked.markers) if asked.markers else None,
        "extras": frozenset(map(canonicalize_name, asked.extras)),
        "hashes": {name: sorted(set(values)) for name, values in hashes._allowed.items()},
        "url": asked.link.url if asked.link else None,
        "config_settings": (parsed_requirement.options or {}).get("config_settings", {}),
    }


def _kind_of(link: Any) -> str:
    if link is None:
        return "named"
    return "vcs" if link.is_vcs else "path" if link.is_file else "url"


def _options(options: Any) -> Reading:
    if options.requirements or options.constraints:
        kind = "requirements" if options.requirements else "constraints"
        return {"kind": kind, "target": getattr(options, kind)[0]}
    return {
        "kind": "options",
        "--index-url": options.index_url,
        "--extra-index-url": options.extra_index_urls,
        "--find-links": options.find_links,
        "--trusted-host": options.trusted_hosts,
        "--use-feature": list(options.features_enabled),
        "--no-index": options.no_index,
        "--prefer-binary": options.prefer_binary,
        "--pre": options.pre,
        "--require-hashes": options.require_hashes,
        "--no-require-hashes": options.no_require_hashes,
        "formats": options.format_control,
        "releases": (options.release_control.all_releases, options.release_control.only_final),
    }


def options_of(given: list[tuple[str, str | None]]) -> Reading:
    """Return what pip's options would be, had it read these."""
    formats, releases = FormatControl(), ReleaseControl()
    read: Reading = {"kind": "options", "--index-url": None}
    for name in ("--extra-index-url", "--find-links", "--trusted-host", "--use-feature"):
        read[name] = [value for option, value in given if option == name]
    for name in ("--no-index", "--prefer-binary", "--pre", "--require-hashes", "--no-require-hashes"):
        read[name] = (name, None) in given
    for name, value in given:
        match name:
            case "--index-url":
                read[name] = value
            case "--no-binary":
                formats.handle_mutual_excludes(value or "", formats.no_binary, formats.only_binary)
            case "--only-binary":
                formats.handle_mutual_excludes(value or "", formats.only_binary, formats.no_binary)
            case "--all-releases":
                releases.handle_mutual_excludes(value or "", releases.all_releases, releases.only_final, "a")
            case "--only-final":
                releases.handle_mutual_excludes(value or "", releases.only_final, releases.all_releases, "o")
    return {**read, "formats": formats, "releases": (releases.all_releases, releases.only_final)}


def config_settings_of(given: tuple[str, ...]) -> dict[str, str | list[str]]:
    """Return what pip makes of these settings: a list where one key comes more than once."""
    values: dict[str, list[str]] = {}
    for setting in given:
        key, _, value = setting.partition("=")
        values.setdefault(key, []).append(value)
    return {key: several if len(several) > 1 else several[0] for key, several in values.items()}
