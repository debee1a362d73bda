"""Index pages read: which files of a project are there, without making anything of the thousands that do not matter."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version
from pip._internal.index.collector import IndexContent, parse_links
from pip._internal.models.link import Link

from lockhouse.digest import Digest
from lockhouse.redact import redact
from lockhouse.source import Candidate

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
JSON = "application/vnd.pypi.simple.v1+json"
HTML = ("text/html", "application/vnd.pypi.simple.v1+html")


class NoPageError(Exception):
    """What came is no page of a package index."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page as it came: its body, content type and final URL."""

    body: bytes
    content_type: str
    url: str

    def candidates(self, name: NormalizedName, version: Version | None) -> tuple[list[Candidate], int]:
        """Return the files of one version (of all, for None), and how many other files there are.

        Raises NoPageError where the content is none of an index (PEP 503, PEP 691).
        """
        kind = self.content_type.partition(";")[0].strip().lower()
        if kind == JSON:
            return self._from_json(name, version)
        if kind in HTML:
            content = IndexContent(self.body, self.content_type, None, self.url, cache_link_parsing=False)
            links = list(parse_links(content))
            wanted = [link for link in links if is_of(str(link.filename), name, version)]
            return [candidate(link, None) for link in wanted], len(links) - len(wanted)
        raise NoPageError(f"its content is {kind or 'of no stated type'}")

    def _from_json(self, name: NormalizedName, version: Version | None) -> tuple[list[Candidate], int]:
        try:
            files = json.loads(self.body)["files"]
            wanted = [file for file in files if is_of(file["filename"], name, version)]
            found = []
            for file in wanted:
                link = Link.from_json(file, self.url)
                if link is not None:
                    size = file.get("size")
                    found.append(candidate(link, size if isinstance(size, int) else None))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NoPageError(f"its JSON is not that of PEP 691: {error!r}") from error
        return found, len(files) - len(found)


def is_of(filename: str, name: NormalizedName, version: Version | None) -> bool:
    """Return whether a file's name may be that of this version; a quick look that lets doubtful ones through."""
    if version is None:
        return True
    stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
    if filename.endswith(".whl"):
        text = filename.split("-", 2)[1:2]
    else:
        # An sdist's name may have any number of hyphens before the version.
        text = [stem[index + 1 :] for index, letter in enumerate(stem) if letter == "-" and _is(stem[:index], name)]
    return any(_same(part, version) for part in text)


def _is(text: str, name: NormalizedName) -> bool:
    return canonicalize_name(text) == name


def _same(text: str, version: Version) -> bool:
    try:
        return Version(text.replace("_", "+") if "+" not in text else text) == version
    except InvalidVersion:
        return False


def candidate(link: Link, size: int | None) -> Candidate:
    """Return what a page's link offers."""
    return Candidate(
        filename=str(link.filename),
        digests=stated(link._hashes),  # noqa: SLF001 - this package is the one that looks inside
        requires_python=link.requires_python,
        size=size,
        origin=redact(link.url_without_fragment),
        handle=link,
    )


def stated(hashes: Mapping[str, str]) -> tuple[Digest, ...]:
    """Return the digests that a page states, less those that are none."""
    digests = []
    for algorithm, value in hashes.items():
        with contextlib.suppress(ValueError):
            digests.append(Digest.parse(f"{algorithm}:{value}"))
    return tuple(digests)
