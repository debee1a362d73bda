"""The distribution files of a directory, and the pages on which a simple repository lists them (PEP 503, 691, 700).

Reads leniently: a file under an impossible name or with broken contents is listed all the same, as real indexes do.
"""

import functools
import json
import time
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from hashlib import sha256 as new_sha256
from html import escape
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from support.archives import sha256

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, slots=True)
class Distribution:
    """A file that the index offers; `metadata` is a wheel's METADATA where the file is a sound zip."""

    path: Path
    project: NormalizedName
    version: str
    sha256: str
    size: int
    metadata: bytes | None

    @property
    def requires_python(self) -> str | None:
        """What METADATA says about Python versions."""
        return BytesHeaderParser().parsebytes(self.metadata)["Requires-Python"] if self.metadata else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How one file stands on a page; what is None is not stated."""

    file: Distribution
    url: str
    stated_hash: str | None
    metadata_hash: str | None
    upload_time: str | None
    yanked: str | None

    @property
    def name(self) -> str:
        """The file's name, which is the link's text."""
        return self.file.path.name


def distributions(directory: Path) -> Mapping[NormalizedName, Sequence[Path]]:
    """Return the paths of every wheel and sdist of the directory by project, sorted by file name."""
    changed = directory.stat().st_mtime_ns
    # File systems keep time in ticks: a listing as young as one may lack a file that comes in the same tick.
    settled = time.time_ns() - changed > 200_000_000
    return _listed(directory, changed) if settled else _listed.__wrapped__(directory, changed)


@functools.lru_cache(maxsize=64)
def _listed(directory: Path, _changed: int) -> Mapping[NormalizedName, Sequence[Path]]:
    projects: dict[NormalizedName, list[Path]] = {}
    for path in sorted(directory.iterdir()):
        if path.name.endswith((".whl", ".tar.gz", ".zip")):
            projects.setdefault(_named(path)[0], []).append(path)
    return projects


def distribution(path: Path) -> Distribution:
    """Read one file, which is hashed once as long as it does not change."""
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=8192)
def _read(path: Path, _changed: int, size: int) -> Distribution:
    project, version = _named(path)
    metadata = _wheel_metadata(path) if path.suffix == ".whl" else None
    return Distribution(path, project, version, sha256(path), size, metadata)


def _named(path: Path) -> tuple[NormalizedName, str]:
    stem = path.name.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip")
    if path.suffix == ".whl":
        project, version = [*stem.split("-"), ""][:2]
    else:
        project, _, version = stem.rpartition("-")
    return canonicalize_name(project), version


def _wheel_metadata(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return next(
                (archive.read(name) for name in archive.namelist() if name.endswith(".dist-info/METADATA")), None
            )
    except (zipfile.BadZipFile, OSError, ValueError):
        return None


def metadata_hash(file: Distribution) -> str | None:
    """Return the hexadecimal sha256 of the file's METADATA, where it has one."""
    return new_sha256(file.metadata).hexdigest() if file.metadata is not None else None


def html_page(title: str, links: Iterable[Link]) -> bytes:
    """Write a project's page as PEP 503 does, with the attributes of PEP 592, 658 and 714."""
    return _html(title, (_anchor(link) for link in links))


def html_root(projects: Iterable[str]) -> bytes:
    """Write the page that lists the projects."""
    return _html("Simple index", (f'<a href="{project}/">{project}</a><br/>' for project in projects))


def _html(title: str, lines: Iterable[str]) -> bytes:
    head = (
        f'<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.1"><title>{title}</title></head>'
    )
    return "\n".join([head, "<body>", *lines, "</body></html>", ""]).encode()


def _anchor(link: Link) -> str:
    attributes = {
        "href": link.url + (f"#sha256={link.stated_hash}" if link.stated_hash else ""),
        "data-requires-python": link.file.requires_python,
        "data-yanked": link.yanked,
        "data-core-metadata": link.metadata_hash and f"sha256={link.metadata_hash}",
    }
    text = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items() if value is not None)
    return f"<a {text}>{link.name}</a><br/>"


def json_page(project: str, links: Sequence[Link]) -> bytes:
    """Write a project's page as PEP 691 and 700 do."""
    page = {
        "meta": {"api-version": "1.1"},
        "name": project,
        "versions": sorted({link.file.version for link in links}),
        "files": [_json_file(link) for link in links],
    }
    return json.dumps(page).encode()


def json_root(projects: Iterable[str]) -> bytes:
    """Write the JSON that lists the projects."""
    return json.dumps({"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in projects]}).encode()


def _json_file(link: Link) -> dict[str, object]:
    optional = {
        "requires-python": link.file.requires_python,
        "yanked": link.yanked,
        "core-metadata": link.metadata_hash and {"sha256": link.metadata_hash},
        "upload-time": link.upload_time,
    }
    return {
        "filename": link.name,
        "url": link.url,
        "hashes": {"sha256": link.stated_hash} if link.stated_hash else {},
        "size": link.file.size,
    } | {key: value for key, value in optional.items() if value is not None}


def json_api(links: Sequence[Link]) -> bytes:
    """Write what PyPI's JSON API says of a project's releases, as far as pip-compile reads it."""
    releases: dict[str, list[dict[str, object]]] = {}
    for link in links:
        kind = "bdist_wheel" if link.file.path.suffix == ".whl" else "sdist"
        entry: dict[str, object] = {
            "filename": link.name,
            "url": link.url,
            "packagetype": kind,
            "digests": {"sha256": link.file.sha256},
        }
        releases.setdefault(link.file.version, []).append(entry)
    return json.dumps({"releases": releases}).encode()
