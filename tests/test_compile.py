"""Locking without downloads: stated hashes are believed, everything else is fetched whole, and no error page gets into a lock."""

import base64
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lockhouse.index import compile as compiling
from lockhouse.index.settings import pip_environment
from lockhouse.process import own_environment
from support import pages
from support.faults import Request
from support.index import Fault, Index
from support.project import Project, Result
from support.server import Answer
from support.wheels import build_sdist, build_wheel, rewrite_wheel

MAIN = "requirements/main.txt"
PLATFORMS = ("manylinux2014_x86_64", "macosx_11_0_arm64", "win_amd64", "musllinux_1_2_aarch64")
COMMAND = "pip-compile --allow-unsafe --generate-hashes --no-emit-index-url --output-file=requirements/main.txt requirements/main.in"


class ApiIndex(Index):
    """An index with PyPI's JSON API where pip-compile looks for it, and what it answers is the test's to say."""

    api_status = 200
    api_body: bytes | None = None

    def answer(self, request: Request) -> Answer:
        match request.path.strip("/").split("/"):
            case [project, "json"]:
                body = pages.json_api(self._links(project)) if self.api_body is None else self.api_body
                return Answer(status=self.api_status, content_type="application/json", body=body)
        return super().answer(request)


class Md5Index(Index):
    """An index that states md5 hashes only."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if not isinstance(answer.body, bytes) or not request.path.startswith("/simple/"):
            return answer
        weak = {pages.distribution(path).sha256: _md5(path) for path in self.directory.glob("*-*")}
        body = re.sub(rb"sha256=(\w+)", lambda match: b"md5=" + weak[match[1].decode()].encode(), answer.body)
        return Answer(status=answer.status, content_type=answer.content_type, body=body)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`app` needs `native`, which has a wheel for every platform and an sdist."""
    folder = tmp_path_factory.mktemp("shelf")
    build_wheel(folder, "app", "1.0", requires=["native"])
    for platform in PLATFORMS:
        for series in ("cp311", "cp312", "cp313", "cp314"):
            build_wheel(folder, "native", "1.0", tag=f"{series}-{series}-{platform}")
    build_sdist(folder, "native", "1.0", style="in-tree")
    return folder


@pytest.fixture
def project(project: Project, index: Index, shelf: Path) -> Project:
    """A layer that asks for `app`, and an index that has it."""
    shutil.copytree(shelf, index.directory, dirs_exist_ok=True)
    project.write("requirements/main.in", "app\n")
    return project


@pytest.fixture(scope="session")
def plain(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What plain pip-compile writes, in a clean environment."""
    from support.environment import clean_environ

    root = tmp_path_factory.mktemp("plain")
    project = Project(root / "project", clean_environ(root / "home"))
    project.write("requirements/main.in", "app\n")
    with Index(shelf) as index:
        result = plainly(project, index)
        assert len(index.downloads) > len(PLATFORMS) * 4, "plain pip-compile downloads every file"
    assert result.status == 0, result
    return (project.root / MAIN).read_bytes()


def plainly(project: Project, index: Index) -> Result:
    options = ["--quiet", "--no-config", *COMMAND.split()[1:-2], "--no-emit-trusted-host", "--no-strip-extras"]
    return project.execute(
        *(sys.executable, "-I", "-m", "piptools", "compile", *options, "--rebuild"),
        *(f"--output-file={MAIN}", "requirements/main.in"),
        env={"CUSTOM_COMPILE_COMMAND": COMMAND, "PIP_INDEX_URL": index.url},
    )


def locked(project: Project, *options: str) -> Result:
    result = project.call("lock", *options)
    assert result.status == 0, result
    return result


def lock(project: Project) -> bytes:
    return (project.root / MAIN).read_bytes()


def pins(project: Project) -> list[str]:
    return re.findall(r"^([a-z][^\s\\]*)", project.read(MAIN), re.MULTILINE)


def served(index: Index) -> list[str]:
    return sorted(request.filename or "" for request in index.downloads)


def is_page(request: Request) -> bool:
    return request.path.startswith("/simple/")


# Believed, or fetched


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "html"])
def test_a_stated_sha256_is_believed_and_the_lock_is_what_plain_pip_compile_writes(
    project: Project, index: Index, plain: bytes, as_json: bool
):
    index.json = as_json
    locked(project)
    assert lock(project) == plain
    # What pip's resolver itself reads: the one wheel of each project that this machine would take.
    assert [name.partition("-")[0] for name in served(index)] == ["app", "native"]


def test_with_metadata_beside_the_wheels_no_file_is_fetched_at_all(project: Project, index: Index, plain: bytes):
    index.core_metadata = True
    locked(project)
    assert lock(project) == plain
    assert [name for name in served(index) if not name.endswith(".metadata")] == []


def test_what_is_not_stated_is_fetched_whole(project: Project, index: Index, plain: bytes, shelf: Path):
    index.state_hashes = False
    index.redirect = True
    locked(project)
    assert lock(project) == plain
    assert set(served(index)) == {path.name for path in shelf.iterdir()}
    assert not index.leaks


def test_what_is_not_stated_is_fetched_side_by_side(project: Project, index: Index, shelf: Path):
    index.state_hashes, index.core_metadata = False, True
    index.fault = lambda request: Fault(delay=0.2) if request.filename else None
    locked(project)
    files = [request for request in index.downloads if not str(request.filename).endswith(".metadata")]
    assert {request.filename for request in files} == {path.name for path in shelf.iterdir()}
    # One after the other, they would come through one connection that is kept alive.
    assert len({request.connection for request in files}) > 3


def test_only_the_files_without_a_hash_are_fetched(project: Project, tmp_path: Path, shelf: Path, plain: bytes):
    class Half(Index):
        def answer(self, request: Request) -> Answer:
            answer = super().answer(request)
            if request.path == "/simple/native/" and isinstance(answer.body, bytes):
                body = re.sub(rb"(win_amd64\.whl)#sha256=\w+", rb"\1", answer.body)
                return Answer(content_type=answer.content_type, body=body)
            return answer

    with Half(shelf, json=False, core_metadata=True) as index:
        project.environ["PIP_INDEX_URL"] = index.url
        locked(project)
        files = [name for name in served(index) if not name.endswith(".metadata")]
    assert files == sorted(path.name for path in shelf.glob("native-*-win_amd64.whl"))
    assert lock(project) == plain


def test_a_stated_md5_is_not_enough(project: Project, shelf: Path, plain: bytes):
    with Md5Index(shelf, json=False) as index:
        project.environ["PIP_INDEX_URL"] = index.url
        locked(project)
        assert set(served(index)) == {path.name for path in shelf.iterdir()}
    assert lock(project) == plain


@pytest.mark.parametrize(
    ("status", "body", "believed"),
    [
        (200, None, True),
        (500, b"500 Internal Server Error", False),
        (200, b"no JSON", False),
        (200, b'"a text"', False),
        (200, b'{"releases": {}}', False),
        (200, "wrong digests", False),
    ],
    ids=["sound", "failing", "no JSON", "a text", "without the release", "no digests"],
)
def test_the_json_api_is_believed_as_pip_compile_believes_it(project, shelf: Path, plain, *, status, body, believed):
    with ApiIndex(shelf, state_hashes=False, core_metadata=True, absolute_links=True) as index:
        index.api_status = status
        if body == "wrong digests":
            api = json.dumps(json.loads(pages.json_api(index._links("native"))))
            body = re.sub(r'"sha256": "\w+"', '"sha256": "none"', api).encode()
        index.api_body = body
        project.environ["PIP_INDEX_URL"] = index.url
        locked(project)
        files = {name for name in served(index) if not name.endswith(".metadata")}
        assert "/native/json" in {request.path for request in index.requests}
    assert files == (set() if believed else {path.name for path in shelf.iterdir()})
    assert lock(project) == plain


def test_a_pin_by_url_is_hashed_from_its_bytes_and_its_name_is_told_to_no_index(
    project: Project, index: Index, shelf: Path
):
    url = f"http://{index.host}/files/app-1.0-py3-none-any.whl"
    project.write("requirements/main.in", f"app @ {url}\n")
    locked(project)
    assert pages.distribution(shelf / "app-1.0-py3-none-any.whl").sha256 in project.read(MAIN)
    assert "/simple/app/" not in {request.path for request in index.requests}
    index.reset_log()
    locked(project, "--upgrade")
    assert "/simple/app/" not in {request.path for request in index.requests}
    assert "app-1.0-py3-none-any.whl" in served(index), "no cache is believed"


def test_a_url_may_end_without_a_suffix(project: Project, shelf: Path):
    class Bare(Index):
        def answer(self, request: Request) -> Answer:
            if request.path == "/archive/main":
                return Answer(body=(shelf / "native-1.0.tar.gz").read_bytes())
            return super().answer(request)

    with Bare(shelf) as index:
        project.environ["PIP_INDEX_URL"] = index.url
        project.write("requirements/main.in", f"native @ http://{index.host}/archive/main\n")
        locked(project)
    assert pages.distribution(shelf / "native-1.0.tar.gz").sha256 in project.read(MAIN)


# Error pages


def _nothing_locked(project: Project, *words: str) -> Result:
    result = project.call("lock")
    assert result.status == 1, result
    assert not (project.root / MAIN).exists()
    for word in words:
        assert word in result.stderr, result
    assert "Traceback" not in result.stderr
    return result


ERROR_PAGES: dict[str, Fault] = {
    **{str(status): Fault(status=status) for status in (401, 403, 404, 410, 418, 500, 503)},
    "a page to sign in": Fault.html(),
    "nothing": Fault(body=b""),
}
# These are tried again, a signed URL that has run out among them, until patience ends.
PATIENT = {("500", False), ("503", False), ("401", True), ("403", True), ("500", True), ("503", True)}


@pytest.mark.parametrize(
    ("fault", "redirect"),
    [
        pytest.param(
            *(fault, redirect),
            id=f"{name}-{'redirected' if redirect else 'served'}",
            marks=[pytest.mark.slow] if (name, redirect) in PATIENT else [],
        )
        for name, fault in ERROR_PAGES.items()
        for redirect in (False, True)
    ],
)
def test_an_error_page_is_never_hashed(project: Project, index: Index, fault: Fault, redirect: bool):
    index.state_hashes, index.core_metadata, index.redirect = False, True, redirect
    spoilt = "win_amd64.whl"
    role = "blob" if redirect else "index"
    index.fault = lambda request: fault if str(request.filename).endswith(spoilt) and request.role == role else None
    _nothing_locked(project, spoilt)


@pytest.mark.parametrize("sized", [True, False], ids=["with its length", "without"])
@pytest.mark.parametrize("spoilt", ["native-1.0.tar.gz", "native-1.0-cp312-cp312-win_amd64.whl"])
@pytest.mark.slow
def test_a_short_body_is_never_hashed(project: Project, index: Index, plain: bytes, spoilt: str, sized: bool):
    index.state_hashes, index.core_metadata = False, True
    always = False

    def cut(request: Request) -> Fault | None:
        hit = request.filename == spoilt and (always or request.attempt == 1)
        return Fault(cut=300, sized=sized) if hit else None

    index.fault, index.ranges = cut, False
    locked(project)
    assert lock(project) == plain
    if not sized:
        # It never gets any better: such a file is not taken as it is.
        (project.root / MAIN).unlink()
        always = True
        _nothing_locked(project, spoilt, "what came is not a whole archive (300 bytes)")


@pytest.mark.parametrize("status", [500, 502, 503, 429])
@pytest.mark.slow
def test_trouble_that_passes_is_waited_out(project: Project, index: Index, plain: bytes, status: int):
    index.state_hashes = False
    index.fault = lambda request: Fault(status=status) if request.attempt == 1 else None
    locked(project)
    assert lock(project) == plain


def test_what_resolution_reads_is_what_the_index_states(project: Project, index: Index):
    """The wheel that pip opens comes with other bytes than the page says."""
    other = rewrite_wheel(
        Path(shutil.copy(index.directory / "app-1.0-py3-none-any.whl", project.root / "app-1.0-py3-none-any.whl")),
        lambda members: members.update({"evil.py": b"evil = True\n"}),
    ).read_bytes()
    index.fault = lambda request: Fault(body=other) if request.filename == "app-1.0-py3-none-any.whl" else None
    _nothing_locked(project, "app-1.0-py3-none-any.whl", "what came is not what its index states")


def test_metadata_is_what_the_index_states(project: Project, index: Index):
    index.core_metadata = True
    other = b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\nRequires-Dist: evil\n"
    index.fault = lambda request: Fault(body=other) if str(request.filename).endswith(".metadata") else None
    _nothing_locked(project, ".metadata", "what came is not what its index states")


# Pages


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=401), "refuses the credentials"),
        (Fault(status=418), "HTTP status 418"),
        (Fault(body=b"{", content_type=pages.JSON), "its JSON is not that of PEP 691"),
        (Fault(body=b"[]", content_type=pages.JSON), "its JSON is not that of PEP 691"),
        (Fault(body=b"%PDF", content_type="application/pdf"), "its content is application/pdf"),
        pytest.param(Fault(status=500), "HTTP status 500", marks=pytest.mark.slow),
        pytest.param(Fault(reset=True), "onnection", marks=pytest.mark.slow),
    ],
    ids=["401", "418", "broken JSON", "other JSON", "no page", "500", "reset"],
)
def test_an_index_among_several_that_fails_is_an_error(project: Project, index: Index, tmp_path, *, fault, words):
    (tmp_path / "other").mkdir()
    build_wheel(tmp_path / "other", "app", "0.1")
    with Index(tmp_path / "other") as other:
        project.environ["PIP_EXTRA_INDEX_URL"] = other.url
        index.fault = lambda request: fault if is_page(request) else None
        _nothing_locked(project, index.host, words)


def test_an_index_that_does_not_have_a_project_is_no_failure(project: Project, tmp_path: Path, plain: bytes):
    (tmp_path / "other").mkdir()
    with Index(tmp_path / "other") as other:
        project.environ["PIP_EXTRA_INDEX_URL"] = other.url
        result = locked(project)
        assert {request.status for request in other.requests} == {404}
    assert lock(project) == plain
    assert "note:" not in result.stderr


@pytest.mark.parametrize(
    ("fault", "words"), [(Fault(status=403), "HTTP status 403"), (Fault.html(), "is a page without any file")]
)
@pytest.mark.slow
def test_an_index_that_may_be_hiding_something_is_told(project: Project, tmp_path: Path, plain: bytes, fault, words):
    (tmp_path / "other").mkdir()
    with Index(tmp_path / "other", fault=lambda _: fault) as other:
        project.environ["PIP_EXTRA_INDEX_URL"] = other.url
        result = locked(project)
        note = next(line for line in result.stderr.splitlines() if line.startswith("note: "))
        assert f"{other.url}app/" in note
        assert words in note
        assert lock(project) == plain
        (project.root / MAIN).unlink()
        project.write("requirements/main.in", "app\nno-such-project\n")
        _nothing_locked(project, words, "no-such-project", f"asked {project.environ['PIP_INDEX_URL']}, {other.url}\n")


# Layers side by side


@pytest.mark.slow
def test_layers_that_do_not_build_on_each_other_go_side_by_side_after_their_base(project: Project, index: Index):
    build_wheel(index.directory, "left", "1.0")
    build_wheel(index.directory, "right", "1.0")
    project.write("requirements/a.in", "-c main.txt\nleft\n")
    project.write("requirements/b.in", "-c main.txt\nright\n")
    seen: list[str] = []

    def meet(request: Request) -> Fault | None:
        # Either is held until the other has come, and for so long that it fails the test where it never comes.
        if request.path in {"/simple/left/", "/simple/right/"}:
            seen.append(request.path)
            return Fault(status=503) if len(set(seen)) < 2 else None
        return None

    index.fault = meet
    result = locked(project)
    places = [result.stderr.index(f"locking {name}\n") for name in ("main", "a", "b")]
    assert places == sorted(places)
    paths = [request.path for request in index.requests]
    assert max(place for place, path in enumerate(paths) if path == "/simple/app/") < paths.index("/simple/left/")
    assert set(seen) == {"/simple/left/", "/simple/right/"}
    assert {name for name in ("a", "b", "main") if (project.root / f"requirements/{name}.txt").exists()} == {
        "a",
        "b",
        "main",
    }


@pytest.mark.slow
def test_a_layer_that_fails_keeps_back_only_what_builds_on_it(project: Project):
    project.write("requirements/broken.in", "no-such-project\n")
    project.write("requirements/above.in", "-c broken.txt\napp\n")
    project.write("requirements/worse.in", "no-such-thing\n")
    result = project.call("lock")
    assert result.status == 1
    assert sorted(path.name for path in (project.root / "requirements").glob("*.txt")) == ["main.txt"]
    assert "could not lock 'broken'" in result.stderr
    assert "could not lock 'worse'" in result.stderr
    assert "locking above" not in result.stderr


# Cooling down


@pytest.mark.slow
def test_a_release_that_is_too_young_is_not_taken(project: Project, index: Index, plain: bytes):
    build_wheel(index.directory, "app", "2.0")
    now = datetime.now(UTC)
    for path in index.directory.iterdir():
        age = timedelta(days=6 if path.name.startswith("app-2") else 8)
        index.upload_times[path.name] = (now - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    project.write("pyproject.toml", "[tool.lockhouse]\ncooldown-days = 7\n")
    locked(project)
    assert lock(project) == plain, "nor does the header name the option"
    project.write("pyproject.toml", "[tool.lockhouse]\ncooldown-days = 5\n")
    locked(project, "--upgrade")
    assert pins(project) == ["app==2.0"]


@pytest.mark.slow
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "html"])
def test_an_index_without_upload_times_cannot_cool_down(project: Project, index: Index, as_json: bool):
    index.json = as_json
    project.write("pyproject.toml", "[tool.lockhouse]\ncooldown-days = 7\n")
    _nothing_locked(project, "does not provide upload-time metadata", "hint: take `cooldown-days` out of")


# Projects that are bound to one index


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Index]:
    """Somebody else's index, with higher versions of private names and other bytes under the same file name."""
    folder = tmp_path / "public"
    for version in ("1.0", "99.0"):
        build_wheel(folder, "acme-core", version, files={"acme_core/__init__.py": "evil = True\n"})
    with Index(folder) as index:
        yield index


@pytest.fixture
def private(project: Project, index: Index, public: Index) -> Project:
    """A project with a private name, whose pip asks both indexes."""
    build_wheel(index.directory, "acme-core", "1.0")
    project.environ["PIP_INDEX_URL"], project.environ["PIP_EXTRA_INDEX_URL"] = public.url, index.url
    project.write("requirements/main.in", "app\nacme-core\n")
    return project


def test_without_a_binding_the_higher_version_wins_and_says_where_it_came_from(private: Project, index, public):
    result = locked(private)
    assert "acme-core==99.0" in pins(private)
    assert re.search(rf"^  acme-core +- -> 99\.0 +{re.escape(public.url)}$", result.stdout, re.MULTILINE)
    assert re.search(rf"^  app +- -> 1\.0 +{re.escape(index.url)}$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "unstated"])
def test_a_bound_project_comes_from_its_index_and_no_other_hears_of_it(private: Project, index, public, stated):
    index.state_hashes = stated
    private.write("pyproject.toml", f'[tool.lockhouse]\nindex-for = {{ "acme-*" = "{index.url}" }}\n')
    result = locked(private)
    assert "acme-core==1.0" in pins(private)
    ours = pages.distribution(index.directory / "acme_core-1.0-py3-none-any.whl").sha256
    theirs = pages.distribution(public.directory / "acme_core-1.0-py3-none-any.whl").sha256
    assert ours in private.read(MAIN)
    assert theirs not in private.read(MAIN)
    assert re.search(rf"^  acme-core +- -> 1\.0 +{re.escape(index.url)}$", result.stdout, re.MULTILINE)
    for step in ("wheelhouse", "install"):
        done = private.call(step)
        assert done.status == 0, done
    assert not [request for request in public.requests if "acme" in request.path]
    assert [request for request in public.requests if "/app/" in request.path], "the control: it is asked for others"


def test_after_locking_no_index_can_deliver_other_bytes(private: Project, index: Index, public: Index):
    """Without a binding any more, and with the other index alone: the hash decides."""
    private.write("pyproject.toml", f'[tool.lockhouse]\nindex-for = {{ "acme-*" = "{index.url}" }}\n')
    private.write("requirements/main.in", "acme-core\n")
    locked(private)
    (private.root / "pyproject.toml").unlink()
    del private.environ["PIP_EXTRA_INDEX_URL"]
    for public.state_hashes in (True, False):
        failed = private.call("wheelhouse")
        assert failed.status == 1, failed
        assert "acme-core" in failed.stderr
        assert not list((private.root / "wheelhouse").glob("*.whl"))
    assert "acme_core-1.0-py3-none-any.whl" in served(public), "it came, and was refused"


def test_an_index_that_is_turned_off_is_off_for_bound_projects_too(private: Project, index: Index):
    private.write("pyproject.toml", f'[tool.lockhouse]\nindex-for = {{ "acme-*" = "{index.url}" }}\n')
    private.environ["PIP_NO_INDEX"] = "1"
    _nothing_locked(private, "asked no index")
    assert not index.requests


# What is kept


def test_nothing_is_put_into_caches(project: Project, home: Path, index: Index):
    index.state_hashes = False
    locked(project)
    # pip asks rustc for its version, and that may leave a note of its own.
    assert [path.name for path in home.iterdir() if path.name != ".rustup"] == []


# In this process: the same, where coverage sees it


@pytest.fixture
def compile_here(
    project: Project, tmp_path: Path, capsys, monkeypatch
) -> Callable[..., tuple[int, Mapping[str, object], str]]:
    """Runs the program of the compiling process in this one; gives its status, its answer and what it said."""
    import logging

    def run(*options: str, bindings: list[tuple[str, str]] = [], expected: tuple[str, ...] = ("app", "native")):  # noqa: B006
        answer = tmp_path / "answer.json"
        answer.unlink(missing_ok=True)
        settings = {"index-for": bindings, "connections": 4, "expected": expected, "answer": str(answer)}
        monkeypatch.chdir(project.root)
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        with own_environment(pip_environment(project.environ) | {"CUSTOM_COMPILE_COMMAND": COMMAND}):
            try:
                status = compiling.main(
                    [
                        json.dumps(settings),
                        *("--quiet", "--no-config", "--allow-unsafe", "--generate-hashes", "--no-strip-extras"),
                        *(
                            "--no-emit-index-url",
                            "--no-emit-trusted-host",
                            "--no-emit-find-links",
                            f"--cache-dir={tmp_path / 'cache'}",
                        ),
                        *(f"--output-file={MAIN}", *options, "requirements/main.in"),
                    ]
                )
            finally:
                root.handlers[:] = handlers
                root.setLevel(level)
        told = json.loads(answer.read_text()) if answer.exists() else {}
        return status, told, capsys.readouterr().err

    return run


@pytest.mark.parametrize("stated", [True, False])
def test_the_program_tells_what_it_asked_and_where_pins_came_from(compile_here, project, index, plain, stated):
    index.state_hashes = stated
    status, told, _ = compile_here()
    assert status == 0
    assert (told["asked"], told["origins"]) == ([index.url], {"app": index.url, "native": index.url})
    assert told["offered"]["app"] == ["app-1.0-py3-none-any.whl"]
    assert len(told["offered"]["native"]) > 1
    assert lock(project) == plain


def test_the_program_says_each_refusal_in_lines_of_its_own(compile_here, project, private, index, public):
    status, told, _ = compile_here(bindings=[("acme-*", index.url)], expected=("acme-core",))
    assert (status, told["asked"]) == (0, [index.url, public.url])
    project.write("requirements/main.in", "no-such-project\n")
    status, told, said = compile_here()
    assert (status, told) == (1, {})
    assert "lockhouse: No matching distribution found for no-such-project\n" in said
    assert f"lockhouse: asked {public.url}, {index.url}\n" in said
    public.fault = lambda _: Fault(status=403)
    project.write("requirements/main.in", "app\n")
    status, _, said = compile_here()
    assert status == 0
    assert "lockhouse-note: " in said
    index.fault = lambda request: Fault(status=401) if is_page(request) else None
    status, _, said = compile_here()
    assert status == 1
    assert said.startswith(f"lockhouse: {index.host} refuses the credentials")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=404), "is listed, but not there (HTTP status 404)"),
        (Fault.html(), "what came is not a whole archive"),
        (Fault(status=401), "refuses the credentials"),
    ],
)
def test_the_program_hashes_no_error_page(compile_here, project, index, fault, words):
    index.state_hashes, index.core_metadata = False, True
    index.fault = lambda request: fault if str(request.filename).endswith("win_amd64.whl") else None
    status, told, said = compile_here()
    assert (status, told) == (1, {})
    assert words in said
    assert not (project.root / MAIN).exists()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(body=b"{", content_type=pages.JSON), "its JSON is not that of PEP 691"),
        (Fault(body=b"{}", content_type="text/plain"), "its content is text/plain"),
        (Fault.html(), "is a page without any file"),
    ],
)
def test_the_program_takes_no_other_page_for_an_index(compile_here, index, fault, words):
    index.fault = lambda request: fault if is_page(request) else None
    status, _, said = compile_here()
    assert status == 1
    assert words in said


def test_the_program_reads_folders_too(compile_here, project, shelf: Path, index: Index, plain: bytes):
    """A find-links folder, a find-links page and an index of files need no hashes and no network."""
    links = "".join(f'<a href="{path.as_uri()}">{path.name}</a>' for path in shelf.iterdir())
    project.environ["PIP_NO_INDEX"] = "1"
    status, told, _ = compile_here(f"--find-links={shelf}")
    assert (status, told["asked"]) == (0, [])
    assert lock(project) == plain
    page = project.write("page/index.html", f"<!DOCTYPE html><html><body>{links}</body></html>")
    (project.root / MAIN).unlink()
    status, _, _ = compile_here(f"--find-links={page.as_uri()}")
    assert status == 0
    assert lock(project) == plain
    assert not index.requests


@pytest.mark.parametrize(
    "body", [b'"a text"', b'{"releases": {"1.0": [{"url": "", "packagetype": "sdist", "digests": {}}]}}']
)
def test_the_program_takes_no_other_json_for_the_api(compile_here, project, shelf: Path, plain: bytes, body: bytes):
    with ApiIndex(shelf, state_hashes=False, core_metadata=True) as index:
        index.api_body = body
        project.environ["PIP_INDEX_URL"] = index.url
        assert compile_here()[0] == 0
    assert lock(project) == plain


@pytest.mark.parametrize(
    ("name", "data", "sound"),
    [
        ("wheel", None, True),
        ("sdist", None, True),
        ("a page", b"<!DOCTYPE html>", False),
        ("nothing", b"", False),
        ("bzip2", base64.b64decode("QlpoOTFBWSZTWQ=="), False),
        ("a zip's beginning", b"PK\x03\x04", False),
    ],
)
def test_an_archive_is_told_from_what_is_none(shelf: Path, tmp_path: Path, name, data, sound):
    files = {"wheel": "app-1.0-py3-none-any.whl", "sdist": "native-1.0.tar.gz"}
    path = tmp_path / "file"
    path.write_bytes((shelf / files[name]).read_bytes() if data is None else data)
    with path.open("r+b") as file:
        assert compiling._is_sound(file) is sound


def test_an_uncompressed_archive_is_one(tmp_path: Path):
    import tarfile

    (tmp_path / "member").write_bytes(b"text")
    for mode in ("w", "w:bz2", "w:xz"):
        with tarfile.open(tmp_path / "archive", mode) as archive:
            archive.add(tmp_path / "member", "member")
        with (tmp_path / "archive").open("r+b") as file:
            assert compiling._is_sound(file)
