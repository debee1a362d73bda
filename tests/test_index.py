"""The one door to pip's insides: what of its configuration counts, and what it makes of indexes and their answers."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from lockhouse import config as configuration
from lockhouse import project as projects
from lockhouse.errors import ConfigError, FetchError
from lockhouse.index import Scope, pip_environment
from lockhouse.index.hosts import Policy
from lockhouse.source import Candidate
from support.index import Fault, Index
from support.locks import write_layer_of
from support.opened import Open, fetched, opener
from support.project import Project
from support.wheels import build_sdist, build_wheel, sha256

ALPHA = canonicalize_name("alpha")


@pytest.fixture
def open_index(index: Index, environ: dict[str, str], tmp_path: Path) -> Iterator[Open]:
    with opener(index, environ) as opened:
        yield opened


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


@pytest.mark.parametrize("json_page", [True, False])
def test_every_file_of_the_version_is_a_candidate_and_others_are_counted(index: Index, open_index: Open, json_page):
    index.json = json_page
    wheel = build_wheel(index.directory, "alpha", "1.0", requires_python=">=3.8")
    build_wheel(index.directory, "alpha", "1.0", tag="cp39-cp39-win_amd64")
    build_wheel(index.directory, "alpha", "1.0.1")
    build_wheel(index.directory, "alpha", "2.0")
    build_sdist(index.directory, "alpha", "1.0")
    build_wheel(index.directory, "beta", "1.0")
    found = open_index().candidates(ALPHA, Version("1.0"))
    assert found.failures == ()
    assert found.others == 2
    assert filenames(found.candidates) == [
        "alpha-1.0-cp39-cp39-win_amd64.whl",
        "alpha-1.0-py3-none-any.whl",
        "alpha-1.0.tar.gz",
    ]
    [one] = [candidate for candidate in found.candidates if candidate.filename == wheel.name]
    assert [str(digest) for digest in one.digests] == [f"sha256:{sha256(wheel)}"]
    assert one.requires_python == ">=3.8"
    assert one.origin == f"http://{index.host}/files/{wheel.name}"
    assert one.size == (wheel.stat().st_size if json_page else None), "only JSON tells it"
    assert [request.path for request in index.requests] == ["/simple/alpha/"]


def test_of_a_pin_without_a_version_every_file_is_a_candidate(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    build_wheel(index.directory, "alpha", "2.0")
    found = open_index().candidates(ALPHA, None)
    assert len(found.candidates) == 2
    assert found.others == 0


@pytest.mark.parametrize("version", ["1.0", "1!2.0", "1.0.post1", "1.0rc1", "1.0+local.2", "2024.1"])
def test_every_kind_of_version_is_recognised_in_file_names(index: Index, open_index: Open, version: str):
    build_wheel(index.directory, "alpha", version)
    build_sdist(index.directory, "alpha", version)
    build_wheel(index.directory, "alpha", "7")
    found = open_index().candidates(ALPHA, Version(version))
    assert len(found.candidates) == 2
    assert found.others == 1


@pytest.mark.parametrize("name", ["zeta.zip", "zeta-tar.gz", "zeta.whl", "zeta-1"])
def test_a_project_may_be_called_like_an_archive(index: Index, open_index: Open, name: str):
    project = canonicalize_name(name)
    build_wheel(index.directory, project, "1.0")
    build_sdist(index.directory, project, "1.0")
    found = open_index().candidates(project, Version("1.0"))
    assert len(found.candidates) == 2
    assert {request.method for request in index.requests} == {"GET"}


def test_a_page_that_is_not_there_offers_nothing(open_index: Open):
    found = open_index().candidates(ALPHA, Version("1.0"))
    assert found.candidates == ()
    assert found.failures == ()


def test_a_page_that_something_else_answered_once_is_asked_for_again(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    page = Fault(status=200, body=b"{}", content_type="application/vnd.pypi.simple.v1+json")
    index.fault = lambda request: page if request.attempt == 1 else None
    found = open_index().candidates(ALPHA, Version("1.0"))
    assert len(found.candidates) == 1
    assert found.failures == ()


def test_files_that_are_none_are_left_out_of_a_page(index: Index, open_index: Open):
    body = b'{"files": [{"filename": "alpha-1.0.tar.gz"}, {"filename": "alpha-1.0-py3-none-any.whl", "url": "../../files/alpha-1.0-py3-none-any.whl"}]}'
    index.fault = lambda request: Fault(status=200, body=body, content_type="application/vnd.pypi.simple.v1+json")
    found = open_index().candidates(ALPHA, Version("1.0"))
    assert filenames(found.candidates) == ["alpha-1.0-py3-none-any.whl"]


def test_a_file_behind_a_url_is_the_same_as_one_on_a_page(index: Index, open_index: Open):
    wheel = build_wheel(index.directory, "alpha", "1.0", size=300_000)
    source = open_index()
    [listed] = source.candidates(ALPHA, Version("1.0")).candidates
    url = f"http://{index.host}/files/{wheel.name}#sha256={sha256(wheel)}"
    direct = source.at(url)
    assert (direct.filename, direct.digests) == (listed.filename, listed.digests)
    assert fetched(source, url, sha256(wheel)) == wheel.read_bytes()


def test_a_digest_that_is_none_is_not_believed(open_index: Open):
    assert open_index().at("https://pkgs.example.com/alpha-1.0-py3-none-any.whl#sha256=abc").digests == ()


def test_a_candidate_of_another_source_is_refused(open_index: Open):
    other = Candidate(filename="a", digests=(), requires_python=None, size=None, origin="", handle="elsewhere")
    with pytest.raises(TypeError):
        list(open_index().read(other, lambda: False))


def test_a_file_that_is_gone_is_no_reason_to_try_again(index: Index, open_index: Open):
    source = open_index()
    with pytest.raises(FetchError, match=r"/files/alpha-1.0-py3-none-any.whl\?\*{4} is not there") as caught:
        fetched(source, f"http://{index.host}/files/alpha-1.0-py3-none-any.whl?sig=secret", "")
    assert not caught.value.transient
    assert "secret" not in caught.value.reason
    assert len(index.requests) == 1


def test_find_links_may_be_a_folder_a_page_in_it_or_one_on_a_server(index: Index, open_index: Open, tmp_path: Path):
    folder = tmp_path / "folder"
    build_wheel(folder, "alpha", "1.0")
    below = build_wheel(tmp_path / "below", "alpha", "1.0", build="2")
    (folder / "links.html").write_text(f'<a href="{below.as_uri()}">{below.name}</a>', encoding="utf-8")
    build_wheel(index.directory, "alpha", "1.0", build="3")
    source = open_index(
        Scope(find_links=(str(folder),), no_index=True),
        Scope(find_links=(f"{index.url}alpha/", str(tmp_path / "not there")), no_index=True),
    )
    found = source.candidates(ALPHA, Version("1.0"))
    assert {name for name in filenames(found.candidates) if name.endswith(".whl")} == {
        f"alpha-1.0{build}-py3-none-any.whl" for build in ("", "-2", "-3")
    }
    assert found.failures == ()
    assert fetched(source, below.as_uri(), sha256(below)) == below.read_bytes()


def test_a_local_file_that_is_gone_is_an_error(open_index: Open, tmp_path: Path):
    with pytest.raises(FetchError, match="No such file"):
        fetched(open_index(), (tmp_path / "alpha-1.0-py3-none-any.whl").as_uri(), "")


def test_an_index_may_be_a_folder(open_index: Open, tmp_path: Path):
    wheel = build_wheel(tmp_path / "simple" / "alpha", "alpha", "1.0")
    (tmp_path / "simple" / "alpha" / "index.html").write_text(f'<a href="{wheel.name}">x</a>', encoding="utf-8")
    source = open_index(PIP_INDEX_URL=(tmp_path / "simple").as_uri())
    assert filenames(source.candidates(ALPHA, Version("1.0")).candidates) == [wheel.name]
    assert source.candidates(canonicalize_name("beta"), Version("1.0")).candidates == ()


def test_the_indexes_of_all_layers_are_asked_each_once(index: Index, open_index: Open, tmp_path: Path):
    (tmp_path / "second").mkdir()
    with Index(tmp_path / "second") as second:
        scopes = (Scope(), Scope(extra_index_urls=(second.url,)), Scope(), Scope(index_url=second.url))
        open_index(*scopes, Scope(no_index=True)).candidates(ALPHA, Version("1.0"))
        # One layer asks both, another the second alone: its page comes once a search.
        assert len(index.requests) == 2
        assert {request.path for request in (*index.requests, *second.requests)} == {"/simple/alpha/"}


def test_a_project_that_is_bound_to_an_index_is_had_from_no_other(index: Index, open_index: Open, tmp_path: Path):
    build_wheel(index.directory, "alpha", "1.0", build="9")
    build_wheel(index.directory, "beta", "1.0")
    ours = build_wheel(tmp_path / "second", "alpha", "1.0")
    with Index(tmp_path / "second") as second:
        source = open_index(Scope(extra_index_urls=(index.url,)), bindings=(("al*", second.url), ("*", index.url)))
        assert filenames(source.candidates(ALPHA, Version("1.0")).candidates) == [ours.name]
        assert not index.requests
        assert len(source.candidates(canonicalize_name("beta"), Version("1.0")).candidates) == 1
        assert [request.path for request in second.requests] == ["/simple/alpha/"]


def test_what_could_not_be_asked_is_listed_beside_what_could(index: Index, open_index: Open):
    build_wheel(index.directory, "alpha", "1.0")
    source = open_index(Scope(extra_index_urls=("http://127.0.0.1:9/simple/",)), policy=Policy(first_patience=0.1))
    found = source.candidates(ALPHA, Version("1.0"))
    assert filenames(found.candidates) == ["alpha-1.0-py3-none-any.whl"]
    assert len(found.failures) == 1
    assert "http://127.0.0.1:9/simple/alpha/: " in found.failures[0]
    assert "[" not in found.failures[0].replace("[Errno", ""), "pip's colours are not shown as text"


def test_an_index_that_refuses_does_not_keep_another_from_serving(index: Index, open_index: Open, tmp_path: Path):
    build_wheel(index.directory, "alpha", "1.0")
    (tmp_path / "second").mkdir()
    with Index(tmp_path / "second", auth=("me", "right")) as second:
        found = open_index(Scope(extra_index_urls=(second.url,))).candidates(ALPHA, Version("1.0"))
    assert len(found.candidates) == 1
    assert "refuses the credentials" in found.failures[0]


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
        open_index().candidates(ALPHA, Version("1.0"))
    assert not caught.value.transient
