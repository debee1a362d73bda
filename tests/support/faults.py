"""What the index logs of a request, and the faults that a test may let it commit instead of answering."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Self

Role = Literal["index", "blob"]

_PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in to the proxy.</body></html>"


@dataclass(slots=True, kw_only=True)
class Request:
    """One request as the server saw it; `status` and `sent` are filled in while it is answered.

    `path` has no query. `attempt` counts the requests for this path of this host, from 1, since the log was last
    cleared, and `connection` the connections of the index, so that kept-alive ones can be told apart. `sent` counts the bytes of
    the body that were handed to the network.
    """

    role: Role
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    attempt: int
    connection: int
    status: int = 0
    sent: int = 0

    @property
    def authorized(self) -> bool:
        """Whether the request carried an Authorization header, right or wrong."""
        return "authorization" in self.headers

    @property
    def filename(self) -> str | None:
        """The distribution file that is asked for, on either host; None for a page."""
        folder, _, name = self.path.rpartition("/")
        return name if folder in {"/files", "/blob"} else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How to answer wrongly; what is not set stays as it would be.

    `status` alone answers with that status and a short body, `headers` are added (`Retry-After`), `body` replaces
    the bytes, `content_length` is what the header claims, `sized=False` leaves the header out (the end of the
    connection ends the body), `cut` ends the connection after so many bytes of the body, `reset` ends it with a TCP reset: at once, or after `cut` bytes,
    and `delay` waits so many seconds first.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: bytes | None = None
    content_type: str | None = None
    content_length: int | None = None
    sized: bool = True
    cut: int | None = None
    reset: bool = False
    delay: float = 0.0

    @classmethod
    def html(cls) -> Self:
        """A proxy's sign-in page with status 200 in place of what was asked for."""
        return cls(status=200, body=_PORTAL, content_type="text/html")

    @classmethod
    def busy(cls, retry_after: float | str = 0, status: int = 503) -> Self:
        """An answer that asks to come back later."""
        return cls(status=status, headers={"Retry-After": str(retry_after)})
