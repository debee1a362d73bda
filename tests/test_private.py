"""Private indexes: credentials from wherever pip takes them, asked for once, refused once, and never prompted for."""

import http.client
import http.server
import json
import os
import pty
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import trustme

from support.faults import Request
from support.index import Fault, Index
from support.project import SCRIPTS, Project, Result
from support.pypiserver import PypiServer
from support.venvs import installed
from support.wheels import build_wheel

USER, PASSWORD = "deploy", "p@ss/w:rd?%20"
WRONG = "wrong-password"

KEYRING = """\
#!{python} -I
import json, os, sys
with open({log!r}, "a", encoding="utf-8") as file:
    file.write(json.dumps([os.getppid(), *sys.argv[1:]]) + "\\n")
if "get" in sys.argv:
    print(json.dumps({{"username": {user!r}, "password": {password!r}}}))
"""

BACKEND = """\
import json, os
from keyring.backend import KeyringBackend
from keyring.credentials import SimpleCredential

class Ours(KeyringBackend):
    priority = 9

    def get_credential(self, service, username):
        with open({log!r}, "a", encoding="utf-8") as file:
            file.write(json.dumps([os.getpid(), "get", service, username]) + "\\n")
        return SimpleCredential({user!r}, {password!r})

    def get_password(self, service, username):
        return self.get_credential(service, username).password

    def set_password(self, service, username, password):
        raise NotImplementedError
"""


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shelf")
    build_wheel(folder, "app", "1.0", requires=["base", "addon"])
    build_wheel(folder, "base", "1.0")
    build_wheel(folder, "addon", "1.0")
    return folder


@pytest.fixture(scope="session")
def pypiserver(shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PypiServer]:
    """A real private index, whose wheels were uploaded to it."""
    with PypiServer(tmp_path_factory.mktemp("pypiserver"), user=USER, password=PASSWORD) as server:
        for wheel in shelf.iterdir():
            assert server.upload(wheel) == 200
        yield server


@pytest.fixture
def server(pypiserver: PypiServer) -> PypiServer:
    pypiserver.clear_log()
    return pypiserver


@pytest.fixture
def project(tmp_path: Path, environ: dict[str, str], index: Index, shelf: Path) -> Project:
    """A project that asks for `app`; nothing says where. The index wants the password, and has its files elsewhere."""
    shutil.copytree(shelf, index.directory, dirs_exist_ok=True)
    index.auth, index.redirect = (USER, PASSWORD), True
    project = Project(tmp_path / "project", environ)
    project.write("requirements/main.in", "app\n")
    return project


def with_credentials(url: str, user: str = USER, password: str | None = PASSWORD) -> str:
    scheme, _, rest = url.partition("://")
    secret = "" if password is None else f":{quote(password, safe='')}"
    return f"{scheme}://{quote(user, safe='')}{secret}@{rest}"


def write_netrc(home: Path, password: str, machine: str = "127.0.0.1") -> None:
    (home / ".netrc").write_text(f"machine {machine}\nlogin {USER}\npassword {password}\n")
    (home / ".netrc").chmod(0o600)


class Keyring:
    """A keyring of the test's own, in either way that pip can ask one; every call is logged."""

    def __init__(self, root: Path, environ: dict[str, str]) -> None:
        self._root = root
        self._environ = environ
        self._log = root / "keyring.log"
        root.mkdir()

    def as_program(self, password: str = PASSWORD) -> None:
        """Put a program named keyring on the PATH."""
        program = self._root / "keyring"
        program.write_text(KEYRING.format(python=sys.executable, log=str(self._log), user=USER, password=password))
        program.chmod(0o755)
        self._environ["PATH"] = f"{self._root}{os.pathsep}{self._environ['PATH']}"
        self._environ["PIP_KEYRING_PROVIDER"] = "subprocess"

    def as_backend(self, password: str = PASSWORD) -> None:
        """Give the keyring package a backend, through its own configuration."""
        code = BACKEND.format(log=str(self._log), user=USER, password=password)
        (self._root / "our_backend.py").write_text(code)
        config = Path(self._environ["HOME"], ".config", "python_keyring", "keyringrc.cfg")
        config.parent.mkdir(parents=True)
        config.write_text(f"[backend]\ndefault-keyring=our_backend.Ours\nkeyring-path={self._root}\n")
        self._environ["PIP_KEYRING_PROVIDER"] = "import"

    @property
    def calls(self) -> list[list[Any]]:
        """The calls so far, each with the process that made it."""
        if not self._log.exists():
            return []
        return [json.loads(line) for line in self._log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def keyring(tmp_path: Path, environ: dict[str, str], project: Project) -> Keyring:
    return Keyring(tmp_path / "keyring", project.environ)


def by_url(project: Project, keyring: Keyring, url: str, password: str) -> str:
    return with_credentials(url, password=password)


def by_netrc(project: Project, keyring: Keyring, url: str, password: str) -> str:
    write_netrc(Path(project.environ["HOME"]), password)
    return url


def by_program(project: Project, keyring: Keyring, url: str, password: str) -> str:
    keyring.as_program(password)
    return url


def by_package(project: Project, keyring: Keyring, url: str, password: str) -> str:
    keyring.as_backend(password)
    return url


def by_program_for_user(project: Project, keyring: Keyring, url: str, password: str) -> str:
    keyring.as_program(password)
    return with_credentials(url, password=None)


Way = Callable[[Project, Keyring, str, str], str]
WAYS: tuple[Way, ...] = (by_url, by_netrc, by_program, by_program_for_user, by_package)


def ways(*quick: Way) -> list[Any]:
    """Return every way; all but the quick ones are slow."""
    return [pytest.param(way, id=way.__name__, marks=[] if way in quick else [pytest.mark.slow]) for way in WAYS]


def connected(project: Project) -> str:
    """Run the steps that have to do with indexes, each as a process of its own, and return all that was said."""
    said = ""
    for step in ("lock", "wheelhouse"):
        result = project.run(step, "-v")
        assert result.status == 0, result
        said += result.stdout + result.stderr
    assert len(list((project.root / "wheelhouse").glob("*.whl"))) == 3
    return said


def refused(index: Index) -> list[Request]:
    return [request for request in index.requests if request.status == 401]


# Credentials


@pytest.mark.parametrize("way", [way for way in ways(by_url) if way.values[0] is not by_program_for_user])
def test_pypiserver_is_locked_and_fetched_from(project: Project, keyring: Keyring, server: PypiServer, way):
    project.environ["PIP_INDEX_URL"] = way(project, keyring, server.url, PASSWORD)
    said = connected(project)
    for step in ("check", "install"):
        assert project.call(step).status == 0
    assert installed(project.root / ".venv") == {"addon": "1.0", "app": "1.0", "base": "1.0"}
    assert PASSWORD not in said
    assert quote(PASSWORD, safe="") not in said
    assert server.statuses.count(401) <= 2, "one for each process that was not told at once"
    assert server.statuses.count(200) > 6
    processes = {call[0] for call in keyring.calls}
    assert len(keyring.calls) == len(processes), "one call a process"
    assert len(processes) == (2 if way in {by_program, by_package} else 0)


@pytest.mark.parametrize("way", ways(by_netrc))
@pytest.mark.slow
def test_the_blob_store_never_sees_the_credentials(project: Project, keyring: Keyring, index: Index, way):
    project.environ["PIP_INDEX_URL"] = way(project, keyring, index.url, PASSWORD)
    for step in ("lock", "wheelhouse"):
        index.reset_log()
        before = len(keyring.calls)
        result = project.run(step)
        assert result.status == 0, result
        assert index.downloads
        assert {request.role for request in index.downloads} == {"blob"}
        assert not index.leaks
        assert len(refused(index)) <= 1
        assert len(keyring.calls) - before <= 1


@pytest.mark.slow
def test_netrc_is_asked_by_host(project: Project, index: Index, home: Path):
    """Credentials for the blob store's host alone are no use with the index, and are not sent there."""
    write_netrc(home, PASSWORD, machine="localhost")
    project.environ["PIP_INDEX_URL"] = index.url
    result = project.run("lock")
    assert result.status == 1
    assert not [request for request in index.requests if request.authorized]


@pytest.mark.parametrize(
    ("step", "way"),
    [
        pytest.param(step, way, id=f"{step}-{way.__name__}", marks=[pytest.mark.slow] if way not in quick else [])
        for step, quick in (("lock", {by_program_for_user, by_url}), ("wheelhouse", {by_package}))
        for way in WAYS
    ],
)
def test_a_wrong_password_is_said_once_and_not_tried_again(project: Project, keyring, index: Index, *, way, step):
    if step == "wheelhouse":
        project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
        assert project.call("lock").status == 0
    project.environ["PIP_INDEX_URL"] = way(project, keyring, index.url, WRONG)
    index.reset_log()
    result = project.run(step)
    assert result.status == 1
    assert len(refused(index)) == len(index.requests) <= 2
    assert len(keyring.calls) <= 1
    lines = [line for line in result.stderr.splitlines() if "refuses the credentials" in line]
    assert len(lines) == 1, result
    assert index.host in lines[0]
    assert WRONG not in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_pypiserver_refuses_once(project: Project, server: PypiServer):
    project.environ["PIP_INDEX_URL"] = with_credentials(server.url, password=WRONG)
    result = project.run("lock")
    assert result.status == 1
    # It says 403 to a wrong password.
    assert set(server.statuses) <= {401, 403}
    assert len(server.statuses) <= 2
    assert result.stderr.count("refuses the credentials") == 1


@pytest.mark.slow
def test_keyring_is_told_which_of_its_backends_to_ask(project: Project, keyring: Keyring, index: Index):
    """A variable that is named as if it were Python's own."""
    keyring.as_backend()
    project.environ |= {"PIP_INDEX_URL": index.url, "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    assert project.run("lock").status == 1
    assert keyring.calls == []


def test_nobody_is_asked_without_a_terminal(project: Project, index: Index):
    project.environ["PIP_INDEX_URL"] = index.url
    result = project.run("lock", prefix=("sh", "-c", 'exec "$@" <&-', "sh"))
    assert result.status == 1
    assert "refuses the credentials" in result.stderr
    assert len(index.requests) <= 2


@pytest.mark.parametrize("user", [None, USER], ids=["nobody", "a user"])
@pytest.mark.slow
def test_nobody_is_asked_at_a_terminal(project: Project, index: Index, user: str | None):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url, password=None) if user else index.url
    status, said = _at_a_terminal(project, "lock")
    assert status == 1
    assert "refuses the credentials" in said
    assert "Password" not in said
    assert "User for" not in said
    assert len(index.requests) <= 2


def _at_a_terminal(project: Project, *argv: str) -> tuple[int, str]:
    """Run a command at a terminal where nobody ever types."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lockhouse", *argv],
        cwd=project.root,
        env=project.environ | {"PYTHONPATH": str(SCRIPTS)},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            said += piece
        return process.wait(10), said.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)


# Where to look


@pytest.mark.slow
def test_pip_conf_is_heeded(project: Project, index: Index, home: Path):
    del project.environ["PIP_CONFIG_FILE"]
    conf = home / ".config" / "pip" / "pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text(f"[global]\nindex-url = {with_credentials(index.url)}\n")
    connected(project)
    assert index.requests


@pytest.mark.slow
def test_one_index_of_several_wants_a_password(project: Project, index: Index, tmp_path: Path, home: Path):
    folder = tmp_path / "open"
    folder.mkdir()
    shutil.move(index.directory / "addon-1.0-py3-none-any.whl", folder)
    write_netrc(home, PASSWORD)
    with Index(folder) as other:
        project.environ["PIP_INDEX_URL"] = other.url
        project.environ["PIP_EXTRA_INDEX_URL"] = with_credentials(index.url)
        connected(project)
        assert {request.filename for request in other.downloads} == {"addon-1.0-py3-none-any.whl"}


@pytest.mark.slow
def test_the_sources_own_lines_say_where(project: Project, index: Index, tmp_path: Path, home: Path, shelf: Path):
    """An index, another one and a folder, named in the source; the machine's configuration names none that works."""
    project.environ["PIP_INDEX_URL"] = "http://127.0.0.1:9/simple/"
    write_netrc(home, PASSWORD)
    (tmp_path / "open").mkdir()
    (project.root / "folder").mkdir()
    shutil.move(index.directory / "addon-1.0-py3-none-any.whl", tmp_path / "open")
    shutil.move(index.directory / "base-1.0-py3-none-any.whl", project.root / "folder")
    with Index(tmp_path / "open") as other:
        lines = f"--index-url {index.url}\n--extra-index-url {other.url}\n--find-links ../folder\n"
        project.write("requirements/main.in", f"{lines}app\n")
        connected(project)
        assert {request.filename for request in other.downloads} == {"addon-1.0-py3-none-any.whl"}
    assert "base-1.0-py3-none-any.whl" not in {request.filename for request in index.downloads}


# How to connect


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def secure(tls: ssl.SSLContext, project: Project, shelf: Path, index: Index) -> Iterator[Index]:
    """The same index, over HTTPS."""
    with Index(shelf, tls=tls, auth=(USER, PASSWORD), redirect=True) as started:
        project.environ["PIP_INDEX_URL"] = started.url_with_password
        yield started


@pytest.fixture
def trusted(authority: trustme.CA, project: Project, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    project.environ["PIP_CERT"] = str(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


@pytest.mark.slow
def test_an_authority_of_ones_own_is_trusted_and_no_cache_grows(
    project: Project, secure: Index, trusted: Path, home: Path
):
    connected(project)
    assert secure.downloads
    # Over HTTPS, pip keeps what it fetches; here that would be of no use.
    assert not (home / ".cache").exists()


@pytest.mark.slow
def test_an_authority_that_nobody_knows_is_an_error(project: Project, secure: Index):
    result = project.run("lock")
    assert result.status == 1
    assert "certificate" in result.stderr
    assert "Traceback" not in result.stderr
    assert not secure.requests


@pytest.mark.slow
def test_a_client_certificate_is_shown(project: Project, secure, tls, trusted, *, authority, tmp_path: Path):
    tls.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(tls)
    refusal = project.run("lock")
    assert refusal.status == 1, "the control: nobody is let in without"
    identity = tmp_path / "client.pem"
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(identity))
    project.environ["PIP_CLIENT_CERT"] = str(identity)
    connected(project)
    assert secure.downloads


class Proxy(http.server.ThreadingHTTPServer):
    """A forward proxy on loopback: fetches for its clients, or joins them with a host by CONNECT."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.seen: list[str] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients may go away."""


class _ProxyHandler(http.server.BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class names it so)
        """Print nothing: the proxy keeps the log."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.seen.append(f"GET {parts.netloc}")
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in {"connection", "date", "server"}:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def do_CONNECT(self) -> None:
        self.server.seen.append(f"CONNECT {self.path}")
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), 10) as there:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: there, there: self.connection}
            while ready := select.select(list(ends), [], [], 60)[0]:
                for end in ready:
                    data = end.recv(1 << 16)
                    if not data:
                        self.close_connection = True
                        return
                    ends[end].sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.stop()


@pytest.mark.parametrize("variable", ["PIP_PROXY", "http_proxy"])
@pytest.mark.slow
def test_a_proxy_is_gone_through(project: Project, index: Index, proxy: Proxy, variable: str):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
    project.environ |= {variable: proxy.url, "no_proxy": "", "NO_PROXY": ""}
    connected(project)
    assert {seen.partition(":")[0] for seen in proxy.seen} == {"GET 127.0.0.1", "GET localhost"}
    assert len(proxy.seen) == len(index.requests)


@pytest.mark.slow
def test_a_proxy_is_gone_through_to_https(project: Project, secure: Index, trusted: Path, proxy: Proxy):
    project.environ["PIP_PROXY"] = proxy.url
    connected(project)
    assert set(proxy.seen) == {f"CONNECT {secure.host}", f"CONNECT {secure.blob_host}"}


@pytest.mark.slow
def test_a_proxy_that_is_not_there_is_an_error(project: Project, index: Index):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
    project.environ["PIP_PROXY"] = "http://me:proxy-secret@127.0.0.1:9"
    result = project.run("lock")
    assert result.status == 1
    assert "roxy" in result.stderr
    assert "proxy-secret" not in result.stdout + result.stderr
    assert not index.requests


def test_what_is_asked_is_told_without_credentials(project: Project, index: Index):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
    result: Result = project.call("lock")
    assert f"main: asked http://****@{index.host}/simple/\n" in result.stderr


def test_a_refusal_of_one_file_is_told(project: Project, index: Index):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
    assert project.call("lock").status == 0
    index.fault = lambda request: Fault(status=403) if str(request.filename).startswith("base") else None
    result = project.call("wheelhouse")
    assert result.status == 1
    assert "base" in result.stderr
    assert "403" in result.stderr


@pytest.mark.slow
def test_a_source_that_wants_no_index_gets_none(project: Project, index: Index):
    project.environ["PIP_INDEX_URL"] = with_credentials(index.url)
    shutil.move(index.directory, project.root / "folder")
    index.directory.mkdir()
    project.write("requirements/main.in", "--no-index\n--find-links ../folder\napp\n")
    connected(project)
    assert not index.requests


@pytest.mark.parametrize("step", ["lock", "wheelhouse"])
def test_a_pip_configuration_that_cannot_be_read_is_an_error(project: Project, tmp_path: Path, step: str):
    project.write("requirements/main.txt", f"app==0.1 --hash=sha256:{'1' * 64}\n")
    (tmp_path / "pip.conf").write_text("[global\nindex-url = x\n")
    project.environ["PIP_CONFIG_FILE"] = str(tmp_path / "pip.conf")
    result = project.call(step, *(["--upgrade"] if step == "lock" else []))
    assert result.status == 2, result
    assert "pip's configuration cannot be read" in result.stderr
