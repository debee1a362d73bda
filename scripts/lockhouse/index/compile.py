"""pip-compile with a repository that believes the sha256 an index states, and downloads only where none is stated.

Run as a process of its own by the step `lock`: our settings as JSON first, then pip-compile's arguments. The lock comes out
byte for byte as plain pip-compile writes it: where that asks PyPI's JSON API for hashes, this reads them off the index
page. An index that fails is an error, never left out; an error page is never hashed.
"""

import contextlib
import gzip
import hashlib
import json
import logging
import lzma
import sys
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BufferedRandom
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import piptools.scripts.compile as pip_compile
from packaging.utils import NormalizedName, canonicalize_name
from pip._internal.exceptions import InstallationSubprocessError, PipError
from pip._internal.index.collector import CollectedSources, IndexContent, LinkCollector
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.operations import prepare
from pip._internal.req import InstallRequirement
from pip._internal.utils.hashes import FAVORITE_HASH
from pip._internal.utils.urls import url_to_path
from pip._vendor.packaging.requirements import Requirement
from piptools.build import StaticProjectMetadata
from piptools.repositories import PyPIRepository
from piptools.resolver import BacktrackingResolver

from lockhouse.digest import Digest
from lockhouse.errors import FetchError
from lockhouse.index import pages, session
from lockhouse.index.settings import Bindings
from lockhouse.index.transport import NotThereError, Transport, reason
from lockhouse.redact import redact

_OURS, _NOTE = "lockhouse", "lockhouse-note"
# So many lines of a failed sdist's output are told.
_SAID = 12


class _Collector(LinkCollector):  # type: ignore[misc]  # pip has no types for us
    """Looks where the configuration says, fetches each page once, and does not take trouble for absence."""

    def __init__(
        self, wrapped: LinkCollector, transport: Transport, bindings: Bindings, threads: ThreadPoolExecutor
    ) -> None:
        super().__init__(session=wrapped.session, search_scope=wrapped.search_scope)
        self._transport = transport
        self._bindings = bindings
        self._threads = threads
        self._pages: dict[str, Future[IndexContent | None]] = {}
        self._mutex = threading.Lock()
        self.asked: dict[str, None] = {}
        self.notes: dict[str, str] = {}
        self._forbidden: dict[str, FetchError] = {}
        self._open: set[str] = set()

    def is_bound(self, name: str) -> bool:
        return self._bindings.index_of(canonicalize_name(name)) is not None

    def scope_for(self, name: str) -> SearchScope:
        bound = self._bindings.index_of(canonicalize_name(name))
        scope = self.search_scope
        if bound and not scope.no_index:
            scope = SearchScope.create(find_links=[], index_urls=[bound], no_index=False)
        self.asked |= dict.fromkeys(map(redact, scope.index_urls))
        return scope

    def collect_sources(self, project_name: str, candidates_from_page: Any) -> CollectedSources:
        scope = self.scope_for(project_name)
        if scope is self.search_scope:
            return super().collect_sources(project_name, candidates_from_page)
        bound = LinkCollector(session=self.session, search_scope=scope)
        return bound.collect_sources(project_name, candidates_from_page)

    def refuse_the_refused(self) -> None:
        """Raise the error of a host that was given credentials and has answered nothing but 403: they are wrong."""
        for netloc, error in self._forbidden.items():
            _, user, password = self.session.auth._get_url_and_credentials(f"http://{netloc}/")  # noqa: SLF001 - as above
            if netloc not in self._open and (user or password):
                raise error

    def expect(self, names: Sequence[str]) -> None:
        """Begin to fetch the pages of projects that will surely be asked for."""
        for name in names:
            for url in self.scope_for(name).get_index_urls_locations(name):
                if url.startswith(("http:", "https:")):
                    self._page(url)

    def fetch_response(self, location: Link, package_name: str | None = None) -> IndexContent | None:  # noqa: ARG002 - pip's signature
        url = location.url.partition("#")[0]
        if url.startswith("file:"):
            return _file_page(Path(url_to_path(url)))
        return self._page(url).result() if url.startswith(("http:", "https:")) else None

    def _page(self, url: str) -> "Future[IndexContent | None]":
        with self._mutex:
            if url not in self._pages:
                self._pages[url] = self._threads.submit(self._fetch, url)
            return self._pages[url]

    def _fetch(self, url: str) -> IndexContent | None:
        try:
            body, headers, final = self._transport.page(url, {"Accept": pages.ACCEPT})
        except NotThereError:
            return None
        except FetchError as error:
            if error.status != 403:
                raise
            # Stores without a directory answer so where nothing is; it is told all the same.
            self.notes[url] = str(error)
            self._forbidden.setdefault(urlsplit(url).netloc, error)
            return None
        self._open.add(urlsplit(url).netloc)
        kind = headers.get("Content-Type", "")
        if kind.lower().startswith(pages.JSON):
            if not _lists_files(body):
                raise FetchError(f"{redact(url)} is not an index page: its JSON is not that of PEP 691")
        elif not kind.lower().startswith(pages.HTML):
            raise FetchError(f"{redact(url)} is not an index page: its content is {kind or 'of no stated type'}")
        elif b"<a" not in body.lower():
            self.notes[url] = f"{redact(url)} is a page without any file; a page to sign in, say, looks like that"
        return IndexContent(body, kind, None, final, cache_link_parsing=False)


def _file_page(path: Path) -> IndexContent | None:
    path = path / "index.html" if path.is_dir() else path
    if not path.is_file():
        return None
    return IndexContent(path.read_bytes(), "text/html", None, path.as_uri(), cache_link_parsing=False)


def _lists_files(body: bytes) -> bool:
    try:
        page = json.loads(body)
    except ValueError:
        return False
    return isinstance(page, dict) and isinstance(page.get("files"), list)


class _Downloader:
    """Stands in for pip's downloader: what resolution itself must read comes with our patience, and whole."""

    def __init__(self, pip_session: Any, *_: object) -> None:
        self._transport = _Repository.transports[pip_session]

    def __call__(self, link: Link, location: str) -> tuple[str, str]:
        path = Path(location, Path(link.filename).name)
        with path.open("w+b") as file:
            _receive(self._transport, link, file)
            # pip chooses how to unpack by the name, and a URL need not end with one.
            named = path if link.splitext()[1] else path.with_name(path.name + _suffix(file))
        return str(path.replace(named)), ""

    def batch(self, links: Iterable[Link], location: str) -> Iterator[tuple[Link, tuple[str, str]]]:
        return ((link, self(link, location)) for link in links)


def _receive(transport: Transport, link: Link, file: BufferedRandom) -> None:
    """Write what is behind a link into an open file, and be sure that it is no error page and not cut short."""
    stated = _stated(link)
    no_archive = link.filename.endswith(".metadata")
    spoilt = False

    def is_whole() -> bool:
        nonlocal spoilt
        file.flush()
        spoilt = _hash(file) != stated if stated else not _is_sound(file)
        return not spoilt

    url = link.url_without_fragment
    try:
        for position, chunk in transport.body(url, None if no_archive and not stated else is_whole):
            if position == 0:
                file.seek(0)
                file.truncate()
                spoilt = False
            file.write(chunk)
    except NotThereError as error:
        raise FetchError(f"{redact(url)} is listed, but not there (HTTP status 404)") from error
    except FetchError as error:
        if spoilt and not error.status:
            promise = "what its index states" if stated else "a whole archive"
            raise FetchError(f"{redact(url)}: what came is not {promise} ({file.tell()} bytes)") from error
        raise
    file.flush()
    if not no_archive and not _is_sound(file):
        raise FetchError(f"{redact(url)} is what its index states, but not a sound archive")


def _is_sound(file: BufferedRandom) -> bool:
    """Return whether this is an archive, to its end; an error page is none."""
    try:
        file.seek(0)
        if _suffix(file) == ".tar.gz":
            with gzip.GzipFile(fileobj=file) as unzipped:
                while unzipped.read(1 << 20):
                    pass
        elif _suffix(file) == ".zip":
            with zipfile.ZipFile(file) as archive:
                return bool(archive.namelist())
        else:
            with tarfile.open(fileobj=file) as archive:
                return bool(archive.getnames())
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError):
        return False
    return True


def _suffix(file: BufferedRandom) -> str:
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    return ".zip" if start.startswith(b"PK") else ".tar.gz" if start.startswith(b"\x1f\x8b") else ""


def _hash(file: BufferedRandom) -> str:
    file.seek(0)
    return f"{FAVORITE_HASH}:{hashlib.file_digest(file, FAVORITE_HASH).hexdigest()}"


class _Repository(PyPIRepository):  # type: ignore[misc]  # pip-tools has no types
    """pip-tools' repository, less prompts, plus trust in stated hashes."""

    bindings = Bindings(())
    connections = 1
    expected: tuple[str, ...] = ()
    # Shared on purpose: pip-compile makes repositories by itself, and they are gone when it is done.
    collectors: list[_Collector] = []  # noqa: RUF012
    transports: dict[Any, Transport] = {}  # noqa: RUF012
    threads: ThreadPoolExecutor
    origins: dict[NormalizedName, list[str]] = {}  # noqa: RUF012
    offered: dict[NormalizedName, list[str]] = {}  # noqa: RUF012
    given: Mapping[str, Sequence[tuple[str, str]]] = {}

    def __init__(self, pip_args: list[str], cache_dir: str) -> None:
        with session.named():
            super().__init__([*pip_args, "--no-cache-dir"], cache_dir)
        finder = self.finder
        bound = [url for _, url in self.bindings.pairs]
        session.prepare(
            self.session, self.options.keyring_provider, [*finder.search_scope.index_urls, *bound], self.connections
        )
        self._transport = self.transports[self.session] = Transport(self.session, self.connections)
        self.collector = _Collector(finder._link_collector, self._transport, self.bindings, self.threads)  # noqa: SLF001
        finder._link_collector = self.collector  # noqa: SLF001 - there is no other way to give pip's finder our own
        self.collectors.append(self.collector)

    def _get_req_hashes(self, ireq: InstallRequirement) -> set[str]:
        links = sorted((candidate.link for candidate in self._get_matching_candidates(ireq)), key=str)
        self.origins[canonicalize_name(ireq.name)] = list(dict.fromkeys(map(_index_of, links)))
        self.offered[canonicalize_name(ireq.name)] = [str(link.filename) for link in links]
        stated = {link.url: _stated(link) for link in links}
        if not all(stated.values()):
            api = self._get_hashes_from_pypi(ireq)
            stated |= {url: _parsed(api[url]) for url, known in stated.items() if not known and url in api}
        unstated = [link for link in links if not stated[link.url]]
        return {known for known in stated.values() if known} | set(self.threads.map(self._get_file_hash, unstated))

    def _get_hashes_from_pypi(self, ireq: InstallRequirement) -> dict[str, str]:
        # The JSON API is asked by the configured indexes; no other than its own hears of a project that is bound.
        if self.collector.is_bound(ireq.name):
            return {}
        try:
            return dict(super()._get_hashes_from_pypi(ireq))
        except (AttributeError, TypeError):
            # Some JSON, but not that of the API.
            return {}

    def _get_file_hash(self, link: Link) -> str:
        if link.is_file:
            return str(super()._get_file_hash(link))
        with tempfile.TemporaryFile() as file:
            _receive(self._transport, link, file)
            return _hash(file)


class _Resolver(BacktrackingResolver):  # type: ignore[misc]  # pip-tools has no types
    """pip-tools' resolver, which asks for pages early and gathers the hashes of all pins side by side."""

    def resolve(self, max_rounds: int = 10) -> set[InstallRequirement]:
        # The options of the sources have been read by now, so every index is known.
        for collector in _Repository.collectors[-1:]:
            collector.expect(_Repository.expected)
        try:
            return set(super().resolve(max_rounds))
        finally:
            for collector in _Repository.collectors[-1:]:
                collector.refuse_the_refused()

    def resolve_hashes(self, ireqs: set[InstallRequirement]) -> dict[InstallRequirement, set[str]]:
        ordered = list(ireqs)
        with self.repository.allow_all_wheels(), ThreadPoolExecutor(8) as threads:
            return dict(zip(ordered, threads.map(self.repository.get_hashes, ordered), strict=True))


def _stated(link: Link) -> str | None:
    digests = pages.stated(link._hashes)  # noqa: SLF001 - this package is the one that looks inside
    return next((str(digest) for digest in digests if digest.algorithm == FAVORITE_HASH), None)


def _parsed(text: str) -> str | None:
    try:
        return str(Digest.parse(text))
    except ValueError:
        return None


def _index_of(link: Link) -> str:
    page = link.comes_from if isinstance(link.comes_from, str) else link.url_without_fragment
    return redact(page.rstrip("/").rpartition("/")[0] + "/")


def _metadata(src_file: Path, *_: object, **__: object) -> StaticProjectMetadata:
    """Stand in for pip-tools' reading of a pyproject.toml: tables were read already, and no backend is run."""
    given = _Repository.given[src_file.as_posix()]
    return StaticProjectMetadata((), tuple(InstallRequirement(Requirement(text), origin) for text, origin in given))


@contextlib.contextmanager
def _ours(settings: Mapping[str, Any]) -> Iterator[None]:
    ours = _Repository
    ours.bindings = Bindings(tuple((pattern, url) for pattern, url in settings["index-for"]))
    ours.connections = settings["connections"]
    ours.expected = tuple(settings["expected"])
    ours.collectors, ours.transports, ours.origins, ours.offered = [], {}, {}, {}
    ours.threads = ThreadPoolExecutor(ours.connections)
    ours.given = settings.get("given", {})
    theirs = pip_compile.PyPIRepository, pip_compile.BacktrackingResolver, prepare.Downloader
    pip_compile.PyPIRepository, pip_compile.BacktrackingResolver, prepare.Downloader = ours, _Resolver, _Downloader
    building, pip_compile.build_project_metadata = pip_compile.build_project_metadata, _metadata
    try:
        yield
    finally:
        pip_compile.PyPIRepository, pip_compile.BacktrackingResolver, prepare.Downloader = theirs
        pip_compile.build_project_metadata = building
        ours.threads.shutdown(cancel_futures=True)


def main(argv: Sequence[str]) -> int:
    """Run pip-compile with our settings (JSON, the first argument); write where each pin came from; return the status."""
    settings = json.loads(argv[0])
    log = _Kept()
    try:
        with _ours(settings), log:
            pip_compile.cli.main(args=list(argv[1:]), prog_name="pip-compile", standalone_mode=False)
    except FetchError as error:
        _say(_OURS, str(error), *_notes())
        return 1
    except PipError as error:
        _say(_OURS, *log.lines, reason(error), *_output(error), *_notes(), f"asked {', '.join(_asked()) or 'no index'}")
        return 1
    _say(_NOTE, *_notes())
    answer = {
        "asked": _asked(),
        "origins": {name: " and ".join(urls) for name, urls in _Repository.origins.items()},
        "offered": _Repository.offered,
    }
    Path(settings["answer"]).write_text(json.dumps(answer), encoding="utf-8")
    return 0


def _output(error: BaseException | None) -> list[str]:
    """Return the end of what an sdist's own code said, where that is what failed."""
    while error is not None:
        if isinstance(error, InstallationSubprocessError):
            said = [line for line in str(error.context).splitlines() if line.strip()]
            return said[1:-1][-_SAID:]
        error = error.__cause__ or error.__context__
    return []


def _asked() -> list[str]:
    return list(dict.fromkeys(url for collector in _Repository.collectors for url in collector.asked))


def _notes() -> list[str]:
    return [note for collector in _Repository.collectors for note in collector.notes.values()]


class _Kept(logging.Handler):
    """Keeps what pip's resolver says of requirements that cannot be met; its exceptions alone do not tell."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._logger = logging.getLogger("pip._internal.resolution.resolvelib.factory")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the lines of one record, as far as they tell of the conflict; general advice follows it."""
        told = record.getMessage().partition("To fix this")[0].splitlines()
        self.lines.extend(line for line in told if line.strip())

    def __enter__(self) -> Self:
        self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)


def _say(kind: str, *lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{kind}: {' '.join(line.split())}\n")
