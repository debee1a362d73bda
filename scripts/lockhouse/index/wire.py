"""One GET over pip's session: the first to a place in full, those that follow straight over the connections it opened.

requests decides anew for every request what is the same for all of a host: proxy, certificates, credentials, cookies. So
the first answer of a place is had through the whole session, and its connection pool and headers serve the next. What
is out of the ordinary (trouble, a refusal, a cookie) goes through the session again.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from socket import socket
from typing import Any
from urllib.parse import urljoin, urlsplit

from pip._internal.network.session import PipSession
from pip._vendor.requests.adapters import HTTPAdapter
from pip._vendor.requests.utils import requote_uri
from pip._vendor.urllib3 import Retry, Timeout
from pip._vendor.urllib3.exceptions import HTTPError, IncompleteRead

# TLS hands out records of this size at the most.
_READ = 1 << 14
# What comes with a refusal or a redirect is read to its end if it is no larger, so that the connection stays good.
_SMALL = 1 << 14
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# After an answer like this, the host is asked in the same way again.
_SETTLED = frozenset({200, 206, 404, 410}) | _REDIRECTS


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer, and what its body can be read from; `following` is where a redirect leads, and how."""

    status: int
    headers: Mapping[str, str]
    url: str
    raw: Any
    following: "Following | None" = None

    def reader(self, *, decode: bool) -> Callable[[memoryview], int]:
        """Return a function that puts what has come into a buffer and says how much; nothing at the end.

        It raises what urllib3 and sockets do.
        """
        body = getattr(self.raw, "_fp", None)
        socket = getattr(self.raw.connection, "sock", None)
        if decode or socket is None or not isinstance(body, HTTPResponse) or body.chunked or not body.length:
            return functools.partial(_read_into, self.raw, decode)
        return _Body(self.raw, body, socket, body.length).read_into

    def drain(self) -> None:
        """Read what is left, if it is little."""
        length = self.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) <= _SMALL:
            with contextlib.suppress(HTTPError, OSError):
                self.raw.read(_SMALL)

    def close(self) -> None:
        """Give the connection back if the body was read to its end; else close it."""
        self.raw.close()
        self.raw.release_conn()


@dataclass(frozen=True, slots=True)
class Following:
    """Where a redirect leads, and whether credentials stay behind."""

    url: str
    anonymous: bool


def _read_into(raw: Any, decode: bool, buffer: memoryview) -> int:
    piece = raw.read1(min(_READ, len(buffer)), decode_content=decode)
    buffer[: len(piece)] = piece
    return len(piece)


@dataclass(slots=True)
class _Body:
    """A body of a stated length, read off its socket: most of a transfer's cost was what lies between."""

    raw: Any
    body: HTTPResponse
    socket: socket
    left: int
    begun: bool = False

    def read_into(self, buffer: memoryview) -> int:
        if not self.left:
            self.body.close()
            self.raw.release_conn()
            return 0
        room = buffer[: min(len(buffer), self.left)]
        try:
            count = self.socket.recv_into(room) if self.begun else self._first(room)
        except BaseException:
            self.raw.close()
            raise
        if not count:
            self.raw.close()
            raise IncompleteRead(int(self.raw.headers["Content-Length"]) - self.left, self.left)
        self.left -= count
        return count

    def _first(self, room: memoryview) -> int:
        # What has come with the head stands in a buffer, which one read of its size empties.
        piece = self.body.read1(min(_READ, len(room)))
        room[: len(piece)] = piece
        self.begun = True
        return len(piece)


@dataclass(frozen=True, slots=True)
class _Route:
    """How a place is asked that has answered once: its connections, and the headers that go with every request."""

    pool: Any
    headers: Mapping[str, str]


@dataclass(slots=True)
class Wire:
    """Sends GET requests over a pip session, and follows no redirect by itself."""

    session: PipSession
    _routes: dict[tuple[str, str, bool], _Route] = field(default_factory=dict)
    _fussy: set[tuple[str, str, bool]] = field(default_factory=set)
    _leads: dict[tuple[str, str, bool, str], bool] = field(default_factory=dict)

    def get(self, url: str, headers: Mapping[str, str], *, anonymous: bool) -> Answer:
        """Send one request and return its answer; `anonymous` sends no credentials unless they are asked for.

        Raises what pip's session does: errors of pip, requests and urllib3, OSError, and ValueError for what is no URL.
        """
        place = (*urlsplit(url)[:2], anonymous)
        route = self._routes.get(place)
        straight = self._straight(route, place, url, headers) if route else None
        return straight or self._through_session(place, url, headers)

    def _straight(
        self, route: _Route, place: tuple[str, str, bool], url: str, headers: Mapping[str, str]
    ) -> Answer | None:
        parts = urlsplit(requote_uri(url))
        try:
            raw = route.pool.urlopen(
                "GET",
                f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/",
                headers={**route.headers, **headers},
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                retries=Retry(0, read=False),
                timeout=Timeout(connect=self.session.timeout, read=self.session.timeout),
            )
        except BaseException:
            self._routes.pop(place, None)
            raise
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        answer = Answer(raw.status, raw.headers, bare, raw)
        if raw.status in {401, 407} or "Set-Cookie" in raw.headers:
            self._routes.pop(place, None)
        elif raw.status not in _REDIRECTS or "Location" not in raw.headers:
            return answer
        else:
            target = requote_uri(urljoin(bare, raw.headers["Location"]))
            known = self._leads.get((*place, _origin(target)))
            if known is not None:
                answer.drain()
                return Answer(raw.status, raw.headers, bare, raw, Following(target, known))
        answer.drain()
        answer.close()
        return None

    def _through_session(self, place: tuple[str, str, bool], url: str, headers: Mapping[str, str]) -> Answer:
        auth = {"auth": _Anonymous(self.session)} if place[2] else {}
        came: list[Any] = []
        hooks = {"response": lambda response, **_: came.append(response)}
        try:
            response = self.session.get(
                url, headers=dict(headers), stream=True, allow_redirects=False, hooks=hooks, **auth
            )
        except BaseException:
            # A redirect to what is no URL, say: the answer was there, and its connection is open.
            for each in came:
                each.close()
            raise
        following = None
        if response.next is not None:
            # requests has decided whether the credentials may go there.
            following = Following(response.next.url, "Authorization" not in response.next.headers)
            self._leads[*place, _origin(following.url)] = following.anonymous
        if "Set-Cookie" in response.headers or self.session.cookies:
            self._fussy.add(place)
        if response.status_code in _SETTLED and place not in self._fussy:
            self._remember(place, response.request)
        return Answer(response.status_code, response.headers, response.url, response.raw, following)

    def _remember(self, place: tuple[str, str, bool], request: Any) -> None:
        adapter = self.session.get_adapter(request.url)
        if not isinstance(adapter, HTTPAdapter):
            return
        settings = self.session.merge_environment_settings(request.url, dict(self.session.proxies), True, None, None)
        if not adapter.request_url(request, settings["proxies"]).startswith("/"):
            # A proxy for plain HTTP wants the whole URL.
            return
        pool = adapter.get_connection_with_tls_context(
            request, settings["verify"], proxies=settings["proxies"], cert=settings["cert"]
        )
        if getattr(pool, "ca_certs", None) and pool.conn_kw.get("ssl_context"):
            # All connections share the context, which has had the certificates since the first of them; every other one
            # would read the whole bundle again, which takes longer than its handshake.
            pool.ca_certs = None
        signed = {name: request.headers[name] for name in ("Authorization",) if name in request.headers}
        self._routes[place] = _Route(pool, {**self.session.headers, **signed})


class _Anonymous:
    """Sends no credentials; if some are wanted all the same, the session may look for them."""

    def __init__(self, session: PipSession) -> None:
        self._session = session

    def __call__(self, request: Any) -> Any:
        request.register_hook("response", self._session.auth.handle_401)
        return request


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
