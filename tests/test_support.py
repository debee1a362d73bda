"""Proves that what the tests stand on is what it says, mostly by asking real pip."""

import base64
import csv
import hashlib
import http.client
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from support.environment import POLLUTIONS, polluted_environ
from support.fence import Fence, FenceError
from support.index import Fault, Index, Request
from support.offline import assert_no_network
from support.project import Project, Result
from support.venvs import installed, interpreter, make_venv, pythons, site_packages
from support.wheels import SdistStyle, build_sdist, build_wheel, flip_byte, rewrite_wheel, sha256

TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture
def wheel(index: Index) -> Path:
    return build_wheel(index.directory, "Demo.Project", "1.0", size=50_000)


@pytest.fixture
def connection(index: Index) -> Iterator[http.client.HTTPConnection]:
    opened = http.client.HTTPConnection(index.host, timeout=10)
    yield opened
    opened.close()


def get(connection: http.client.HTTPConnection, path: str, *, method: str = "GET", **headers: str) -> Reply:
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    reply = connection.getresponse()
    return Reply(reply.status, dict(reply.headers), reply.read())


def get_url(url: str, **headers: str) -> Reply:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        return get(connection, f"{parts.path}?{parts.query}", **headers)
    finally:
        connection.close()


def pip(project: Project, *argv: str | Path, **env: str) -> Result:
    return project.execute(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", *argv, env=env)


# Wheels and sdists


def test_a_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    def made(folder: str) -> str:
        path = build_wheel(
            tmp_path / folder, "demo", "1.0", requires=["six"], size=3 << 20, entry_points={"demo": "demo:main"}
        )
        return sha256(path)

    assert made("one") == made("two")


def test_a_wheels_record_metadata_and_name_are_sound(tmp_path: Path) -> None:
    path = build_wheel(
        tmp_path,
        "Zope.Inter-face",
        "1.0+local.1",
        requires=["six>=1"],
        extras={"socks": ["pysocks; python_version >= '3'", "six"]},
        requires_python=">=3.9",
        tag="cp311.cp312-abi3-linux_x86_64",
        build="1x",
        files={"other/data, with comma.txt": "text", "zope_inter_face/more.bin": b"\0"},
        size=2_000_000,
    )
    name, version, build, tags = parse_wheel_filename(path.name)
    assert (name, str(version), build, len(tags)) == ("zope-inter-face", "1.0+local.1", (1, "x"), 2)
    assert path.stat().st_size > 2_000_000
    with zipfile.ZipFile(path) as archive:
        rows = list(csv.reader(io.StringIO(archive.read("zope_inter_face-1.0+local.1.dist-info/RECORD").decode())))
        assert [row[0] for row in rows] == archive.namelist()
        for member, digest, size in rows[:-1]:
            data = archive.read(member)
            found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={found}", str(len(data)))
        metadata = Metadata.from_email(archive.read("zope_inter_face-1.0+local.1.dist-info/METADATA"))
    assert metadata.provides_extra == ["socks"]
    assert [str(requirement) for requirement in metadata.requires_dist or ()] == [
        "six>=1",
        'pysocks; python_version >= "3" and extra == "socks"',
        'six; extra == "socks"',
    ]


def test_a_wheel_installs_imports_and_runs(tmp_path: Path, project: Project) -> None:
    source = '__version__ = "1.0"\ndef main():\n    print("it runs")\n'
    files = {"demo/__init__.py": source}
    wheel = build_wheel(tmp_path, "demo", "1.0", files=files, entry_points={"demo": "demo:main"}, size=10)
    env = make_venv(tmp_path / "env")
    done = pip(project, "--python", interpreter(env), "install", "--no-index", wheel)
    assert done.status == 0, done
    assert installed(env) == {"demo": "1.0"}
    assert (site_packages(env) / "demo" / "padding.bin").stat().st_size == 10
    assert project.execute(env / "bin" / "demo").stdout == "it runs\n"


def test_a_wheel_can_contradict_itself(tmp_path: Path) -> None:
    path = build_wheel(
        tmp_path, "demo", "1.0", metadata_name="other", metadata_version="2.0", filename="demo-1.0-9-py3-none-any.whl"
    )
    assert path.name == "demo-1.0-9-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        metadata = archive.read("demo-1.0.dist-info/METADATA").decode()
    assert "Name: other\nVersion: 2.0\n" in metadata


@pytest.mark.parametrize("stale", [True, False])
def test_a_wheel_can_be_spoilt(tmp_path: Path, project: Project, stale: bool) -> None:
    path = build_wheel(tmp_path, "demo", "1.0")
    before = sha256(path)
    rewrite_wheel(path, lambda members: members.update({"../evil.py": b"", "demo/more.py": b""}), stale_record=stale)
    with zipfile.ZipFile(path) as archive:
        assert {"../evil.py", "demo/more.py"} < set(archive.namelist())
        assert (b"demo/more.py" in archive.read("demo-1.0.dist-info/RECORD")) is not stale
    assert sha256(path) != before


def test_one_byte_can_be_flipped_and_back(tmp_path: Path) -> None:
    path = build_wheel(tmp_path, "demo", "1.0")
    before, size = sha256(path), path.stat().st_size
    assert sha256(flip_byte(path)) != before
    assert path.stat().st_size == size
    assert sha256(flip_byte(path)) == before


@pytest.mark.slow
@pytest.mark.parametrize("style", ["setup.py", "pyproject", "in-tree"])
def test_an_sdist_builds(tmp_path: Path, project: Project, style: SdistStyle) -> None:
    made = [build_sdist(tmp_path / n, "Demo.Project", "1.0", style=style, requires=["six"]) for n in "ab"]
    assert sha256(made[0]) == sha256(made[1])
    assert parse_sdist_filename(made[0].name)[0] == "demo-project"
    isolation = [] if style == "in-tree" else ["--no-build-isolation"]
    done = pip(project, "wheel", "--no-index", "--no-deps", *isolation, "-w", tmp_path / "out", made[0])
    assert done.status == 0, done
    [wheel] = (tmp_path / "out").iterdir()
    assert parse_wheel_filename(wheel.name)[0] == "demo-project"
    with zipfile.ZipFile(wheel) as archive:
        metadata = next(archive.read(name) for name in archive.namelist() if name.endswith("/METADATA"))
    assert b"Requires-Dist: six" in metadata


# The index


@pytest.mark.parametrize(
    ("accepts_json", "private"),
    [(False, False), (False, True), (True, True)],
    ids=["html", "html-private", "json-private"],
)
def test_pip_downloads_from_the_index(
    index: Index, project: Project, wheel: Path, accepts_json: bool, private: bool
) -> None:
    build_wheel(index.directory, "top", "1.0", requires=["demo-project"], extras={"x": ["missing"]})
    build_wheel(index.directory, "top", "2.0", requires_python="<3")
    index.json = accepts_json
    if private:
        index.auth = ("user@example.com", "p/ss w:rd")
        index.redirect = True
        index.core_metadata = index.absolute_links = True
    done = pip(project, "download", "-d", project.root / "out", "top", PIP_INDEX_URL=index.url_with_password)
    assert done.status == 0, done
    assert project.tree("out") == {
        f"out/{wheel.name}": sha256(wheel),
        "out/top-1.0-py3-none-any.whl": sha256(index.directory / "top-1.0-py3-none-any.whl"),
    }
    assert index.leaks == []
    assert [request.role for request in index.downloads if not request.path.endswith(".metadata")] == [
        "blob" if private else "index"
    ] * 2
    assert {request.sent for request in index.downloads if request.filename == wheel.name} == {wheel.stat().st_size}
    assert len(index.signatures) == (2 if private else 0)


def test_a_wrong_password_is_refused(index: Index, project: Project, wheel: Path) -> None:
    index.auth = ("user", "right")
    url = index.url_with_password.replace("right", "wrong")
    done = pip(project, "download", "-d", project.root / "out", "demo-project", PIP_INDEX_URL=url)
    assert done.status != 0, done
    assert {(request.status, request.path) for request in index.requests} == {(401, "/simple/demo-project/")}
    assert "Www-Authenticate" in {name.title() for name in get_url(index.url).headers}


def test_a_signed_url_works_until_it_expires_and_for_its_file_only(index: Index, wheel: Path) -> None:
    url = index.signed_url(wheel.name)
    assert get_url(url).body == wheel.read_bytes()
    assert get_url(index.signed_url(wheel.name, lifetime=-1)).status == 403
    assert get_url(url.replace("sig=", "sig=0")).status == 403
    assert get_url(url.replace("exp=", "exp=9")).status == 403
    assert get_url(url.replace(wheel.name, "other.whl")).status == 403
    assert get_url(url.partition("?")[0]).status == 403


def test_signed_urls_are_new_each_time_unless_stable(index: Index, wheel: Path) -> None:
    index.redirect = True
    link = f"http://{index.host}/files/{wheel.name}"
    fresh = {get_url(link).headers["Location"] for _ in range(3)}
    index.stable_urls = True
    stable = {get_url(link).headers["Location"] for _ in range(3)}
    assert (len(fresh), len(stable)) == (3, 1)
    assert {urlsplit(url).hostname for url in fresh | stable} == {"localhost"}
    assert get_url(stable.pop()).status == 200


def test_credentials_that_reach_the_blob_store_are_seen_and_refused(index: Index, wheel: Path) -> None:
    assert get_url(index.signed_url(wheel.name), Authorization="Basic Zm9v").status == 400
    assert [request.filename for request in index.leaks] == [wheel.name]


def test_pages_state_what_they_are_told_to(index: Index, wheel: Path, connection: http.client.HTTPConnection) -> None:
    accept = "application/vnd.pypi.simple.v1+json"
    index.upload_times[wheel.name] = "2024-01-02T03:04:05Z"
    index.yanked[wheel.name] = "broken"
    [file] = json.loads(get(connection, "/simple/demo-project/", Accept=accept).body)["files"]
    assert file["hashes"] == {"sha256": sha256(wheel)}
    assert (file["upload-time"], file["yanked"], file["size"]) == (
        "2024-01-02T03:04:05Z",
        "broken",
        wheel.stat().st_size,
    )
    assert sha256(wheel) in get(connection, "/simple/demo-project/").body.decode()
    index.state_hashes = False
    assert json.loads(get(connection, "/simple/demo-project/", Accept=accept).body)["files"][0]["hashes"] == {}
    assert sha256(wheel) not in get(connection, "/simple/Demo.Project").body.decode()
    assert json.loads(get(connection, "/simple/", Accept=accept).body)["projects"] == [{"name": "demo-project"}]


def test_a_file_that_comes_or_changes_is_served_as_it_is(index: Index, connection: http.client.HTTPConnection) -> None:
    for version in ["1.0", "2.0"]:
        path = build_wheel(index.directory, "demo", version)
        assert sha256(path) in get(connection, "/simple/demo/").body.decode()
    assert get(connection, f"/files/{flip_byte(path).name}").body == path.read_bytes()
    path.unlink()
    assert get(connection, f"/files/{path.name}").status == 404
    assert get(connection, "/simple/absent/").status == 404


def test_the_json_api_exists_only_where_asked_for(
    index: Index, wheel: Path, connection: http.client.HTTPConnection
) -> None:
    assert get(connection, "/pypi/demo-project/json").status == 404
    index.json_api = True
    release = json.loads(get(connection, "/pypi/demo-project/json").body)["releases"]["1.0"]
    assert [file["digests"]["sha256"] for file in release] == [sha256(wheel)]


def test_connections_are_kept_and_head_is_refused(
    index: Index, wheel: Path, connection: http.client.HTTPConnection
) -> None:
    assert get(connection, f"/files/{wheel.name}", method="HEAD").status == 405
    assert get(connection, f"/files/{wheel.name}").status == 200
    assert get(connection, f"/files/{wheel.name}").status == 200
    assert [(request.attempt, request.connection, request.method) for request in index.requests] == [
        (1, 1, "HEAD"),
        (2, 1, "GET"),
        (3, 1, "GET"),
    ]
    index.reset_log()
    assert index.requests == []


@pytest.mark.parametrize(
    ("wanted", "span"),
    [("bytes=10-19", slice(10, 20)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))],
)
def test_parts_of_a_file_can_be_had(
    index: Index, wheel: Path, connection: http.client.HTTPConnection, wanted: str, span: slice
) -> None:
    path = f"/files/{wheel.name}"
    whole = get(connection, path)
    part = get(connection, path, Range=wanted, If_Range=whole.headers["ETag"])
    assert (part.status, part.body) == (206, whole.body[span])
    assert get(connection, path, Range=wanted, If_Range='"changed"').body == whole.body
    assert get(connection, path, Range="bytes=999999-").status == 416
    index.ranges = False
    assert get(connection, path, Range=wanted).body == whole.body


def test_latency_and_rate_are_kept(index: Index, wheel: Path, connection: http.client.HTTPConnection) -> None:
    index.latency = 0.2
    began = time.monotonic()
    assert get(connection, "/simple/").status == 200
    assert 0.2 <= time.monotonic() - began < 1
    index.latency, index.rate = 0.0, 100_000
    began = time.monotonic()
    assert get(connection, f"/files/{wheel.name}").body == wheel.read_bytes()
    assert 0.4 <= time.monotonic() - began < 2


def test_an_index_stops_in_the_middle_of_everything(tmp_path: Path) -> None:
    threads = threading.active_count()
    wheel = build_wheel(tmp_path, "demo", "1.0", size=100_000)
    with Index(tmp_path, rate=1000) as index:
        idle, busy = (http.client.HTTPConnection(index.host, timeout=10) for _ in range(2))
        get(idle, "/simple/")
        busy.request("GET", f"/files/{wheel.name}")
        reply = busy.getresponse()
        assert reply.read(10)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        reply.read()
    assert threading.active_count() == threads
    reply.close()
    idle.close()
    busy.close()


def test_an_index_comes_back_at_the_same_address(index: Index, wheel: Path) -> None:
    url, signed = index.url, index.signed_url(wheel.name)
    index.restart()
    assert index.url == url
    assert (get_url(url).status, get_url(signed).status) == (200, 200)


def test_an_error_of_the_fault_hook_is_raised_at_the_end(tmp_path: Path) -> None:
    def hook(request: Request) -> None:
        raise ValueError(request.path)

    index = Index(tmp_path, fault=hook).start()
    with pytest.raises(http.client.RemoteDisconnected):
        get_url(index.url)
    with pytest.raises(BaseExceptionGroup) as caught:
        index.stop()
    assert [str(error) for error in caught.value.exceptions] == ["/simple/"]


# Faults


def test_a_fault_can_be_a_status_and_headers(index: Index, wheel: Path) -> None:
    index.fault = lambda _: Fault.busy(7, status=429)
    reply = get_url(index.url)
    assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert [request.status for request in index.requests] == [429]


def test_a_fault_can_be_a_proxys_page(index: Index, wheel: Path) -> None:
    index.fault = lambda request: Fault.html() if request.filename else None
    reply = get_url(f"http://{index.host}/files/{wheel.name}")
    assert (reply.status, reply.headers["Content-Type"], reply.body[:15]) == (200, "text/html", b"<!DOCTYPE html>")
    assert get_url(index.url).body != reply.body


def test_a_fault_can_cut_a_body_short(index: Index, wheel: Path) -> None:
    index.fault = lambda _: Fault(cut=100)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get_url(f"http://{index.host}/files/{wheel.name}")
    assert caught.value.partial == wheel.read_bytes()[:100]
    assert [request.sent for request in index.requests] == [100]


def test_a_fault_can_cut_a_body_short_so_that_no_header_tells(index: Index, wheel: Path) -> None:
    index.fault = lambda _: Fault(cut=100, sized=False)
    assert get_url(f"http://{index.host}/files/{wheel.name}").body == wheel.read_bytes()[:100]


def test_a_fault_can_state_a_wrong_length(index: Index, wheel: Path) -> None:
    link = f"http://{index.host}/files/{wheel.name}"
    index.fault = lambda _: Fault(content_length=10)
    assert get_url(link).body == wheel.read_bytes()[:10]
    index.fault = lambda _: Fault(content_length=10_000_000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get_url(link)
    assert caught.value.partial == wheel.read_bytes()


@pytest.mark.parametrize("cut", [None, 100])
def test_a_fault_can_reset_the_connection(index: Index, wheel: Path, cut: int | None) -> None:
    index.fault = lambda _: Fault(reset=True, cut=cut)
    with pytest.raises(ConnectionResetError):
        get_url(f"http://{index.host}/files/{wheel.name}")


def test_a_fault_can_be_a_delay(index: Index) -> None:
    index.fault = lambda request: Fault(delay=0.2) if request.attempt == 2 else None
    began = time.monotonic()
    assert get_url(index.url).status == 200
    first = time.monotonic()
    assert get_url(index.url).status == 200
    assert first - began < 0.2 <= time.monotonic() - first


def test_pip_meets_the_faults(index: Index, project: Project, wheel: Path) -> None:
    index.fault = lambda request: Fault.busy() if request.attempt == 1 else None
    done = pip(project, "download", "-d", project.root / "out", "demo-project")
    assert done.status == 0, done
    assert [(request.path, request.status) for request in index.requests] == [
        ("/simple/demo-project/", 503),
        ("/simple/demo-project/", 200),
        (f"/files/{wheel.name}", 503),
        (f"/files/{wheel.name}", 200),
    ]


# Projects and environments


def test_a_projects_tree_tells_every_difference(project: Project) -> None:
    project.write("folder/file.txt", "text\r\n")
    (project.root / "empty").mkdir()
    (project.root / "link").symlink_to("folder/file.txt")
    project.write("__pycache__/ignored.pyc", b"")
    assert project.read("folder/file.txt") == "text\r\n"
    assert project.tree() == {
        "empty": "(empty)",
        "link": "-> folder/file.txt",
        "folder/file.txt": hashlib.sha256(b"text\r\n").hexdigest(),
    }
    assert list(project.tree("folder")) == ["folder/file.txt"]


def test_a_result_shows_everything(project: Project) -> None:
    script = "import os, sys; print(os.getcwd()); sys.exit(os.environ.get(sys.argv[1]))"
    result = project.execute(sys.executable, "-c", script, "WHY", env={"WHY": "because"})
    assert result.status == 1
    assert str(result) == (
        f"{sys.executable} -c '{script}' WHY\nstatus: 1\nstdout:\n{project.root}\n\nstderr:\nbecause\n"
    )


def test_both_ways_of_running_lockhouse_agree(project: Project) -> None:
    before = dict(os.environ)
    run, call = project.run("--help"), project.call("--help")
    assert (run.status, run.stdout) == (call.status, call.stdout), f"{run}\n{call}"
    assert dict(os.environ) == before


def test_pip_of_a_clean_environment_is_not_configured(project: Project) -> None:
    done = project.execute(sys.executable, "-m", "pip", "config", "list")
    assert done.stdout == f":env:.config-file='{os.devnull}'\n:env:.index-url='{project.environ['PIP_INDEX_URL']}'\n", (
        done
    )


def test_a_subprocess_that_leaves_loopback_fails(project: Project) -> None:
    script = "import urllib.request as r; r.urlopen('http://192.0.2.1/', timeout=10)"
    done = project.execute(sys.executable, "-c", script)
    assert "Connection refused" in done.stderr, done


def test_every_pollution_that_configures_pip_reaches_it(tmp_path: Path, project: Project) -> None:
    ways = [way for way in POLLUTIONS if way.startswith("pip-") and way != "pip-python"]
    # pip looks for a global configuration elsewhere on other systems.
    ways = [way for way in ways if sys.platform == "linux" or way != "pip-global-conf"]
    environs = {way: polluted_environ(tmp_path / way, [way], wheels=tmp_path) for way in ways}
    script = """if True:
        import json, os, sys
        from pip._internal.configuration import Configuration
        for way, environ in json.load(sys.stdin).items():
            os.environ.clear()
            os.environ.update(environ)
            configuration = Configuration(isolated=False)
            configuration.load()
            options = [key for _, found in configuration.items() for key in found]
            print(way, *(option for option in options if option != ":env:.config-file"))
    """
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps({"clean": project.environ} | environs),
        stdout=-1,
        text=True,
        check=True,
    )
    reached = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    assert reached.pop("clean") == ":env:.index-url"
    assert reached.keys() == set(ways)
    assert all(reached.values()), reached


def test_all_pollution_at_once_is_survived_by_isolation_only(tmp_path: Path) -> None:
    environ = polluted_environ(tmp_path / "home", POLLUTIONS, wheels=tmp_path)
    plain = subprocess.run([sys.executable, "-c", ""], env=environ, capture_output=True, text=True, check=False)
    assert (plain.returncode, "PYTHONPATH reached" in plain.stderr) == (97, True)
    isolated = subprocess.run([sys.executable, "-I", "-c", ""], env=environ, check=False)
    assert isolated.returncode == 0
    assert len((tmp_path / "home" / "sitecustomize.log").read_text().splitlines()) == 1


def test_the_running_python_is_among_the_pythons() -> None:
    assert pythons()[sys.version_info[:2]] == Path(sys.executable)
    assert all(path.exists() for path in pythons().values())


# Fences


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), 1),
        lambda: urllib.request.build_opener(urllib.request.ProxyHandler({})).open("http://pkgs.example.com/"),
        lambda: socket.getaddrinfo("pkgs.example.com", 443),
    ],
    ids=["address", "url", "name"],
)
def test_the_fence_bites(fence: Fence, leave: Callable[[], object]) -> None:
    with pytest.raises(FenceError):
        leave()
    assert len(fence.breaches) == 1
    fence.breaches.clear()


def test_the_fence_leaves_this_machine_open(index: Index, fence: Fence, tmp_path: Path) -> None:
    assert get_url(index.url.replace("127.0.0.1", "localhost")).status == 200
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        os.chdir(tmp_path)
        server.bind("socket")
        server.listen()
        client.connect("socket")
    assert fence.breaches == []


INNER = """\
import os, socket, threading, pytest

def test_swallowed():
    try:
        socket.create_connection(("192.0.2.1", 80), 1)
    except AssertionError:
        pass

def test_threaded():
    thread = threading.Thread(target=lambda: socket.socket().connect_ex(("192.0.2.1", 80)))
    threading.excepthook = lambda args: None
    thread.start()
    thread.join()

def test_dirties(tmp_path):
    os.chdir(tmp_path)
    os.umask(0o077)
    os.environ["DIRTY"] = "1"
    del os.environ["HOME"]

def test_clean():
    assert "DIRTY" not in os.environ and "HOME" in os.environ and "PIP_FIND_LINKS" not in os.environ
    assert os.umask(0o022) == 0o022 and os.path.exists("test_inner.py")

@pytest.mark.slow
def test_slow():
    pass
"""


@pytest.fixture
def inner(tmp_path: Path, environ: dict[str, str]) -> Project:
    """A folder of tests with the conftest of these."""
    project = Project(tmp_path / "inner", environ)
    project.write("test_inner.py", INNER)
    project.write("pytest.ini", f"[pytest]\nmarkers = slow: slow\npythonpath = {TESTS}\n")
    shutil.copy(TESTS / "conftest.py", project.root)
    return project


@pytest.mark.slow
def test_the_fences_fail_the_tests_that_run_into_them(inner: Project) -> None:
    env = {"PIP_FIND_LINKS": "/nowhere", "COLUMNS": "200"}
    done = inner.execute("sh", "-c", f"umask 022; {sys.executable} -m pytest -q -rfE -p no:cacheprovider", env=env)
    assert "4 passed, 1 deselected, 2 errors" in done.stdout, done
    assert "left loopback: connect to ('192.0.2.1', 80)" in done.stdout, done
    assert {line for line in done.stdout.splitlines() if line.startswith("ERROR")} == {
        f"ERROR test_inner.py::{name} - Failed: the test left loopback: connect to ('192.0.2.1', 80)"
        for name in ["test_swallowed", "test_threaded"]
    }, done


@pytest.mark.parametrize(("options", "count"), [(("--slow",), "5"), (("-m", "slow"), "1/5")])
def test_slow_tests_run_only_when_asked_for(inner: Project, options: tuple[str, ...], count: str) -> None:
    done = inner.execute(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options)
    assert f"\n{count} tests collected" in done.stdout, done


def test_the_offline_namespace_has_no_network(offline: tuple[str, ...]) -> None:
    assert_no_network(offline)


def test_the_offline_control_notices_a_network() -> None:
    with pytest.raises(AssertionError, match="leaves the network open"):
        assert_no_network(())
    with pytest.raises(AssertionError, match="another reason"):
        assert_no_network(("sh", "-c", "exit 1", "--"))
