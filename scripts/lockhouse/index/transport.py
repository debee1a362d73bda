"""GET requests that survive what private indexes do: refusals are told apart from trouble, and trouble is waited out.

Redirects are followed one by one, so that each host is treated, and blamed, as itself. Nothing but GET is ever sent.
"""

import contextlib
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pip._internal.exceptions import PipError
from pip._internal.network.session import PipSession
from pip._vendor.requests.exceptions import RequestException
from pip._vendor.urllib3.exceptions import HTTPError

from lockhouse.errors import FetchError
from lockhouse.index.hosts import STANDARD, Attempt, Host, Policy, attempts
from lockhouse.index.wire import Answer, Wire
from lockhouse.redact import redact, redact_error

_CHUNK = 1 << 18
# Seconds after which what has come is handed on, though it is less than a chunk.
_PAUSE = 0.2
# How often one request may be led elsewhere.
_HOPS = 10
# How often a whole transfer may bring the same wrong thing; and one of which nobody knows whether it was whole.
_ALIKE = 2
_ALIKE_UNSURE = 4
# pip writes its diagnostic errors for a terminal.
_MARKUP = re.compile(r"\[/?[a-z ]*\]")
_TROUBLE = (PipError, RequestException, HTTPError, OSError)


class NotThereError(Exception):
    """The server answered, and has no such page or file (404, 410)."""


@dataclass(slots=True)
class Transport:
    """Sends GET requests through pip's session, at most `connections` at a time to one host."""

    session: PipSession
    connections: int
    policy: Policy = STANDARD
    _hosts: dict[str, Host] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)
    _wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self._wire = Wire(self.session)

    def page(self, url: str, headers: Mapping[str, str]) -> tuple[bytes, Mapping[str, str], str]:
        """Return body, headers and final URL of a page, after as many tries as it takes.

        Raises NotThereError, and FetchError for refusals and for trouble that did not pass.
        """
        for attempt in attempts(self.policy):
            with attempt, self._answer(url, headers, attempt, is_file=False) as answer:
                body = b"".join(self._chunks(answer, attempt, decode=True))
                return body, answer.headers, answer.url
        raise AssertionError("tries end with an exception")

    def body(self, url: str, is_whole: Callable[[], bool] | None) -> Iterator[tuple[int, bytes]]:
        """Yield a file's bytes with their positions, until `is_whole` says that all is there.

        Without `is_whole`, the length that the server states must do, and a page of HTML is no file.

        A broken transfer is resumed where it broke if the server can (RFC 9110, 14), else the position starts at 0
        again, and what was received before is void. Raises FetchError when no try gets any further.
        """
        transfer = _Transfer(url)
        for attempt in attempts(self.policy):
            with attempt:
                with self._answer(url, transfer.headers(), attempt, is_file=True) as answer:
                    transfer.begin(answer)
                    if is_whole is None and _kind(answer) == "text/html":
                        raise FetchError(f"{redact(url)}: a page of HTML came instead of the file", transient=True)
                    for chunk in self._chunks(answer, attempt, decode=False):
                        yield transfer.position, chunk
                        attempt.got_further |= transfer.advance(len(chunk))
                if is_whole is None or is_whole():
                    return
                raise transfer.wrong(answer)
            if transfer.position and is_whole and is_whole():
                # The transfer broke, but only after its last byte: a length that is stated wrongly looks like that.
                return

    def _chunks(self, answer: Answer, attempt: Attempt, *, decode: bool) -> Iterator[bytes]:
        # A read gives what has come, so it never waits for more while a transfer is slow. Several are handed on as one:
        # what is done with a piece costs as much for a small one.
        window, received = time.monotonic(), 0
        read_into, buffer = answer.reader(decode=decode), memoryview(bytearray(_CHUNK))
        whole = False
        while not whole:
            size, began = 0, time.monotonic()
            try:
                while size < _CHUNK and time.monotonic() - began < _PAUSE:
                    count = read_into(buffer[size:])
                    if not count:
                        whole = True
                        break
                    size += count
            except _TROUBLE:
                # What came before the transfer broke is good for resuming it.
                if size:
                    yield bytes(buffer[:size])
                raise
            if size:
                yield bytes(buffer[:size])
            received += size
            now = time.monotonic()
            if now - window >= self.policy.window:
                if received < self.policy.least and not whole:
                    attempt.got_further = False
                    raise FetchError(
                        f"{redact(answer.url)}: only {received} bytes came in {now - window:.0f} s", transient=True
                    )
                window, received = now, 0

    @contextlib.contextmanager
    def _answer(self, url: str, headers: Mapping[str, str], attempt: Attempt, *, is_file: bool) -> Iterator[Answer]:
        """Send a request, follow where it leads, and hold the connection while the answer is read."""
        first = self._host(url, alone=True)
        # A signed URL may live for seconds: it is asked for when there is a connection to use it on.
        ahead = first.leads_to if is_file and first.leads_to and not first.leads_to.leads_to else None
        with contextlib.ExitStack() as reserved:
            if ahead:
                reserved.enter_context(ahead.slot())
            hop, anonymous = url, False
            for _ in range(_HOPS):
                host = self._host(hop, alone=hop == url)
                if hop != url and host is not ahead:
                    # Nobody waits for one host while another waits for him.
                    reserved.close()
                with contextlib.ExitStack() as held:
                    if host is not ahead:
                        held.enter_context(host.slot())
                    answer = held.enter_context(self._sent(host, hop, url, headers, attempt, anonymous=anonymous))
                    if answer.following is None:
                        try:
                            yield answer
                        except _TROUBLE as error:
                            why = f"{_shown(url, hop)}: the transfer broke: {reason(error)}"
                            raise host.fails(why, attempt.began) from error
                        host.works()
                        return
                hop, anonymous = answer.following.url, answer.following.anonymous
                if is_file and self._host(hop, alone=False) is not first:
                    first.leads_to = self._host(hop, alone=False)
        raise FetchError(f"{redact(url)} leads elsewhere more than {_HOPS} times")

    @contextlib.contextmanager
    def _sent(
        self, host: Host, hop: str, url: str, headers: Mapping[str, str], attempt: Attempt, *, anonymous: bool
    ) -> Iterator[Answer]:
        with contextlib.ExitStack() as closing:
            with host.asking():
                attempt.began = time.monotonic()
                try:
                    answer = self._wire.get(hop, headers, anonymous=anonymous)
                except ValueError as error:
                    raise FetchError(f"{_shown(url, hop)}: {reason(error)}") from error
                except _TROUBLE as error:
                    why = f"{_shown(url, hop)}: {reason(error)}"
                    if _is_final(error):
                        host.refuses(FetchError(why))
                        raise FetchError(why) from error
                    raise host.silent(why, attempt.began) from error
                closing.enter_context(contextlib.closing(answer))
                try:
                    self._judge(host, hop, url, answer, attempt)
                except (FetchError, NotThereError):
                    answer.drain()
                    raise
            yield answer

    def _judge(self, host: Host, hop: str, url: str, answer: Answer, attempt: Attempt) -> None:
        status = answer.status
        if status in {200, 206, 416} or answer.following is not None:
            host.works()
        elif status in {404, 410}:
            host.works()
            raise NotThereError
        elif status in {400, 401, 403} and _netloc(hop) != _netloc(url):
            # A signed URL that has run out, say: the next try gets a new one.
            why = f"{redact(url)} leads to {_netloc(hop)}, which refuses (HTTP status {status})"
            raise host.fails(why, attempt.began)
        elif status in {401, 403}:
            refused = FetchError(
                f"{_netloc(url)} refuses the credentials it was given, or wants some (HTTP status {status} for {redact(url)})",
                hint="put them into the index URL of pip's configuration, into ~/.netrc, or into keyring",
                status=status,
            )
            if status == 401:
                host.refuses(refused)
            raise refused
        elif status in {408, 425, 429} or status >= 500:
            pause = _retry_after(answer)
            attempt.pause = pause or 0.0
            why = f"{_shown(url, hop)}: HTTP status {status}"
            raise host.fails(why, attempt.began, pause=pause, busy=status in {429, 503})
        else:
            raise FetchError(f"{_shown(url, hop)}: HTTP status {status}", status=status)

    def _host(self, url: str, *, alone: bool) -> Host:
        with self._mutex:
            name = _netloc(url)
            if name not in self._hosts:
                self._hosts[name] = Host(self.connections, self.policy, alone=alone)
            return self._hosts[name]


class _Transfer:
    """Where the transfer of one file stands, over all tries."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.position = 0
        self._furthest = 0
        self._validator: str | None = None
        self._resumable = True
        self._resumed = False
        self._wrong: Counter[tuple[int, str, str | None]] = Counter()

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for what is still missing."""
        headers = {"Accept-Encoding": "identity"}
        if self.position and self._resumable:
            headers["Range"] = f"bytes={self.position}-"
            if self._validator:
                headers["If-Range"] = self._validator
        return headers

    def begin(self, answer: Answer) -> None:
        """Find out where an answer begins; raises FetchError where that is not where it was asked to."""
        self._resumed = answer.status == 206
        if self._resumed or answer.status == 416:
            unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
            if answer.status == 416 or unit != "bytes" or rest.partition("-")[0] != str(self.position):
                self._resumable = False
                self.position = 0
                why = "the server resumed at another place than it was asked to"
                raise FetchError(f"{redact(self._url)}: {why}", transient=True)
        else:
            self.position = 0
        self._validator = _validator(answer)

    def advance(self, count: int) -> bool:
        """Note that so many bytes came; return whether the transfer got further than ever before."""
        self.position += count
        further = self.position > self._furthest
        self._furthest = max(self._furthest, self.position)
        return further

    def wrong(self, answer: Answer) -> FetchError:
        """Return the error that says that what came is something else; a few times, another try may mend it."""
        sure = "Content-Length" in answer.headers or answer.raw.chunked
        kind = _kind(answer) or "no stated type"
        outcome = (self.position, kind, self._validator)
        self._wrong[outcome] += 1
        what = f"what came is not what is locked ({self.position} bytes of {kind} from {redact(self._url)})"
        if sure or self._resumed:
            # If it was pieced together, the pieces may not belong together.
            self._resumable = self._resumable and not self._resumed
            self.position = 0
        return FetchError(what, transient=self._wrong[outcome] < (_ALIKE if sure else _ALIKE_UNSURE))


def _is_final(error: BaseException | None) -> bool:
    """Return whether the trouble is a certificate that does not count, which no other try will mend."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        if isinstance(each, ssl.SSLCertVerificationError):
            return True
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
    return False


def reason(error: BaseException) -> str:
    """Return in one line what went wrong, without secrets; pip's diagnostic errors keep the cause apart."""
    said = [str(part) for part in (getattr(error, "message", None), getattr(error, "context", None)) if part]
    text = _MARKUP.sub("", " - ".join(said)) or str(error) or type(error).__name__
    return redact_error(" ".join(text.split()))


def _netloc(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _shown(url: str, hop: str) -> str:
    """Return a URL for people, and the host that it led to."""
    return redact(url) if _netloc(hop) == _netloc(url) else f"{redact(url)}, by way of {_netloc(hop)}"


def _kind(answer: Answer) -> str:
    return str(answer.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def _validator(answer: Answer) -> str | None:
    etag = answer.headers.get("ETag")
    # A weak validator must not be used for ranges (RFC 9110, 13.1.5).
    chosen = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified")
    return None if chosen is None else str(chosen)


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - time.time())
    except ValueError:
        return None
