"""Keeps this process's own connections on loopback: an attempt to leave raises at once and is remembered.

It guards `socket`, not code that calls the operating system past it; subprocesses meet the proxy fence instead.
"""

import functools
import ipaddress
import socket
from collections.abc import Callable
from typing import Any


class FenceError(AssertionError):
    """Something tried to reach a host outside loopback."""


class Fence:
    """Stands from `raise_` on until the process ends; `breaches` holds what ran into it."""

    def __init__(self) -> None:
        self.breaches: list[str] = []

    def raise_(self) -> None:
        """Guard connecting and looking up names."""
        guarded: Any = socket.socket
        for method in ("connect", "connect_ex"):
            setattr(guarded, method, self._guard(getattr(guarded, method)))
        resolver: Any = socket
        resolver.getaddrinfo = self._guard_names(socket.getaddrinfo)

    def _guard(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(connect)
        def guarded(sock: socket.socket, address: Any) -> Any:
            if sock.family in {socket.AF_INET, socket.AF_INET6} and not loopback(address[0]):
                # The caller's own clean-up is for OSError only, and an open socket would hide this behind a warning.
                sock.close()
                self._breach(f"connect to {address}")
            return connect(sock, address)

        return guarded

    def _guard_names(self, resolve: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(resolve)
        def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
            # An address written as a number is looked up nowhere.
            if host is not None and not loopback(host) and not _numeric(host):
                self._breach(f"look up {host!r}")
            return resolve(host, *args, **kwargs)

        return guarded

    def _breach(self, what: str) -> None:
        self.breaches.append(what)
        raise FenceError(f"a test tried to {what}; only loopback is open to tests")


def loopback(host: str | bytes) -> bool:
    """Tell whether the host is this machine, without asking a name server.

    >>> loopback("::1"), loopback("localhost"), loopback("127.0.0.1.example.com")
    (True, True, False)
    """
    address = _numeric(host)
    if address is None:
        return host in {"", "localhost", b"", b"localhost"}
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _numeric(host: str | bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None
