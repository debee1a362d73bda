"""The one door to pip's insides: what of its configuration counts, and what it makes of indexes and their answers."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from lockhouse import config as configuration
from lockhouse import process
from lockhouse import project as projects
from lockhouse.errors import ConfigError, FetchError
from lockhouse.index import PipIndex, Scope, pip_environment
from lockhouse.source import Candidate
from support.index import Fault, Index
from support.locks import write_layer_of
from support.project import Project
from support.wheels import build_sdist, build_wheel, sha256

ALPHA = canonicalize_name("alpha")
Open = Callable[..., PipIndex]


@pytest.fixture
def open_index(index: Index, environ: dict[str, str], tmp_path: Path) -> Iterator[Open]:
    """Opens the index as pip is configured to, with the scopes and variables that a test gives."""
    opened: list[PipIndex] = []

    def opener(*scopes: Scope, connections: int = 2, **variables: str) -> PipIndex:
        given = pip_environment({**environ, "PIP_INDEX_URL": index.url, "PIP_RETRIES": "0", **variables})
        # Until the end of the test, as pip reads it late.
        os.environ.clear()
        os.environ.update(given)
        opened.append(PipIndex(scopes, connections=connections, scratch=tmp_path / "scratch"))
        return opened[-1]

    before = dict(os.environ)
    yield opener
    for each in opened:
        each.close()
    with process.own_environment(before):
        kept = dict(os.environ)
    os.environ.clear()
    os.environ.update(kept)


def filenames(candidates: tuple[Candidate, ...]) -> list[str]:
    return sorted(candidate.filename for candidate in candidates)


# pip's configuration


def settings(environ: dict[str, str], text: str, tmp_path: Path, **variables: str) -> dict[str, str]:
    """Return the `PIP_*` variables that come of a configuration file and variables, less those that always do."""
    file = tmp_path / "pip.conf"
    file.write_text("", encoding="utf-8")
    named = {**environ, "PIP_CONFIG_FILE": str(file)}
    # A machine may have a configuration of its own, which pip reads as well as the one that is named.
    always = pip_environment(named)
    assert always["PIP_CONFIG_FILE"] == os.devnull
    assert always["PIP_NO_INPUT"] == "1"
    file.write_text(text, encoding="utf-8")
    given = pip_environment({**named, **variables})
    return {name: value for name, value in given.items() if always.get(name) != value}


def test_of_pips_configuration_only_connections_count(environ: dict[str, str], tmp_path: Path):
    text = """
        [global]
        index-url = https://pkgs.example.com/simple/
        extra-index-url =
            https://one.example.com/simple/
            https://two.example.com/simple/
        find-links = /wheels
        constraint = c.txt
        no-binary = :all:
        pre = true
        target = /elsewhere
        proxy = http://proxy.example.com:3128
        cert = /etc/a folder/ca.pem
        log = pip.log
        """
    text = "\n".join(line.removeprefix("        ") for line in text.splitlines())
    assert settings(environ, text, tmp_path, PIP_FIND_LINKS="/wheels", PIP_PRE="1") == {
        "PIP_INDEX_URL": "https://pkgs.example.com/simple/",
        "PIP_EXTRA_INDEX_URL": "https://one.example.com/simple/ https://two.example.com/simple/",
        "PIP_PROXY": "http://proxy.example.com:3128",
        "PIP_CERT": "/etc/a folder/ca.pem",
    }


def test_a_variable_beats_the_command_s_section_and_that_beats_the_global_one(environ: dict[str, str], tmp_path: Path):
    text = (
        "[install]\ntimeout = 2\nretries = 2\n[global]\ntimeout = 1\nretries = 1\nproxy = p\n[download]\nproxy = no\n"
    )
    assert settings(environ, text, tmp_path, PIP_RETRIES="3") == {
        "PIP_TIMEOUT": "2",
        "PIP_RETRIES": "3",
        "PIP_PROXY": "p",
    }


def test_nothing_of_other_tools_or_of_python_gets_through(environ: dict[str, str], tmp_path: Path):
    given = pip_environment({**environ, "UV_INDEX": "x", "PYTHONPATH": "x", "PYTHONWARNINGS": "error", "TOKEN": "kept"})
    assert not [name for name in given if name.startswith(("UV_", "PYTHON"))]
    assert given["TOKEN"] == "kept"
    assert given["HOME"] == environ["HOME"]


@pytest.mark.parametrize("data", [b"no section\n", b"[global]\nindex-url = \xff\n"], ids=["syntax", "encoding"])
def test_a_configuration_that_cannot_be_read_is_an_error(environ: dict[str, str], tmp_path: Path, data: bytes):
    file = tmp_path / "pip.conf"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match="pip's configuration cannot be read"):
        pip_environment({**environ, "PIP_CONFIG_FILE": str(file)})


# What a layer says about where to look


def scope_of(project: Project, source: str, toml: str = "") -> Scope:
    project.write("requirements/main.in", source)
    project.write("pyproject.toml", toml)
    loaded = projects.read(configuration.load(project.root), project.environ)
    return Scope.of(loaded.layers["main"], loaded.config)


def test_a_layer_that_says_nothing_leaves_it_to_pip(project: Project):
    assert scope_of(project, "alpha\n--no-binary zeta\n") == Scope()


def test_a_layers_option_lines_and_the_projects_find_links_count(project: Project):
    project.write("requirements/beside/.keep", "")
    project.write("vendor/.keep", "")
    project.write(
        "requirements/more.in",
        """
        --index-url https://pkgs.example.com/
        --extra-index-url https://e.example.com/
        --trusted-host h
        --no-index
        """,
    )
    found = scope_of(
        project,
        """
        -i https://first.example.com/
        -r more.in
        -f beside
        -f https://pkgs.example.com/links.html
        """,
        "[tool.lockhouse]\nfind-links = ['vendor', 'https://links.example.com/']\n",
    )
    assert found == Scope(
        index_url="https://pkgs.example.com/",
        extra_index_urls=("https://e.example.com/",),
        find_links=(
            str(project.root / "requirements" / "beside"),
            "https://pkgs.example.com/links.html",
            str(project.root / "vendor"),
            "https://links.example.com/",
        ),
        trusted_hosts=("h",),
        no_index=True,
    )


# Candidates and bytes


def test_every_file_of_the_project_is_a_candidate(index: Index, open_index: Open):
    wheel = build_wheel(index.directory, "alpha", "1.0", requires_python=">=3.8")
    build_wheel(index.directory, "alpha", "2.0", tag="cp39-cp39-win_amd64")
    build_sdist(index.directory, "alpha", "1.0")
    build_wheel(index.directory, "beta", "1.0")
    found = open_index().candidates(ALPHA)
    assert found.failures == ()
    assert filenames(found.candidates) == [
        "alpha-1.0-py3-none-any.whl",
        "alpha-1.0.tar.gz",
        "alpha-2.0-cp39-cp39-win_amd64.whl",
    ]
    [one] = [candidate for candidate in found.candidates if candidate.filename == wheel.name]
    assert [str(digest) for digest in one.digests] == [f"sha256:{sha256(wheel)}"]
    assert one.requires_python == ">=3.8"
    assert one.origin == f"http://{index.host}/files/{wheel.name}"


def test_a_page_that_is_not_there_offers_nothing(open_index: Open):
    found = open_index().candidates(ALPHA)
    assert found.candidates == ()
    assert found.failures == ()


def test_bytes_come_in_pieces_and_from_urls_too(index: Index, open_index: Open):
    wheel = build_wheel(index.directory, "alpha", "1.0", size=300_000)
    source = open_index()
    [listed] = source.candidates(ALPHA).candidates
    direct = source.at(f"http://{index.host}/files/{wheel.name}#sha256={sha256(wheel)}")
    assert (direct.filename, direct.digests) == (listed.filename, listed.digests)
    for candidate in (listed, direct):
        pieces = list(source.read(candidate))
        assert b"".join(pieces) == wheel.read_bytes()
        assert len(pieces) > 3


def test_a_digest_that_is_none_is_not_believed(open_index: Open):
    assert open_index().at("https://pkgs.example.com/alpha-1.0-py3-none-any.whl#sha256=abc").digests == ()


def test_a_candidate_of_another_source_is_refused(open_index: Open):
    other = Candidate(filename="a", digests=(), requires_python=None, origin="", handle="elsewhere")
    with pytest.raises(TypeError):
        list(open_index().read(other))


def test_a_file_that_is_gone_is_no_reason_to_try_again(index: Index, open_index: Open):
    source = open_index()
    with pytest.raises(FetchError, match=r"/files/alpha-1.0-py3-none-any.whl\?\*{4} is not there") as caught:
        list(source.read(source.at(f"http://{index.host}/files/alpha-1.0-py3-none-any.whl?sig=secret")))
    assert not caught.value.transient
    assert "secret" not in caught.value.reason


def test_find_links_may_be_a_folder_a_page_in_it_or_one_on_a_server(index: Index, open_index: Open, tmp_path: Path):
    folder = tmp_path / "folder"
    build_wheel(folder, "alpha", "1.0")
    below = build_wheel(tmp_path / "below", "alpha", "2.0")
    (folder / "links.html").write_text(f'<a href="{below.as_uri()}">{below.name}</a>', encoding="utf-8")
    build_wheel(index.directory, "alpha", "3.0")
    source = open_index(
        Scope(find_links=(str(folder),), no_index=True),
        Scope(find_links=(f"{index.url}alpha/", str(tmp_path / "not there")), no_index=True),
    )
    found = source.candidates(ALPHA)
    assert {name for name in filenames(found.candidates) if name.endswith(".whl")} == {
        f"alpha-{version}-py3-none-any.whl" for version in ("1.0", "2.0", "3.0")
    }
    assert source.index_urls == ()
    local = [candidate for candidate in found.candidates if candidate.filename == below.name]
    assert b"".join(source.read(local[0])) == below.read_bytes()


def test_an_index_may_be_a_folder(open_index: Open, tmp_path: Path):
    wheel = build_wheel(tmp_path / "simple" / "alpha", "alpha", "1.0")
    (tmp_path / "simple" / "alpha" / "index.html").write_text(f'<a href="{wheel.name}">x</a>', encoding="utf-8")
    source = open_index(PIP_INDEX_URL=(tmp_path / "simple").as_uri())
    assert filenames(source.candidates(ALPHA).candidates) == [wheel.name]
    assert source.candidates(canonicalize_name("beta")).candidates == ()


def test_the_indexes_of_all_layers_are_asked_each_once(index: Index, open_index: Open):
    other = "http://127.0.0.1:9/simple/"
    source = open_index(
        Scope(), Scope(extra_index_urls=(other,)), Scope(), Scope(index_url=other), Scope(no_index=True)
    )
    assert source.index_urls == (index.url, other)


def test_what_could_not_be_asked_is_listed_beside_what_could(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    found = open_index(Scope(extra_index_urls=("http://127.0.0.1:9/simple/",))).candidates(ALPHA)
    assert filenames(found.candidates) == ["alpha-1.0-py3-none-any.whl"]
    assert len(found.failures) == 1
    assert "http://127.0.0.1:9/simple/alpha/: " in found.failures[0]
    assert "[" not in found.failures[0].replace("[Errno", ""), "pip's colours are not shown as text"


def test_a_host_that_has_answered_once_may_fail_later_without_being_given_up(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    source = open_index()
    assert source.candidates(ALPHA).candidates
    index.fault = lambda request: Fault(reset=True)
    assert source.candidates(ALPHA).failures
    index.fault = None
    assert source.candidates(ALPHA).candidates


def test_a_busy_host_is_asked_again(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    index.fault = lambda request: Fault.busy() if request.attempt == 1 else None
    source = open_index()
    assert "too many 503 error responses" in source.candidates(ALPHA).failures[0]
    assert source.candidates(ALPHA).candidates


# Credentials


KEYRING = """#!/bin/sh
echo "$@" >> "{log}"
echo '{{"username": "me", "password": "right"}}'
"""


def test_keyring_is_asked_by_one_thread_and_not_by_all(project: Project, index: Index, tmp_path: Path):
    write_layer_of(project, *(build_wheel(index.directory, f"p{number}", "1.0") for number in range(12)))
    index.auth = ("me", "right")
    log, program = tmp_path / "keyring.log", tmp_path / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text(KEYRING.format(log=log), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    project.environ["PATH"] = f"{program.parent}{os.pathsep}{project.environ['PATH']}"
    project.environ["PIP_KEYRING_PROVIDER"] = "subprocess"
    project.environ["PIP_INDEX_URL"] = f"http://me@{index.host}/simple/"
    # In a process of its own, as pip remembers its keyring for as long as it runs.
    result = project.run("wheelhouse")
    assert result.status == 0, result
    asked = log.read_text(encoding="utf-8").splitlines()
    assert 1 <= len(asked) <= 2, asked
    assert [request.status for request in index.requests].count(401) <= 1
    assert "right" not in result.stdout + result.stderr


def test_nobody_is_asked_for_a_password(index: Index, open_index: Open, monkeypatch: pytest.MonkeyPatch):
    def asked(*args: Any) -> str:
        raise AssertionError("a prompt")

    monkeypatch.setattr("builtins.input", asked)
    monkeypatch.setattr("getpass.getpass", asked)
    index.auth = ("me", "right")
    with pytest.raises(FetchError, match="refuses the credentials") as caught:
        open_index().candidates(ALPHA)
    assert not caught.value.transient
