"""A package index on loopback that behaves as the private ones do: passwords, signed URLs on another host, latency, faults.

Everything it is asked is logged. It never answers HEAD, as Azure Artifacts does not.
"""

import base64
import hmac
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from packaging.utils import canonicalize_name

from support import pages
from support.faults import Fault, Request, Role
from support.server import Answer, Server

__all__ = ["Fault", "Index", "Request"]

_STABLE_EXPIRY = "4102444800"


class Index:
    """Serves the wheels and sdists of a directory, as they are at each request; every option may be set at any time.

    - `json`: whether JSON pages are given to who accepts them; HTML otherwise.
    - `state_hashes`: whether pages state the sha256 of files.
    - `auth`: user and password for Basic authentication on the index (never on the blob host).
    - `latency`: seconds before each answer; `rate`: bytes per second of each file's body.
    - `redirect`: files answer 302 to a signed URL on the host `localhost`, which is new each time and valid for `lifetime`
      seconds, or always the same and for ever with `stable_urls`.
    - `ranges`: whether files can be had in parts. `json_api`: whether PyPI's `/pypi/NAME/json` exists.
    - `core_metadata`: whether METADATA can be had beside wheels (PEP 658).
    - `upload_times`, `yanked`: what pages say of a file, by its name. `absolute_links`: whether pages link with a host.
    - `tls`: speak HTTPS with this server context; it must know the names 127.0.0.1 and localhost.
    - `fault`: asked for each request; what it returns is committed. It runs on the server's threads.

    Stopping it raises what went wrong inside it, such as an error of the `fault` hook.
    """

    def __init__(
        self,
        directory: Path,
        *,
        json: bool = True,
        state_hashes: bool = True,
        auth: tuple[str, str] | None = None,
        latency: float = 0.0,
        rate: float | None = None,
        redirect: bool = False,
        lifetime: float = 60.0,
        stable_urls: bool = False,
        ranges: bool = True,
        json_api: bool = False,
        core_metadata: bool = False,
        absolute_links: bool = False,
        tls: ssl.SSLContext | None = None,
        fault: Callable[[Request], Fault | None] | None = None,
    ) -> None:
        self.directory = directory
        self.json = json
        self.state_hashes = state_hashes
        self.auth = auth
        self.latency = latency
        self.rate = rate
        self.redirect = redirect
        self.lifetime = lifetime
        self.stable_urls = stable_urls
        self.ranges = ranges
        self.json_api = json_api
        self.core_metadata = core_metadata
        self.absolute_links = absolute_links
        self.fault = fault
        self._tls = tls
        self._scheme = "https" if tls else "http"
        self.upload_times: dict[str, str] = {}
        self.yanked: dict[str, str] = {}
        self.errors: list[BaseException] = []
        self._secret = secrets.token_bytes()
        self._lock = threading.Lock()
        self._log: list[Request] = []
        self._attempts: Counter[tuple[Role, str]] = Counter()
        self._signatures: list[str] = []
        self._servers: dict[Role, Server] = {}
        self._ports: dict[Role, int] = {"index": 0, "blob": 0}

    # Its life

    def start(self) -> Self:
        """Listen on free ports, or on the same as before when it was stopped."""
        for role, port in self._ports.items():
            self._servers[role] = Server(self, role, port, self._tls)
        self._ports = {role: server.server_port for role, server in self._servers.items()}
        return self

    def stop(self) -> None:
        """Break every connection and refuse new ones; raises ExceptionGroup where something went wrong inside."""
        for role in list(self._servers):
            self._servers.pop(role).stop()
        errors, self.errors = self.errors, []
        if errors:
            raise BaseExceptionGroup("the index failed", errors)

    def restart(self, down: float = 0.0) -> None:
        """Stop, stay away for so many seconds, and come back at the same addresses."""
        self.stop()
        time.sleep(down)
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # Its addresses

    @property
    def host(self) -> str:
        """Host and port of the index."""
        return f"127.0.0.1:{self._ports['index']}"

    @property
    def blob_host(self) -> str:
        """Host and port of the blob store: the same machine under another name."""
        return f"localhost:{self._ports['blob']}"

    @property
    def url(self) -> str:
        """The address of the simple repository, without credentials."""
        return f"{self._scheme}://{self.host}/simple/"

    @property
    def url_with_password(self) -> str:
        """The address with the credentials in it, quoted."""
        if self.auth is None:
            return self.url
        user, password = (quote(text, safe="") for text in self.auth)
        return f"{self._scheme}://{user}:{password}@{self.host}/simple/"

    def signed_url(self, filename: str, *, lifetime: float | None = None) -> str:
        """Return a URL of the blob store for the file, valid for `lifetime` seconds (the option's unless told)."""
        seconds = self.lifetime if lifetime is None else lifetime
        nonce = "stable00" if self.stable_urls else secrets.token_hex(4)
        expiry = _STABLE_EXPIRY if self.stable_urls else f"{time.time() + seconds:.3f}"
        signature = self._sign(filename, expiry, nonce)
        with self._lock:
            self._signatures.append(signature)
        return (
            f"{self._scheme}://{self.blob_host}/blob/{quote(filename)}?{urlencode({'sig': signature, 'exp': expiry})}"
        )

    # Its log

    @property
    def requests(self) -> list[Request]:
        """Every request since the log was last cleared, in the order of arrival."""
        with self._lock:
            return list(self._log)

    @property
    def downloads(self) -> list[Request]:
        """The requests that were answered with a file or a part of one, from whichever host."""
        return [request for request in self.requests if request.filename and request.status in {200, 206}]

    @property
    def leaks(self) -> list[Request]:
        """The requests that carried credentials to the blob store."""
        return [request for request in self.requests if request.role == "blob" and request.authorized]

    @property
    def signatures(self) -> list[str]:
        """Every signature handed out so far; they are secrets that no output may show."""
        with self._lock:
            return list(self._signatures)

    def reset_log(self) -> None:
        """Forget the requests, and count attempts from 1 again."""
        with self._lock:
            self._log.clear()
            self._attempts.clear()

    # What the server asks

    def arrived(self, *, role: Role, method: str, target: str, headers: Mapping[str, str], connection: int) -> Request:
        """Log a request that has come in."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        with self._lock:
            self._attempts[role, path] += 1
            request = Request(
                role=role,
                method=method,
                path=path,
                query=dict(parse_qsl(parts.query)),
                headers=headers,
                attempt=self._attempts[role, path],
                connection=connection,
            )
            self._log.append(request)
        return request

    def answer(self, request: Request) -> Answer:
        """Return what a sound index answers."""
        if request.method != "GET":
            return Answer(status=405, headers={"Allow": "GET"})
        if request.role == "blob":
            return self._blob(request)
        if self.auth and not self._admitted(request):
            return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="index"'}, body=b"401 Unauthorized\n")
        return self._index(request)

    def _index(self, request: Request) -> Answer:
        match request.path.strip("/").split("/"):
            case ["simple"]:
                return self._page(request, None)
            case ["simple", project]:
                return self._page(request, project)
            case ["files", name]:
                return self._file(name)
            case ["pypi", project, "json"] if self.json_api and (links := self._links(project)):
                return Answer(content_type="application/json", body=pages.json_api(links))
        return _NOT_FOUND

    def _admitted(self, request: Request) -> bool:
        token = base64.b64encode(":".join(self.auth or ()).encode()).decode()
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Basic {token}".encode())

    def _page(self, request: Request, project: str | None) -> Answer:
        accept = request.headers.get("accept", "")
        as_json = self.json and pages.JSON in accept
        kind = pages.JSON if as_json else pages.HTML if pages.HTML in accept else "text/html"
        if project is None:
            projects = sorted(pages.distributions(self.directory))
            body = pages.json_root(projects) if as_json else pages.html_root(projects)
        else:
            links = self._links(project)
            if not links:
                return _NOT_FOUND
            name = canonicalize_name(project)
            body = pages.json_page(name, links) if as_json else pages.html_page(name, links)
        return Answer(content_type=kind, body=body)

    def _links(self, project: str) -> list[pages.Link]:
        base = f"{self._scheme}://{self.host}" if self.absolute_links else "../.."
        return [
            pages.Link(
                file=file,
                url=f"{base}/files/{quote(file.path.name)}",
                stated_hash=file.sha256 if self.state_hashes else None,
                metadata_hash=pages.metadata_hash(file) if self.core_metadata else None,
                upload_time=self.upload_times.get(file.path.name),
                yanked=self.yanked.get(file.path.name),
            )
            for file in map(pages.distribution, pages.distributions(self.directory).get(canonicalize_name(project), ()))
        ]

    def _file(self, name: str) -> Answer:
        path = self.directory / name.removesuffix(".metadata")
        if not path.is_file():
            return _NOT_FOUND
        file = pages.distribution(path)
        if name.endswith(".metadata"):
            return Answer(body=file.metadata) if self.core_metadata and file.metadata is not None else _NOT_FOUND
        if self.redirect:
            return Answer(status=302, headers={"Location": self.signed_url(name), "Cache-Control": "no-store"})
        return self._content(file)

    def _blob(self, request: Request) -> Answer:
        name = request.filename or ""
        expiry, signature = request.query.get("exp", ""), request.query.get("sig", "")
        if request.authorized:
            return _refusal(400, "InvalidAuthenticationInfo")
        if not hmac.compare_digest(signature, self._sign(name, expiry, signature[:8])) or float(expiry) < time.time():
            return _refusal(403, "AuthenticationFailed")
        path = self.directory / name
        return self._content(pages.distribution(path)) if path.is_file() else _NOT_FOUND

    def _content(self, file: pages.Distribution) -> Answer:
        headers = {"ETag": f'"{file.sha256[:16]}"', "Cache-Control": "public, max-age=31536000, immutable"}
        return Answer(headers=headers, content_type="application/octet-stream", body=file.path)

    def _sign(self, filename: str, expiry: str, nonce: str) -> str:
        return nonce + hmac.digest(self._secret, f"{filename}\n{expiry}\n{nonce}".encode(), "sha256").hex()


_NOT_FOUND = Answer(status=404, body=b"404 Not Found\n")


def _refusal(status: int, code: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
    return Answer(status=status, content_type="application/xml", body=body.encode())
