"""The indexes and find-links of a project as a source of bytes."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName
from packaging.version import Version
from pip._internal.index.collector import LinkCollector
from pip._internal.models.link import Link
from pip._internal.models.search_scope import SearchScope
from pip._internal.utils.urls import url_to_path

from lockhouse.errors import FetchError
from lockhouse.index import pages, session
from lockhouse.index.hosts import STANDARD, Policy
from lockhouse.index.settings import Bindings, Scope
from lockhouse.index.transport import NotThereError, Transport
from lockhouse.redact import redact
from lockhouse.source import Candidate, Listing

_CHUNK = 1 << 18


class PipIndex:
    """A source of bytes: the indexes and find-links of several layers, through one prepared pip session.

    `environ` must be one of `pip_environment`, and must be the process's own while this object is used. Closing it
    closes the connections.
    """

    def __init__(
        self,
        scopes: Sequence[Scope],
        bindings: Bindings,
        *,
        connections: int,
        policy: Policy = STANDARD,
    ) -> None:
        opened = session.opened()
        self._session = opened.session
        self._scopes = tuple(scopes) or (Scope(),)
        self._bindings = bindings
        self._configured = opened.search_scope
        for scope in self._scopes:
            for host in scope.trusted_hosts:
                self._session.add_trusted_host(host, suppress_logging=True)
        bound = [url for _, url in bindings.pairs]
        searched = [url for scope in self._scopes for url in self._search(scope).index_urls]
        session.prepare(self._session, opened.keyring_provider, list(dict.fromkeys([*searched, *bound])), connections)
        self._transport = Transport(self._session, connections, policy)

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    def candidates(self, name: NormalizedName, version: Version | None) -> Listing:
        """Return every file of one version that any index or find-links of the project offers (PEP 503, PEP 691).

        A page that is not there (404) offers nothing; any other trouble stands in `failures`. Raises FetchError where a
        host refuses the credentials.
        """
        found: dict[str, Candidate] = {}
        failures: list[str] = []
        others = 0

        def page(location: Link) -> list[Link]:
            nonlocal others
            try:
                wanted, rest = self._page(location.url_without_fragment, name, version)
            except FetchError as error:
                failures.append(error.reason)
                refusals.append(error)
                return []
            others += rest
            found.update((each.origin, each) for each in wanted)
            return []

        refusals: list[FetchError] = []
        places, indexes = self._places(name, page)
        for source in (*places, *indexes):
            for _ in source.page_candidates():
                pass
        for source in places:
            # Of an index, this would be the page itself.
            links = [link for link in source.file_links() if pages.is_of(str(link.filename), name, version)]
            found.update((link.url, pages.candidate(link, None)) for link in links)
        if not found and (refused := next((error for error in refusals if error.status in {401, 403}), None)):
            raise refused
        if not places and not indexes:
            failures.append(
                "there is no index to ask: pip is configured with `no-index`, or with an index that is no URL"
            )
        return Listing(candidates=tuple(found.values()), others=others, failures=tuple(dict.fromkeys(failures)))

    def at(self, url: str) -> Candidate:
        """Return the one file behind a URL."""
        return pages.candidate(Link(url), None)

    def read(self, candidate: Candidate, is_whole: Callable[[], bool]) -> Generator[tuple[int, bytes], None, None]:
        """Yield the file's bytes with their positions; a position of 0 begins anew. Raises FetchError."""
        link = candidate.handle
        if not isinstance(link, Link):
            raise TypeError("this candidate comes from another source")
        if link.is_file:
            yield from _local(Path(url_to_path(link.url_without_fragment)))
            return
        try:
            yield from self._transport.body(link.url_without_fragment, is_whole)
        except NotThereError as error:
            raise FetchError(f"{candidate.origin} is not there (HTTP status 404)", status=404) from error

    def _page(self, url: str, name: NormalizedName, version: Version | None) -> tuple[list[Candidate], int]:
        if url.startswith("file:"):
            path = Path(url_to_path(url))
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                return [], 0
            return pages.Page(path.read_bytes(), "text/html", path.as_uri()).candidates(name, version)
        try:
            with contextlib.suppress(pages.NoPageError):
                return self._asked(url, name, version)
            # What stands between us and the index may have answered in its place, once.
            return self._asked(url, name, version)
        except NotThereError:
            return [], 0
        except pages.NoPageError as error:
            raise FetchError(f"{redact(url)} is not an index page: {error}") from error

    def _asked(self, url: str, name: NormalizedName, version: Version | None) -> tuple[list[Candidate], int]:
        body, headers, final = self._transport.page(url, {"Accept": pages.ACCEPT})
        return pages.Page(body, headers.get("Content-Type", ""), final).candidates(name, version)

    def _places(self, name: NormalizedName, page: Callable[[Link], list[Link]]) -> tuple[list[Any], list[Any]]:
        collected = []
        for search in dict.fromkeys(self._searches(name)):
            collector = LinkCollector(
                session=self._session,
                search_scope=SearchScope.create(
                    find_links=list(search[0]), index_urls=list(search[1]), no_index=not search[1]
                ),
            )
            collected.append(collector.collect_sources(project_name=name, candidates_from_page=page))
        places = [source for each in collected for source in each.find_links if source is not None]
        indexes = [source for each in collected for source in each.index_urls if source is not None]
        return places, indexes

    def _searches(self, name: NormalizedName) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        bound = self._bindings.index_of(name)
        if bound:
            yield (), (bound,)
            return
        for scope in self._scopes:
            search = self._search(scope)
            yield tuple(search.find_links), tuple(search.index_urls)

    def _search(self, scope: Scope) -> SearchScope:
        no_index = scope.no_index or self._configured.no_index
        first, *others = self._configured.index_urls or [None]
        main = scope.index_url or first
        urls = [] if no_index else [url for url in (main, *others, *scope.extra_index_urls) if url]
        return SearchScope.create(find_links=list(scope.find_links), index_urls=urls, no_index=no_index)


def _local(path: Path) -> Iterator[tuple[int, bytes]]:
    position = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield position, chunk
                position += len(chunk)
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror}") from error
