"""An HTTP/1.1 server on loopback that keeps connections alive, commits faults on request, and stops without a trace.

It decides nothing about contents: a `Site` does.
"""

import contextlib
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from support.faults import Fault, Request, Role

_BLOCK = 1 << 16
_TICK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a site answers: a body in memory or a file, which alone is subject to ranges and to the rate."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "text/plain"
    body: bytes | Path = b""

    def spoilt(self, fault: Fault) -> "Answer":
        """Return the answer with the fault's status, headers and body."""
        body, content_type = self.body, self.content_type
        if fault.body is not None:
            body, content_type = fault.body, "text/plain"
        elif fault.status is not None and fault.status >= 400:
            body, content_type = f"{fault.status} as asked for\n".encode(), "text/plain"
        return Answer(
            status=fault.status or self.status,
            headers={**self.headers, **fault.headers},
            content_type=fault.content_type or content_type,
            body=body,
        )


class Site(Protocol):
    """What the server asks for while it answers; all of it may change between two requests."""

    latency: float
    rate: float | None
    ranges: bool
    fault: Callable[[Request], Fault | None] | None
    errors: list[BaseException]

    def arrived(
        self, *, role: Role, method: str, target: str, headers: Mapping[str, str], connection: int
    ) -> Request: ...

    def answer(self, request: Request) -> Answer: ...


class Server(ThreadingHTTPServer):
    """Serves one site in one role from a thread of its own, with a thread a connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, site: Site, role: Role, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        super().__init__(("127.0.0.1", port), Handler)
        self.site = site
        self.role = role
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[Any, threading.Thread] = {}
        self._resets: set[Any] = set()
        self._numbers = 0
        self._thread = threading.Thread(target=self.serve_forever, args=(_TICK,), name=f"{role} server", daemon=True)
        self._thread.start()

    def server_bind(self) -> None:
        # The base class looks up the host's full name, which some machines take seconds to fail at.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[Any, Any]:
        # The handshake waits for the connection's own thread: a slow client must not keep the others out.
        connection, address = super().get_request()
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def connection_number(self) -> int:
        """Return the next number for a connection, from 1."""
        with self._lock:
            self._numbers += 1
            return self._numbers

    def pause(self, seconds: float) -> None:
        """Wait; raises ConnectionAbortedError when the server stops meanwhile."""
        if (seconds > 0 and self.closing.wait(seconds)) or self.closing.is_set():
            raise ConnectionAbortedError("the server stops")

    def reset(self, request: Any) -> None:
        """Have the connection end with a TCP reset."""
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._lock:
            self._resets.add(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
            reset = request in self._resets
            self._resets.discard(request)
        if reset:
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away is part of the game; anything else is a fault of the test or of this file.
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError | ssl.SSLError):
            self.site.errors.append(error)

    def stop(self) -> None:
        """Stop listening, end every connection, and wait for the threads."""
        self.closing.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            open_ones = dict(self._open)
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in open_ones.values():
            thread.join(5)
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()
        self.number = self.server.connection_number()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Print nothing: the site keeps the log."""

    def do_GET(self) -> None:
        server, site = self.server, self.server.site
        headers = {key.lower(): value for key, value in self.headers.items()}
        request = site.arrived(
            role=server.role, method=self.command, target=self.path, headers=headers, connection=self.number
        )
        fault = (site.fault and site.fault(request)) or Fault()
        server.pause(site.latency + fault.delay)
        if fault.reset and fault.cut is None:
            server.reset(self.request)
            self.close_connection = True
            return
        self._send(request, site.answer(request).spoilt(fault), fault)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 (the base class looks for these names)

    def _send(self, request: Request, answer: Answer, fault: Fault) -> None:
        size = answer.body.stat().st_size if isinstance(answer.body, Path) else len(answer.body)
        status, headers, (start, stop) = self._ranged(request, answer, size)
        length = 0 if request.method == "HEAD" else stop - start
        request.status = status
        self.send_response(status)
        for key, value in ({"Content-Type": answer.content_type} | headers).items():
            self.send_header(key, value)
        if fault.sized:
            stated = length if fault.content_length is None else fault.content_length
            self.send_header("Content-Length", str(stated))
            self.close_connection |= stated != length
        else:
            self.send_header("Connection", "close")
        self.close_connection |= fault.cut is not None
        self.end_headers()
        if length:
            until = stop if fault.cut is None else min(stop, start + fault.cut)
            self._body(request, answer.body, start, until)
        if fault.reset:
            self.server.reset(self.request)

    def _ranged(self, request: Request, answer: Answer, size: int) -> tuple[int, dict[str, str], tuple[int, int]]:
        """Return the status, headers and span of the body that the request's Range comes to (RFC 9110, 14)."""
        headers = dict(answer.headers)
        if not isinstance(answer.body, Path) or not self.server.site.ranges:
            return answer.status, headers, (0, size)
        headers["Accept-Ranges"] = "bytes"
        wanted = request.headers.get("range", "")
        if (
            answer.status != 200
            or not wanted
            or request.headers.get("if-range", headers.get("ETag")) != headers.get("ETag")
        ):
            return answer.status, headers, (0, size)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, size - int(last))
        stop = min(size, int(last) + 1) if first and last else size
        if start >= stop:
            return 416, headers | {"Content-Range": f"bytes */{size}"}, (0, 0)
        return 206, headers | {"Content-Range": f"bytes {start}-{stop - 1}/{size}"}, (start, stop)

    def _body(self, request: Request, body: bytes | Path, start: int, stop: int) -> None:
        rate = self.server.site.rate if isinstance(body, Path) else None
        began = time.monotonic()
        # Each block of a slow body is what a tick's worth of the rate comes to.
        for block in _blocks(body, start, stop, max(1, min(_BLOCK, int(rate * _TICK))) if rate else _BLOCK):
            # Counted before it is sent, so that who has received it all finds it counted.
            request.sent += len(block)
            self.wfile.write(block)
            if rate:
                self.server.pause(began + request.sent / rate - time.monotonic())


def _blocks(body: bytes | Path, start: int, stop: int, size: int) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body[start:stop]
        return
    with body.open("rb") as file:
        file.seek(start)
        while start < stop and (block := file.read(min(size, stop - start))):
            start += len(block)
            yield block
