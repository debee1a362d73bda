"""Index pages read: which files of a project are there, without making anything of the thousands that do not matter."""

import codecs
import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version
from pip._internal.index.collector import HTMLLinkParser
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
            return self._from_html(name, version)
        raise NoPageError(f"its content is {kind or 'of no stated type'}")

    def _from_html(self, name: NormalizedName, version: Version | None) -> tuple[list[Candidate], int]:
        # As pip's parse_links does, but without parsing the thousands of links that some pages have beside the few wanted.
        text = self.body.decode(_charset(self.content_type), errors="replace")
        plain = version is not None and "<A" not in text and "<!" not in text.lstrip()[1:]
        head, *anchors = text.split("<a") if plain else [text]
        near = _near(version)
        parser = HTMLLinkParser(self.url)
        parser.feed("<a".join([head, *(anchor for anchor in anchors if near.search(anchor))]))
        hrefs = [anchor for anchor in parser.anchors if anchor.get("href")]
        wanted = [anchor for anchor in hrefs if is_of(_filename(anchor["href"]), name, version)]
        made = (Link.from_element(anchor, self.url, parser.base_url or self.url) for anchor in wanted)
        found = [candidate(link, None) for link in made if link is not None]
        return found, max(len(anchors), len(hrefs)) - len(found)

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


def _near(version: Version | None) -> re.Pattern[str]:
    """Return what any spelling of a version holds: zeros may lead each number, and end the last (PEP 440)."""
    if version is None:
        return re.compile("")
    release = list(version.release)
    while len(release) > 1 and not release[-1]:
        release.pop()
    return re.compile(r"\.0*".join(map(str, release)))


def _charset(content_type: str) -> str:
    message = Message()
    message["Content-Type"] = content_type
    charset = message.get_content_charset("utf-8")
    with contextlib.suppress(LookupError):
        return codecs.lookup(charset).name
    return "utf-8"


def _filename(href: str) -> str:
    path = href.partition("#")[0].partition("?")[0].strip()
    name = path.rstrip("/").rpartition("/")[2]
    return unquote(name) if "%" in name else name


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
