"""Candidates and bytes through pip's own session and finder: the only module that sees the insides of pip and pip-tools.

Of pip's configuration only what says *where and how to connect* gets through; a folder that one machine's configuration
names, its constraints and its format choices do not. Never prompts, and caches no file.
"""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.utils import NormalizedName
from pip._internal.configuration import Configuration
from pip._internal.exceptions import ConfigurationError, NetworkConnectionError, PipError
from pip._internal.index.collector import LinkCollector, _get_simple_response, _make_index_content, parse_links
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.network.auth import MultiDomainBasicAuth
from pip._internal.network.utils import HEADERS, response_chunks
from pip._internal.utils.urls import url_to_path
from pip._vendor.requests.adapters import HTTPAdapter
from pip._vendor.requests.exceptions import RequestException, RetryError
from pip._vendor.urllib3.exceptions import HTTPError
from piptools.repositories import PyPIRepository

from lockhouse import process
from lockhouse.config import Config
from lockhouse.digest import Digest
from lockhouse.errors import ConfigError, FetchError
from lockhouse.project import LoadedLayer
from lockhouse.redact import redact
from lockhouse.source import Candidate, Listing

# What of pip's configuration says where and how to connect, by its long option name.
_CONNECTION_SETTINGS = frozenset(
    {
        "cert",
        "client-cert",
        "default-timeout",
        "extra-index-url",
        "index-url",
        "keyring-provider",
        "no-index",
        "no-proxy-env",
        "proxy",
        "resume-retries",
        "retries",
        "timeout",
        "trusted-host",
        "use-deprecated",
    }
)
# Some errors show the path of a URL without its host, and the query with it.
_QUERY = re.compile(r"\?(?!\*)[^\s'\")]+")
# Small enough that a slow transfer shows, and heeds a stop, every second or so.
_CHUNK = 1 << 16
_FAILURES = (PipError, RequestException, HTTPError, OSError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one layer's sources say about where to look: the option lines that pip knows, and the project's find-links.

    `index_url` replaces the configured index, as `--index-url` in a requirements file does.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False

    @classmethod
    def of(cls, layer: LoadedLayer, config: Config) -> "Scope":
        """Return where a layer is to be looked for: the option lines of its sources, and the project's find-links.

        A find-links path is relative to the file that names it, or to the project's root.
        """
        index_url: str | None = None
        values: dict[str, list[str]] = {"--extra-index-url": [], "--find-links": [], "--trusted-host": []}
        no_index = False
        for option in (option for tree in layer.sources for option in tree.options):
            if option.name == "--index-url":
                index_url = option.value
            elif option.name == "--no-index":
                no_index = True
            elif option.name in values and option.value:
                beside = config.root / option.location.path.parent / option.value
                is_path = option.name == "--find-links" and beside.exists()
                values[option.name].append(str(beside) if is_path else option.value)
        places = [str(config.root / place) if (config.root / place).exists() else place for place in config.find_links]
        return cls(
            index_url=index_url,
            extra_index_urls=tuple(values["--extra-index-url"]),
            find_links=(*values["--find-links"], *places),
            trusted_hosts=tuple(values["--trusted-host"]),
            no_index=no_index,
        )


def pip_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which pip connects as the user configured it, and takes nothing else from anybody.

    pip's configuration files and `PIP_*` variables are read as `pip install` reads them; what concerns connections
    comes back as variables, and the files are shut out. Raises ConfigError where pip's configuration is unreadable.
    """
    with process.own_environment(environ):
        configuration = Configuration(isolated=False)
        try:
            configuration.load()
            settings = _in_order(configuration)
        except (ConfigurationError, UnicodeError) as error:
            raise ConfigError(f"pip's configuration cannot be read: {error}", hint="see `pip config debug`") from error
    clean = process.without(environ, "PIP_", "UV_", "PYTHON")
    clean |= {f"PIP_{key.upper().replace('-', '_')}": value for key, value in settings.items()}
    clean |= {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    return clean


def _in_order(configuration: Configuration) -> dict[str, str]:
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for _, values in configuration.items():  # noqa: PERF102 - not a mapping, though it looks like one
        for dotted, value in values.items():
            section, _, key = dotted.partition(".")
            if section in sections and key in _CONNECTION_SETTINGS and value:
                sections[section][key] = " ".join(str(value).split())
    return {key: value for settings in sections.values() for key, value in settings.items()}


class PipIndex:
    """A source of bytes: the indexes and find-links of several layers, through one prepared pip session.

    `environ` must be one of `pip_environment`, and must be the process's own while this object is used. Closing it
    closes the connections.
    """

    def __init__(self, scopes: Sequence[Scope], *, connections: int, scratch: Path) -> None:
        with _silenced_logging():
            repository = PyPIRepository(["--no-cache-dir"], cache_dir=str(scratch))
        self._session = repository.session
        self._collectors = _collectors(repository, scopes)
        self._gates: dict[str, threading.Lock] = {}
        self._open: set[str] = set()
        self._refused: dict[str, FetchError] = {}
        self._mutex = threading.Lock()
        _prepare(repository, self.index_urls, connections)

    @property
    def index_urls(self) -> tuple[str, ...]:
        """The indexes that are asked, as configured, credentials included: not for printing."""
        urls = (url for collector in self._collectors for url in collector.search_scope.index_urls)
        return tuple(dict.fromkeys(urls))

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def candidates(self, name: NormalizedName) -> Listing:
        """Return every file that any index or find-links of the project offers for a project (PEP 503, PEP 691).

        A page that is not there (404) offers nothing; any other refusal stands in `failures`. Raises FetchError where
        a host refuses the credentials.
        """
        links: dict[str, Link] = {}
        failures: list[str] = []

        def page(location: Link) -> list[Link]:
            try:
                return self._page(location)
            except FetchError as error:
                if not error.transient:
                    raise
                failures.append(error.reason)
                return []

        collected = [each.collect_sources(project_name=name, candidates_from_page=page) for each in self._collectors]
        places = [source for each in collected for source in each.find_links if source is not None]
        indexes = [source for each in collected for source in each.index_urls if source is not None]
        for source in (*places, *indexes):
            links.update((link.url, link) for link in source.page_candidates())
        for source in places:
            # Of an index, this would be the page itself.
            links.update((link.url, link) for link in source.file_links())
        if not places and not indexes:
            failures.append(
                "there is no index to ask: pip is configured with `no-index`, or with an index that is no URL"
            )
        return Listing(
            candidates=tuple(_candidate(link) for link in links.values()), failures=tuple(dict.fromkeys(failures))
        )

    def at(self, url: str) -> Candidate:
        """Return the one file behind a URL."""
        return _candidate(Link(url))

    def read(self, candidate: Candidate) -> Iterator[bytes]:
        """Yield the file's bytes as the server sends them, in pieces; raises FetchError."""
        link = candidate.handle
        if not isinstance(link, Link):
            raise TypeError("this candidate comes from another source")
        response = self._get(link.url_without_fragment, headers=HEADERS, stream=True)
        try:
            yield from response_chunks(response, _CHUNK)
        except _FAILURES as error:
            raise FetchError(f"the transfer broke: {_reason(error)}", transient=True) from error
        finally:
            response.close()

    def _page(self, location: Link) -> list[Link]:
        url = location.url_without_fragment
        if url.startswith("file:"):
            path = Path(url_to_path(url))
            url = (path / "index.html").as_uri() if path.is_dir() else url
            if not Path(url_to_path(url)).exists():
                return []
        try:
            response = self._ask(url, lambda: _get_simple_response(url, session=self._session))
            with contextlib.closing(response):
                return list(parse_links(_make_index_content(response, cache_link_parsing=False)))
        except _NotThereError:
            return []
        except FetchError:
            raise
        except Exception as error:
            # pip's private signals for "this is no index page" share no base.
            raise FetchError(f"{redact(url)} is not an index page: {_reason(error)}", transient=True) from error

    def _get(self, url: str, **options: Any) -> Any:
        def ask() -> Any:
            response = self._session.get(url, **options)
            if response.status_code >= 400:
                response.close()
                raise NetworkConnectionError(f"HTTP status {response.status_code}", response=response)
            return response

        try:
            return self._ask(url, ask)
        except _NotThereError as error:
            raise FetchError(f"{redact(url)} is not there (HTTP status 404)") from error

    def _ask(self, url: str, request: Any) -> Any:
        # The first request to a host goes alone, and settles the credentials for all that follow: else every thread
        # would ask keyring, and every thread would try a wrong password.
        host = _host(url)
        with self._mutex:
            gate = self._gates.setdefault(host, threading.Lock())
            settled = host in self._open
        if settled:
            return self._translated(url, host, request)
        with gate:
            if host in self._refused:
                raise self._refused[host]
            response = self._translated(url, host, request)
            self._settle(host)
            return response

    def _translated(self, url: str, host: str, request: Any) -> Any:
        try:
            return request()
        except NetworkConnectionError as error:
            status = error.response.status_code if error.response is not None else 0
            answered = _host(error.response.url) if error.response is not None else host
            if status in {404, 410}:
                self._settle(host)
                raise _NotThereError from error
            if status in {401, 403} and answered != host:
                # A signed URL that has run out, say: the next try gets a new one.
                self._settle(host)
                raise FetchError(
                    f"{redact(url)} leads to {answered}, which refuses (HTTP status {status})", transient=True
                ) from error
            if status in {401, 403}:
                refused = FetchError(
                    f"{host} refuses the credentials it was given, or wants some (HTTP status {status} for {redact(url)})",
                    hint="put them into the index URL of pip's configuration, into ~/.netrc, or into keyring",
                )
                if status == 401:
                    self._refused[host] = refused
                raise refused from error
            raise FetchError(f"{redact(url)}: {_reason(error)}", transient=True) from error
        except RetryError as error:
            # The host is there, and was busy each time. What urllib3 says of that shows the URL, so its reason must do.
            self._settle(host)
            why = getattr(error.args[0] if error.args else None, "reason", None) or "it was busy each time"
            raise FetchError(f"{redact(url)}: {_reason(why)}", transient=True) from error
        except _FAILURES as error:
            failed = FetchError(f"{redact(url)}: {_reason(error)}", transient=True)
            with self._mutex:
                if host and host not in self._open:
                    # pip has tried often enough. If each of the others had to find out alone, it would take for ever.
                    self._refused[host] = failed
            raise failed from error

    def _settle(self, host: str) -> None:
        with self._mutex:
            self._open.add(host)


class _NotThereError(Exception):
    """The server answered, and has no such page."""


class _Credentials(MultiDomainBasicAuth):  # type: ignore[misc]  # pip has no types for us
    """pip's credentials without a prompt: URL, netrc and keyring count as they do for pip at a terminal."""

    @property
    def use_keyring(self) -> bool:
        return bool(self._keyring_provider != "disabled")

    def _prompt_for_password(self, netloc: str) -> tuple[str | None, str | None, bool]:  # noqa: ARG002 - pip's signature
        return None, None, False


def _prepare(repository: PyPIRepository, index_urls: Sequence[str], connections: int) -> None:
    session = repository.session
    session.auth = _Credentials(
        prompting=False, index_urls=list(index_urls), keyring_provider=repository.options.keyring_provider
    )
    for adapter in session.adapters.values():
        if isinstance(adapter, HTTPAdapter):
            adapter.init_poolmanager(connections, connections)


def _collectors(repository: PyPIRepository, scopes: Sequence[Scope]) -> list[LinkCollector]:
    configured = repository.finder.search_scope
    collectors: dict[tuple[str, ...], LinkCollector] = {}
    for scope in scopes or (Scope(),):
        no_index = scope.no_index or configured.no_index
        first, *others = configured.index_urls or [None]
        main = scope.index_url or first
        urls = [] if no_index else [url for url in (main, *others, *scope.extra_index_urls) if url]
        for host in scope.trusted_hosts:
            repository.session.add_trusted_host(host, suppress_logging=True)
        search = SearchScope.create(find_links=list(scope.find_links), index_urls=urls, no_index=no_index)
        key = (*search.find_links, "", *search.index_urls)
        collectors[key] = LinkCollector(session=repository.session, search_scope=search)
    return list(collectors.values())


def _candidate(link: Link) -> Candidate:
    digests = []
    for algorithm, value in link._hashes.items():  # noqa: SLF001 - this module is the one that looks inside
        with contextlib.suppress(ValueError):
            digests.append(Digest.parse(f"{algorithm}:{value}"))
    return Candidate(
        filename=str(link.filename),
        digests=tuple(digests),
        requires_python=link.requires_python,
        origin=redact(link.url_without_fragment),
        handle=link,
    )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _reason(error: object) -> str:
    # pip's diagnostic errors keep the cause apart from a sentence that only says which URL it was.
    said = getattr(error, "context", None) or getattr(error, "message", None) or error
    # urllib3 gives a sentence and, beside it, the error that the sentence may have quoted already.
    first, *others = getattr(said, "args", None) or [said]
    text = ": ".join([str(first), *(str(other) for other in others if str(other) not in str(first))])
    text = text or type(error).__name__
    return _QUERY.sub("?****", redact(" ".join(text.split())))


@contextlib.contextmanager
def _silenced_logging() -> Iterator[None]:
    # pip-tools sets up logging for a program of its own. What pip has to say reaches users through our errors, and its
    # log lines show signed URLs whole.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        pip = logging.getLogger("pip")
        pip.handlers[:] = [logging.NullHandler()]
        pip.propagate = False
