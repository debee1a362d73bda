"""What is sent straight over pip's connections is what pip's session would have sent, and goes through it where it matters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse.errors import FetchError
from lockhouse.index import PipIndex
from support.index import Fault, Index
from support.opened import Open, fetched, opener
from support.wheels import build_wheel, sha256

ONE = Version("1.0")


@pytest.fixture
def open_index(index: Index, environ: dict[str, str]) -> Iterator[Open]:
    with opener(index, environ) as opened:
        yield opened


@pytest.fixture
def wheel(index: Index) -> Path:
    return build_wheel(index.directory, "alpha", "1.0", size=60_000)


def get(source: PipIndex, index: Index, wheel: Path) -> None:
    url = f"{index.url.removesuffix('simple/')}files/{wheel.name}"
    assert fetched(source, url, sha256(wheel)) == wheel.read_bytes()


def test_every_request_carries_what_the_first_carried(index: Index, open_index: Open, wheel: Path):
    index.auth = ("me", "right")
    index.redirect = True
    source = open_index(PIP_INDEX_URL=index.url_with_password)
    for _ in range(3):
        assert source.candidates(canonicalize_name("alpha"), ONE).candidates
        get(source, index, wheel)
    kinds = [(request.role, request.filename is not None) for request in index.requests]
    assert kinds == [("index", False), ("index", True), ("blob", True)] * 3
    for kind in set(kinds):
        first, *others = [dict(r.headers) for r, its in zip(index.requests, kinds, strict=True) if its == kind]
        assert others == [first, first]
    assert [request.authorized for request in index.requests] == [True, True, False] * 3


def test_connections_are_kept(index: Index, open_index: Open, wheel: Path):
    index.redirect = True
    source = open_index()
    for _ in range(4):
        get(source, index, wheel)
    assert len({(request.role, request.connection) for request in index.requests}) == 2


@pytest.mark.parametrize("given", [1, 3])
def test_a_cookie_is_sent_back_as_soon_as_it_was_given(index: Index, open_index: Open, wheel: Path, given):
    seen = []

    def fault(request):
        seen.append(request.headers.get("cookie"))
        return Fault(headers={"Set-Cookie": "node=seven; Path=/"}) if len(seen) == given else None

    index.fault = fault
    source = open_index()
    for _ in range(5):
        get(source, index, wheel)
    # What came straight with a cookie is asked for again, so that the session learns of it.
    assert seen[:given] == [None] * given
    assert set(seen[-2:]) == {"node=seven"} or given == 3


def test_a_password_that_is_no_longer_right_is_told_without_a_storm(index: Index, open_index: Open, wheel: Path):
    index.auth = ("me", "right")
    source = open_index(PIP_INDEX_URL=index.url_with_password)
    get(source, index, wheel)
    get(source, index, wheel)
    index.auth = ("me", "changed")
    index.reset_log()
    for _ in range(3):
        with pytest.raises(FetchError, match="refuses the credentials"):
            get(source, index, wheel)
    assert len(index.requests) <= 3


def test_a_connection_that_was_closed_meanwhile_is_no_trouble(index: Index, open_index: Open, wheel: Path):
    source = open_index()
    get(source, index, wheel)
    get(source, index, wheel)
    index.restart()
    get(source, index, wheel)


def test_a_redirect_to_another_place_than_before_is_followed(index: Index, open_index: Open, wheel: Path):
    source = open_index()
    get(source, index, wheel)
    get(source, index, wheel)
    index.redirect = True
    get(source, index, wheel)
    assert index.requests[-1].role == "blob"
    assert not index.requests[-1].authorized
