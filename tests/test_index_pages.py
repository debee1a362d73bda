"""Index pages read: the same files as pip finds on a page, whatever the spelling, without reading the rest."""

import html
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version
from pip._internal.index.collector import IndexContent, parse_links

from lockhouse.index.pages import Page, is_of

ALPHA = canonicalize_name("al-pha")
URL = "https://pkgs.example.com/simple/al-pha/"
VERSIONS = ("1.0", "2023.7.22", "1!2.0", "1.0+local.1", "10.0", "1.0.0.0", "0.0", "1.0rc1", "1.0.post2")
SPELLINGS = st.sampled_from(
    [
        "1.0",
        "1",
        "01.0",
        "1.0.0",
        "v1.0",
        "2023.07.22",
        "2023.7.22",
        "1!2.0",
        "1%212",
        "1.0+local.1",
        "1.0%2Blocal.1",
        "1.0_local.1",
        "10.0",
        "10",
        "0.0",
        "0",
        "00.0.0",
        "1.0rc1",
        "1.0.rc1",
        "1.0-post2",
        "1.0.post2",
        "1.0.POST2",
        "x",
    ]
)
NAMES = st.sampled_from(["al_pha", "al-pha", "Al.Pha", "alpha"])


@st.composite
def anchors(draw: st.DrawFn) -> str:
    name, version = draw(NAMES), draw(SPELLINGS)
    filename = draw(
        st.sampled_from([f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.tar.gz", f"{name}-{version}.zip"])
    )
    href = draw(st.sampled_from(["", "/files/", "../../files/", "https://blob.example.com/a%20b/"])) + filename
    href += draw(st.sampled_from(["", "?sig=a/b", f"#sha256={'0' * 64}", f"?a=1.0#sha256={'1' * 64}"]))
    extra = draw(
        st.sampled_from(["", ' data-requires-python="&gt;=3.8"', ' data-requires-python=">=3.8"', " data-yanked"])
    )
    text = draw(st.sampled_from([html.escape(filename), quote(filename), "x", "<b>a</b>"]))
    tag = draw(st.sampled_from(["a", "a", "a", "A"]))
    anchor = f'<{tag}{draw(st.sampled_from([" ", chr(10)]))}href="{html.escape(href)}"{extra}>{text}</a>'
    return draw(
        st.sampled_from([anchor, anchor, anchor, f"<!-- {anchor} -->", f"<abbr>{anchor}</abbr>", "<a name=x>y</a>"])
    )


@given(
    st.lists(anchors(), max_size=8),
    st.sampled_from(VERSIONS),
    st.sampled_from(
        ["", "<!DOCTYPE html>\n<html><body>", "<html><head><base href='https://files.example.com/x/'></head>"]
    ),
)
def test_the_files_of_a_version_are_those_that_pip_finds(links: list[str], version: str, head: str):
    body = (head + "\n".join(links)).encode()
    page = Page(body, "text/html; charset=utf-8", URL)
    found, others = page.candidates(ALPHA, Version(version))
    every = list(parse_links(IndexContent(body, "text/html", None, URL, cache_link_parsing=False)))
    wanted = [link for link in every if is_of(str(link.filename), ALPHA, Version(version))]
    assert [each.handle for each in found] == wanted
    assert [each.requires_python for each in found] == [link.requires_python for link in wanted]
    assert others >= 0


def test_a_page_in_another_charset_is_read_as_such():
    text = '<a href="al_pha-1.0-py3-none-any.whl">é</a>'
    for charset, kind in (
        ("latin-1", "text/html; charset=latin-1"),
        ("utf-8", "text/html"),
        ("utf-8", "text/html; charset=none"),
    ):
        found, _ = Page(text.encode(charset), kind, URL).candidates(ALPHA, Version("1.0"))
        assert [each.filename for each in found] == ["al_pha-1.0-py3-none-any.whl"]
