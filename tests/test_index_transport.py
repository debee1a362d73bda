"""Bytes come whole or not at all, whatever the servers do in between: broken, slow, busy, lying and refusing ones."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse.errors import FetchError
from lockhouse.index import PipIndex
from lockhouse.index.hosts import Policy
from support.index import Fault, Index, Request
from support.opened import Open, fetched, opener
from support.wheels import build_wheel, sha256

ONE = Version("1.0")
SIZE = 60_000
# A permanently failing server should not hold up the tests for long.
BRIEF = Policy(patience=0.6, first_patience=0.3, tries=5, backoff=0.05, pause=1.5)


@pytest.fixture
def open_index(index: Index, environ: dict[str, str], tmp_path: Path) -> Iterator[Open]:
    with opener(index, environ) as opened:
        yield opened


@pytest.fixture
def wheel(index: Index) -> Path:
    return build_wheel(index.directory, "alpha", "1.0", size=SIZE)


def url(index: Index, wheel: Path) -> str:
    return f"{index.url.removesuffix('simple/')}files/{wheel.name}"


def get(source: PipIndex, index: Index, wheel: Path) -> None:
    assert fetched(source, url(index, wheel), sha256(wheel)) == wheel.read_bytes()


def failure(source: PipIndex, index: Index, wheel: Path) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetched(source, url(index, wheel), sha256(wheel))
    assert not caught.value.transient
    return caught.value


def first(fault: Fault, role: str = "index", times: int = 1):
    """Return a hook that commits the fault on the first requests for files to one host."""
    left = [times]

    def hook(request: Request) -> Fault | None:
        if not request.filename or request.role != role or not left[0]:
            return None
        left[0] -= 1
        return fault

    return hook


def ranges(index: Index, role: str = "index") -> list[str | None]:
    return [request.headers.get("range") for request in index.requests if request.role == role]


# Broken transfers


@pytest.mark.parametrize(
    "fault",
    [Fault(cut=20_000), Fault(cut=20_000, reset=True), Fault(cut=20_000, sized=False)],
    ids=["cut", "reset", "cut-without-length"],
)
def test_a_broken_transfer_is_resumed_where_it_broke(index: Index, open_index: Open, wheel: Path, fault: Fault):
    index.fault = first(fault)
    get(open_index(), index, wheel)
    before, after = index.requests
    # A reset may destroy what was already on its way.
    start = int(str(after.headers["range"]).removeprefix("bytes=").removesuffix("-"))
    assert 0 < start <= 20_000 if fault.reset else start == 20_000
    assert (before.status, after.status) == (200, 206)
    assert after.headers["if-range"] == f'"{sha256(wheel)[:16]}"'
    assert after.sent == wheel.stat().st_size - start, "nothing came twice"


def test_each_part_of_a_file_gets_a_signed_url_of_its_own(index: Index, open_index: Open, wheel: Path):
    index.redirect, index.auth = True, ("me", "secret")
    index.fault = first(Fault(cut=10_000), "blob", times=3)
    get(open_index(PIP_INDEX_URL=index.url_with_password), index, wheel)
    blobs = [request for request in index.requests if request.role == "blob"]
    assert ranges(index, "blob") == [None, "bytes=10000-", "bytes=20000-", "bytes=30000-"]
    assert len({request.query["sig"] for request in blobs}) == 4
    assert sum(request.sent for request in blobs) == wheel.stat().st_size
    assert not index.leaks
    assert {request.method for request in index.requests} == {"GET"}


def test_a_server_that_knows_no_ranges_begins_anew(index: Index, open_index: Open, wheel: Path):
    index.ranges = False
    index.fault = first(Fault(cut=20_000), times=2)
    get(open_index(), index, wheel)
    assert [(request.status, request.sent) for request in index.requests] == [
        (200, 20_000),
        (200, 20_000),
        (200, wheel.stat().st_size),
    ]


def test_a_connection_that_is_reset_before_the_answer_is_made_again(index: Index, open_index: Open, wheel: Path):
    index.fault = first(Fault(reset=True), times=3)
    get(open_index(), index, wheel)
    assert len(index.requests) == 4


def test_a_file_that_changed_meanwhile_is_not_pieced_together(index: Index, open_index: Open, tmp_path: Path):
    old = build_wheel(index.directory, "alpha", "1.0", size=SIZE)
    new = build_wheel(tmp_path, "alpha", "1.0", size=SIZE + 10)

    def fault(request: Request) -> Fault | None:
        if request.attempt == 1:
            return Fault(cut=20_000)
        old.write_bytes(new.read_bytes())
        return None

    index.fault = fault
    get(open_index(), index, new)
    assert ranges(index) == [None, "bytes=20000-"]
    assert [request.status for request in index.requests] == [200, 200], "If-Range has the server send it all"


def test_pieces_that_do_not_belong_together_are_found_out_and_the_whole_comes_anew(
    index: Index, open_index: Open, wheel: Path
):
    size = wheel.stat().st_size
    other = b"x" * (size - 20_000)

    def fault(request: Request) -> Fault | None:
        if request.attempt in {1, 3}:
            return Fault(cut=20_000)
        spliced = {"Content-Range": f"bytes 20000-{size - 1}/{size}"}
        return Fault(status=206, headers=spliced, body=other) if request.attempt == 2 else None

    index.fault = fault
    get(open_index(), index, wheel)
    assert ranges(index) == [None, "bytes=20000-", None, None], "this server is not asked for parts again"


@pytest.mark.parametrize(
    "fault",
    [Fault(status=206, headers={"Content-Range": "bytes 5-9/10"}, body=b"12345"), Fault(status=416)],
    ids=["another-place", "no-such-range"],
)
def test_a_server_that_resumes_elsewhere_is_asked_for_the_whole(index: Index, open_index: Open, wheel: Path, fault):
    index.fault = lambda request: (
        Fault(cut=20_000) if request.attempt == 1 else fault if "range" in request.headers else None
    )
    get(open_index(), index, wheel)
    assert ranges(index) == [None, "bytes=20000-", None]


def test_a_transfer_that_always_breaks_at_the_same_place_is_given_up(index: Index, open_index: Open, wheel: Path):
    index.ranges = False
    index.fault = lambda request: Fault(cut=20_000)
    reason = failure(open_index(policy=BRIEF), index, wheel).reason
    assert f"{url(index, wheel)}: the transfer broke: " in reason
    assert "(given up after 5 tries)" in reason
    # The first try got somewhere, and the next five no further.
    assert len(index.requests) <= 6


# Lengths that lie, and other things than files


@pytest.mark.parametrize("times", [1, 100])
def test_a_length_that_is_too_long_does_no_harm(index: Index, open_index: Open, wheel: Path, times: int):
    index.fault = first(Fault(content_length=10_000_000), times=times)
    get(open_index(), index, wheel)
    assert len(index.requests) == 1, "the bytes decide"


def test_a_length_that_is_too_short_is_mended_by_another_try(index: Index, open_index: Open, wheel: Path):
    index.fault = first(Fault(content_length=500))
    get(open_index(), index, wheel)
    assert len(index.requests) == 2


def test_a_length_that_is_always_too_short_is_an_error(index: Index, open_index: Open, wheel: Path):
    index.fault = lambda request: Fault(content_length=500)
    said = f"what came is not what is locked (500 bytes of application/octet-stream from {url(index, wheel)})"
    assert failure(open_index(), index, wheel).reason == said
    assert len(index.requests) == 2


@pytest.mark.parametrize("role", ["index", "blob"])
@pytest.mark.parametrize("sized", [True, False])
def test_a_sign_in_page_instead_of_a_file_is_got_over(index: Index, open_index: Open, wheel: Path, role, sized):
    portal = Fault(
        status=200, body=b"<html>Please sign in</html>", content_type="text/html; charset=utf-8", sized=sized
    )
    index.redirect = role == "blob"
    index.fault = first(portal, role)
    get(open_index(), index, wheel)
    index.fault = first(portal, role, times=100)
    said = f"what came is not what is locked (27 bytes of text/html from {url(index, wheel)})"
    assert failure(open_index(), index, wheel).reason == said


def test_an_answer_of_no_stated_type_is_said_to_be_that(index: Index, open_index: Open, wheel: Path):
    index.fault = lambda request: Fault(status=200, body=b"?", content_type=" ")
    assert "(1 bytes of no stated type from " in failure(open_index(), index, wheel).reason


# Slow ones


def test_a_trickle_is_broken_off_and_resumed(index: Index, open_index: Open, wheel: Path):
    index.rate = 20_000

    def fault(request: Request) -> None:
        index.rate = 20_000 if request.attempt == 1 else None

    index.fault = fault
    get(open_index(policy=Policy(window=0.5, least=50_000)), index, wheel)
    assert [request.status for request in index.requests] == [200, 206]
    start = int(str(ranges(index)[1]).removeprefix("bytes=").removesuffix("-"))
    assert 0 < start < 50_000


def test_a_trickle_that_never_ends_is_given_up(index: Index, open_index: Open, wheel: Path):
    index.rate = 1_000
    policy = Policy(window=0.2, least=50_000, tries=3, backoff=0.01)
    assert " bytes came in 0 s (given up after 3 tries)" in failure(open_index(policy=policy), index, wheel).reason


def test_a_server_that_says_nothing_is_given_up(index: Index, open_index: Open, wheel: Path):
    hold = threading.Event()

    def fault(request: Request) -> None:
        hold.wait(30)

    index.fault = fault
    error = failure(open_index(policy=BRIEF, PIP_TIMEOUT="0.5"), index, wheel)
    hold.set()
    assert "didn't respond within 0.5 seconds" in error.reason
    assert len(index.requests) == 1, "one timeout is longer than the patience with a host that never answered"


# Busy ones


class Clock:
    """When each request came."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._mutex = threading.Lock()

    def tick(self) -> int:
        with self._mutex:
            self.times.append(time.monotonic())
            return len(self.times)


def _in_two_seconds() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("when", ["1", "date"])
@pytest.mark.parametrize("redirect", [False, True])
def test_a_busy_host_is_left_alone_by_everybody_for_as_long_as_it_asks(
    index: Index, open_index: Open, status, when, redirect
):
    wheels = [build_wheel(index.directory, f"p{number}", "1.0") for number in range(12)]
    index.redirect = redirect
    role = "blob" if redirect else "index"
    clock, together = Clock(), threading.Barrier(4, timeout=30)
    refused: list[float] = []

    def fault(request: Request) -> Fault | None:
        if request.role != role or not request.filename:
            return None
        number = clock.tick()
        if number > 4:
            return None
        # The first four are all under way; one is told to wait before the others are answered.
        together.wait()
        if number > 1:
            return Fault(delay=0.5)
        refused.append(time.monotonic())
        return Fault.busy(_in_two_seconds() if when == "date" else when, status)

    source = open_index(connections=4)
    # What comes first comes alone.
    source.candidates(canonicalize_name("p0"), ONE)
    index.fault = fault
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    assert len(clock.times) == 13
    # An HTTP date has no fractions: two seconds from now are at least one.
    assert min(clock.times[4:]) - refused[0] > 0.95


def test_a_busy_host_gets_fewer_connections(index: Index, open_index: Open):
    wheels = [build_wheel(index.directory, f"p{number}", "1.0") for number in range(8)]
    mutex, together = threading.Lock(), threading.Barrier(8, timeout=30)
    active, peak, seen = 0, 0, 0

    def fault(request: Request) -> Fault | None:
        nonlocal active, peak, seen
        with mutex:
            seen += 1
            number = seen
        if number <= 8:
            together.wait()
            return Fault.busy(0, 429)
        with mutex:
            active += 1
            peak = max(peak, active)
        time.sleep(0.2)
        with mutex:
            active -= 1
        return None

    source = open_index(connections=8)
    source.candidates(canonicalize_name("p0"), ONE)
    index.fault = fault
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    assert seen == 16
    assert 2 <= peak <= 5


def test_a_single_connection_stays_a_single_one_when_it_is_slowed(index: Index, open_index: Open):
    wheels = [build_wheel(index.directory, f"p{number}", "1.0") for number in range(4)]
    index.latency = 0.05
    index.fault = lambda request: Fault.busy(0) if request.attempt == 1 else None
    source = open_index(connections=1)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    assert len(index.requests) == 8
    assert len({request.connection for request in index.requests}) == 1


def test_a_host_that_wants_to_be_left_alone_for_an_hour_is_an_error_at_once(
    index: Index, open_index: Open, wheel: Path
):
    index.fault = lambda request: Fault.busy(3600)
    source = open_index()
    said = f"{url(index, wheel)}: HTTP status 503, and it asks to be left alone for 3600 s"
    assert failure(source, index, wheel).reason == said
    assert failure(source, index, wheel).reason == said
    assert len(index.requests) == 1, "nobody asks it again"


def test_a_host_that_puts_off_again_and_again_is_given_up(index: Index, open_index: Open, wheel: Path):
    index.fault = lambda request: Fault.busy(1)
    assert "it asks to be left alone for 2 s" in failure(open_index(policy=BRIEF), index, wheel).reason
    assert len(index.requests) == 2


def test_a_file_that_is_put_off_again_and_again_is_given_up_alone(index: Index, open_index: Open, wheel: Path):
    other = build_wheel(index.directory, "beta", "1.0")
    index.fault = lambda request: Fault.busy(1) if request.filename == wheel.name else None
    # Long enough for the other one to be served between two refusals, on a busy machine too.
    source = open_index(policy=replace(BRIEF, pause=3.5))
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            get(source, index, other)

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(keep_asking)
        failed = failure(source, index, wheel)
        done.set()
        running.result()
    assert failed.reason.startswith(f"{url(index, wheel)}: HTTP status 503 (given up after ")


@pytest.mark.parametrize("said", ["", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 -0000"])
def test_what_a_busy_host_says_may_be_nothing_or_nonsense(index: Index, open_index: Open, wheel: Path, said: str):
    index.fault = first(Fault.busy(said))
    get(open_index(), index, wheel)
    assert len(index.requests) == 2


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504])
def test_a_failing_request_is_sent_again_on_the_same_connection(index: Index, open_index: Open, wheel: Path, status):
    index.fault = first(Fault(status=status), times=4)
    get(open_index(), index, wheel)
    assert [request.status for request in index.requests] == [status] * 4 + [200]
    assert len({request.connection for request in index.requests}) == 1


def test_a_host_that_worked_and_then_only_fails_is_given_up(index: Index, open_index: Open, wheel: Path):
    source = open_index(policy=BRIEF, connections=4)
    get(source, index, wheel)
    index.fault = lambda request: Fault(status=500)
    urls = [f"{url(index, wheel)}?{number}" for number in range(60)]
    index.reset_log()
    with ThreadPoolExecutor(4) as threads:
        failed = list(threads.map(lambda _: failure(source, index, wheel), urls))
    assert len(index.requests) < 60 * BRIEF.tries, "in the end nobody asks it any more"
    assert {"HTTP status 500" in error.reason for error in failed} == {True}
    assert failed[-1].hint == "run the same command again; what came whole is kept"


def test_a_host_that_is_away_for_a_while_is_waited_for(index: Index, open_index: Open, wheel: Path):
    source = open_index(connections=4)
    get(source, index, wheel)
    index.stop()
    back = threading.Timer(1.0, index.start)
    back.start()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: get(source, index, wheel), range(8)))
    back.join()


# Redirects and refusals


def test_a_signed_url_is_asked_for_when_its_download_starts(index: Index, open_index: Open):
    wheels = [build_wheel(index.directory, f"p{number}", "1.0", size=50_000) for number in range(9)]
    index.redirect, index.rate = True, 500_000
    source = open_index(connections=3)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    waiting = 0
    for request in index.requests:
        waiting += 1 if request.role == "index" else -1
        assert 0 <= waiting <= 3
    assert len(index.signatures) == 9


def test_a_signed_url_does_not_grow_old_while_its_host_is_busy(index: Index, open_index: Open):
    # The store takes one file at a time, and a URL lives shorter than the wait for one's turn.
    wheels = [build_wheel(index.directory, f"p{number}", "1.0", size=50_000) for number in range(6)]
    index.redirect, index.lifetime = True, 0.4
    index.fault = first(Fault.busy(0), "blob", times=1)
    source = open_index(connections=2)
    get(source, index, wheels[0])
    index.rate = 100_000
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    assert [request.status for request in index.requests if request.role == "blob"].count(403) == 0


def test_a_signed_url_that_has_run_out_is_replaced(index: Index, open_index: Open, wheel: Path):
    index.redirect, index.lifetime = True, -1

    def fault(request: Request) -> None:
        if request.role == "blob" and request.attempt == 3:
            index.lifetime = 60

    index.fault = fault
    get(open_index(), index, wheel)
    blobs = [request for request in index.requests if request.role == "blob"]
    assert [request.status for request in blobs] == [403, 403, 403, 200]
    assert len({request.query["sig"] for request in blobs}) == 4


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_store_that_refuses_is_not_mistaken_for_the_index(index: Index, open_index: Open, wheel: Path, status):
    index.redirect, index.auth = True, ("me", "right")
    index.fault = lambda request: Fault(status=status) if request.role == "blob" else None
    source = open_index(policy=BRIEF, PIP_INDEX_URL=index.url_with_password)
    reason = failure(source, index, wheel).reason
    assert f"{url(index, wheel)} leads to {index.blob_host}, which refuses (HTTP status {status})" in reason
    assert source.candidates(canonicalize_name("alpha"), ONE).candidates, "the index is still good"
    assert not index.leaks


def test_a_store_that_is_down_is_named_and_the_index_is_still_good(index: Index, open_index: Open, wheel: Path):
    away = Fault(status=302, headers={"Location": "http://localhost:9/blob?sig=secret"})
    index.fault = lambda request: away if request.filename else None
    source = open_index(policy=BRIEF)
    for _ in range(2):
        reason = failure(source, index, wheel).reason
        assert reason.startswith(f"{url(index, wheel)}, by way of localhost:9: ")
        assert "secret" not in reason
    assert source.candidates(canonicalize_name("alpha"), ONE).candidates


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("file:///etc/passwd", "HTTP status 302"),
        ("http://[bad", "Invalid IPv6 URL"),
        ("/files/alpha-1.0-py3-none-any.whl", "leads elsewhere more than 10 times"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_an_error_at_once(index: Index, open_index: Open, wheel: Path, location, said):
    index.fault = lambda request: Fault(status=302, headers={"Location": location})
    assert said in failure(open_index(), index, wheel).reason
    assert len(index.requests) <= 10


def test_credentials_stay_on_their_host_and_come_along_on_it(index: Index, open_index: Open, wheel: Path):
    index.auth = ("me", "right")
    moved = f"/files/{wheel.name}?moved=1"
    index.fault = lambda request: None if request.query else Fault(status=302, headers={"Location": moved})
    get(open_index(PIP_INDEX_URL=index.url_with_password), index, wheel)
    assert [request.status for request in index.requests] == [302, 200]
    assert all(request.authorized for request in index.requests)


def test_a_status_that_means_nothing_to_us_is_an_error_at_once(index: Index, open_index: Open, wheel: Path):
    index.fault = lambda request: Fault(status=451)
    assert failure(open_index(), index, wheel).reason == f"{url(index, wheel)}: HTTP status 451"
    assert len(index.requests) == 1


def test_a_forbidden_file_is_no_reason_to_give_up_the_others(index: Index, open_index: Open, wheel: Path):
    other = build_wheel(index.directory, "beta", "1.0")
    index.fault = lambda request: Fault(status=403) if request.filename == wheel.name else None
    source = open_index()
    assert "refuses the credentials" in failure(source, index, wheel).reason
    get(source, index, other)


# Connections


def test_there_are_never_more_connections_than_allowed_and_they_are_kept(index: Index, open_index: Open):
    wheels = [build_wheel(index.directory, f"p{number}", "1.0", size=100_000) for number in range(16)]
    index.redirect = True
    source = open_index(connections=3)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda wheel: get(source, index, wheel), wheels))
    for role in ("index", "blob"):
        assert len({request.connection for request in index.requests if request.role == role}) <= 3


def test_the_first_request_to_an_index_goes_alone(index: Index, open_index: Open):
    # Whatever has to be settled, such as credentials, is settled once.
    source = open_index(connections=6)
    release, seen = threading.Event(), threading.Event()

    def fault(request: Request) -> None:
        seen.set()
        release.wait(30)

    index.fault = fault
    with ThreadPoolExecutor(6) as threads:
        pages = [threads.submit(source.candidates, canonicalize_name(f"p{number}"), ONE) for number in range(6)]
        assert seen.wait(30)
        time.sleep(0.3)
        alone = len(index.requests)
        release.set()
        for page in pages:
            page.result()
    assert alone == 1
    assert len(index.requests) == 6


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(made)
    return made


@pytest.fixture
def secure(tmp_path: Path, context: ssl.SSLContext) -> Iterator[Index]:
    (tmp_path / "secure").mkdir()
    with Index(tmp_path / "secure", tls=context, redirect=True, auth=("me", "right")) as started:
        yield started


def test_everything_holds_over_tls_too(secure: Index, open_index: Open, authority: trustme.CA, tmp_path: Path):
    wheel = build_wheel(secure.directory, "alpha", "1.0", size=SIZE)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    secure.fault = first(Fault(cut=20_000, reset=True), "blob")
    source = open_index(PIP_INDEX_URL=secure.url_with_password, PIP_CERT=str(trusted))
    get(source, secure, wheel)
    assert [request.status for request in secure.requests if request.role == "blob"][-1] == 206
    assert not secure.leaks


def test_a_certificate_that_nobody_vouches_for_is_an_error_at_once(
    secure: Index, context: ssl.SSLContext, open_index: Open
):
    wheel = build_wheel(secure.directory, "alpha", "1.0")
    handshakes: list[object] = []
    context.sni_callback = lambda *seen: handshakes.append(seen)
    source = open_index(PIP_INDEX_URL=secure.url)
    reasons = {failure(source, secure, wheel).reason for _ in range(2)}
    assert len(reasons) == 1
    assert "certificate" in reasons.pop().lower()
    assert not secure.requests
    assert len(handshakes) == 1, "another try would not mend it"


class BothWays:
    """Speaks TLS and plain HTTP on one port: leads who comes by TLS to itself without, and keeps what comes there."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[tuple[bool, bytes]] = []

    def serve(self, count: int) -> None:
        for _ in range(count):
            plain, _ = self._listener.accept()
            is_tls = plain.recv(1, socket.MSG_PEEK) == b"\x16"
            with self._context.wrap_socket(plain, server_side=True) if is_tls else plain as connection:
                self.requests.append((is_tls, connection.recv(1 << 16)))
                where = f"Location: http://{self.host}/plain\r\n" if is_tls else ""
                status = "302 Found" if is_tls else "404 Not Found"
                answer = f"HTTP/1.1 {status}\r\n{where}Content-Length: 0\r\nConnection: close\r\n\r\n"
                connection.sendall(answer.encode())
        self._listener.close()


def test_credentials_for_tls_are_not_sent_without_it(
    context: ssl.SSLContext, open_index: Open, authority: trustme.CA, tmp_path: Path
):
    server = BothWays(context)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    source = open_index(PIP_INDEX_URL=f"https://me:secret@{server.host}/simple/", PIP_CERT=str(trusted))
    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(server.serve, 2)
        with pytest.raises(FetchError, match="404"):
            fetched(source, f"https://{server.host}/files/alpha-1.0-py3-none-any.whl", "")
        serving.result(30)
    (first_tls, with_tls), (second_tls, without) = server.requests
    assert (first_tls, second_tls) == (True, False)
    assert b"authorization" in with_tls.lower()
    assert b"authorization" not in without.lower()
