"""The sandbox of a build, tried by programs that want out of it; what holds in namespaces only is said so."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lockhouse.building import namespaces
from lockhouse.building.sandbox import NAMESPACES, NO_SANDBOX, SCRUBBED, Sandbox, hidden, sandbox_here

SCRIPTS = Path(namespaces.__file__).parents[2]
# Long enough for a busy machine; nothing is measured by it, it only ends a test that would hang.
PATIENCE = 60

# Runs each of the given expressions and writes what came of it, as JSON.
ASK = """\
import json, os, socket, sys
def attempt(text):
    try:
        return eval(text)
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
with open(sys.argv[1], "w") as file:
    json.dump({name: attempt(text) for name, text in json.loads(sys.argv[2]).items()}, file)
"""
# Leaves a process behind that has cut all ties, and that holds the pipe open as long as it lives.
DAEMON = """\
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        pipe = os.open(sys.argv[1], os.O_WRONLY)
        os.write(pipe, b"alive")
        time.sleep(600)
    os._exit(0)
if sys.argv[2] == "stay":
    time.sleep(600)
# Not before the other one is really there.
while not os.path.exists(sys.argv[1] + ".seen"):
    time.sleep(0.01)
"""
PARENT = """\
import sys
from pathlib import Path
from lockhouse.building.sandbox import Sandbox
scratch = Path(sys.argv[2])
with (scratch / "log").open("w+b") as log:
    Sandbox(isolation=sys.argv[1]).run(
        sys.argv[3:], folder=scratch, environ={}, writable=[scratch], stage=scratch / "dev", log=log
    )
"""

pytestmark = pytest.mark.slow


def require(isolation: str) -> Sandbox:
    """Return a sandbox of that kind, or skip the test with the reason why there is none here."""
    if isolation == NAMESPACES and (obstacle := sandbox_here().obstacle):
        pytest.skip(f"no namespaces here, so this cannot be held: {obstacle}")
    return Sandbox(isolation=isolation)


@dataclass(slots=True)
class Cell:
    """A sandbox with one writable folder; `log` is what the last command said."""

    sandbox: Sandbox
    scratch: Path
    environ: dict[str, str] = field(default_factory=dict)
    log: str = ""

    def run(self, *argv: str) -> int:
        (self.scratch / "dev").mkdir(exist_ok=True)
        with (self.scratch / "log").open("w+b") as log:
            status = self.sandbox.run(
                argv,
                folder=self.scratch,
                environ=self.environ,
                writable=[self.scratch],
                stage=self.scratch / "dev",
                log=log,
            )
            log.seek(0)
            self.log = log.read().decode()
        return status

    def python(self, code: str, *argv: str) -> int:
        return self.run(sys.executable, "-I", "-S", "-c", code, *argv)

    def ask(self, **expressions: str) -> dict[str, Any]:
        answer = self.scratch / "answer.json"
        assert self.python(ASK, str(answer), json.dumps(expressions)) == 0, self.log
        told: dict[str, Any] = json.loads(answer.read_text())
        return told


@pytest.fixture(params=[NAMESPACES, SCRUBBED])
def cell(request, tmp_path) -> Cell:
    return Cell(require(request.param), scratch(tmp_path))


@pytest.fixture
def closed(tmp_path) -> Cell:
    """A cell in namespaces."""
    return Cell(require(NAMESPACES), scratch(tmp_path))


def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder.resolve()


def test_the_command_gets_its_folder_its_variables_no_input_and_a_known_umask(cell, tmp_path):
    os.umask(0o077)
    cell.environ = {"A": "1"}
    told = cell.ask(
        cwd="os.getcwd()",
        variables="sorted(set(os.environ) - {'LC_CTYPE'})",
        stdin="sys.stdin.read()",
        umask="os.umask(0)",
        user="[os.getuid(), os.getgid()]",
        descriptors="sorted(map(int, os.listdir('/proc/self/fd')))[:3]",
    )
    assert told == {
        "cwd": str(cell.scratch),
        "variables": ["A"],
        "stdin": "",
        "umask": 0o022,
        "user": [os.getuid(), os.getgid()],
        "descriptors": [0, 1, 2],
    }
    assert (cell.scratch / "answer.json").stat().st_uid == os.getuid()


def test_status_and_both_streams_come_through(cell):
    assert cell.python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)") == 7
    assert sorted(cell.log.split()) == ["err", "out"]
    assert cell.python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)") == 128 + signal.SIGKILL


def test_a_command_that_is_not_there_is_told_and_not_run(cell):
    assert cell.run("/nothing/here") == NO_SANDBOX
    assert "No such file or directory" in cell.log


def test_a_sandbox_that_cannot_be_made_runs_nothing(closed):
    with (closed.scratch / "log").open("w+b") as log:
        status = closed.sandbox.run(
            [sys.executable, "-I", "-S", "-c", "open('ran', 'w')"],
            folder=closed.scratch,
            environ={},
            writable=[closed.scratch, closed.scratch / "missing"],
            stage=closed.scratch,
            log=log,
        )
    assert status == NO_SANDBOX
    assert not (closed.scratch / "ran").exists()


def test_there_is_no_network_in_namespaces(cell):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        told = cell.ask(
            connect=f"socket.create_connection(('127.0.0.1', {port}), 5).close()",
            interfaces="[name for _, name in socket.if_nameindex()]",
        )
    if cell.sandbox.isolation == SCRUBBED:
        # Nothing can be held here but what heeds proxies.
        assert told["connect"] is None
        return
    assert told["connect"] in ("Network is unreachable", "Cannot assign requested address")
    assert told["interfaces"] == ["lo"]


def test_abstract_sockets_are_cut_off_and_those_in_hidden_folders_are_gone(closed, tmp_path):
    name = f"lockhouse-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as visible:
        abstract.bind(f"\0{name}")
        abstract.listen()
        visible.bind(str(tmp_path / "agent"))
        visible.listen()
        told = closed.ask(
            abstract=f"socket.socket(socket.AF_UNIX).connect('\\0{name}')",
            visible=f"socket.socket(socket.AF_UNIX).connect({str(tmp_path / 'agent')!r})",
            # A folder that the command speaks of would not be hidden.
            run="os.listdir('/' + 'run')",
        )
    assert told["abstract"] == "Connection refused"
    # What lies in a folder that can be seen can be reached: a socket is no file that is written to.
    assert told["visible"] is None
    assert told["run"] == []


def test_everything_but_its_own_folder_is_read_only(closed, tmp_path):
    site = next(path for path in sys.path if path.endswith("site-packages"))
    places = {
        "beside": str(tmp_path / "beside"),
        "pypirc": str(Path.home() / ".pypirc"),
        "packages": f"{site}/lockhouse-was-here",
        "etc": "/etc/lockhouse-was-here",
        "own": str(closed.scratch / "own"),
        "shm": "/dev/shm/lockhouse-was-here",
        "null": "/dev/null",
    }
    told = closed.ask(**{name: f"open({path!r}, 'a').close()" for name, path in places.items()})
    read_only = "Read-only file system"
    assert told == {
        **dict.fromkeys(("beside", "pypirc", "packages", "etc"), read_only),
        **dict.fromkeys(("own", "shm", "null")),
    }
    assert [name for name, path in places.items() if Path(path).exists()] == ["own", "null"]


def test_only_harmless_devices_are_there(closed):
    told = closed.ask(devices="sorted(os.listdir('/dev'))", random="len(open('/dev/urandom', 'rb').read(4))")
    assert set(told["devices"]) <= {
        *("fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"),
    }
    assert told["random"] == 4


def test_other_processes_cannot_be_seen_nor_the_machines_name(closed):
    told = closed.ask(pids="[name for name in os.listdir('/proc') if name.isdigit()]", host="socket.gethostname()")
    assert told["host"] == "localhost"
    if len(told["pids"]) > 10:
        pytest.skip("the kernel allows no /proc of its own here, so other processes' names can be seen")
    assert str(os.getpid()) not in told["pids"] or os.getpid() < 10


MOUNT_BACK = """\
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if NESTED:
    libc.unshare(0x10020000)
flags = ctypes.c_ulong(32 | 4096)
print("remounted", libc.mount(None, b"/", None, flags, None), libc.umount2(b"/run", 2))
try:
    open(PLACE, "w")
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.parametrize("nested", [False, True])
def test_not_even_root_gets_the_writable_system_back(closed, tmp_path, nested):
    code = MOUNT_BACK.replace("NESTED", str(nested)).replace("PLACE", repr(str(tmp_path / "outside")))
    assert closed.python(code) == 0, closed.log
    assert closed.log.splitlines() == ["remounted -1 -1", "Read-only file system"]
    assert not (tmp_path / "outside").exists()


def test_the_first_process_gives_away_nothing(closed):
    told = closed.ask(exe="os.open('/proc/1/exe', os.O_PATH)", environ="open('/proc/1/environ').read()")
    if told["exe"] != "Permission denied":
        assert "No such" in told["exe"], told
    assert told["environ"] in ("Permission denied", "No such file or directory")


@pytest.mark.parametrize("place", ["/dev/shm", "/var/tmp"])
def test_a_scratch_folder_may_lie_where_folders_are_replaced(place):
    sandbox = require(NAMESPACES)
    if not os.access(place, os.W_OK):
        pytest.skip(f"{place} is not writable here")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        cell = Cell(sandbox, Path(folder).resolve())
        told = cell.ask(
            own=f"open({folder!r} + '/own', 'w').close()",
            beside=f"open({place!r} + '/lockhouse-was-here', 'w').close()",
            tmp="os.listdir('/' + 'tmp')",
        )
        assert told["own"] is None
        assert told["beside"] == "Read-only file system"
        if "/tmp" in hidden([*sys.path, sys.prefix, sys.base_prefix]):
            assert told["tmp"] == []
        assert (Path(folder) / "own").exists()


def test_what_is_needed_is_not_hidden():
    every = hidden([])
    for folder in every:
        for text in (f"{folder}/x", folder, f"/usr/bin:{folder}/bin", f"-O2 -I{folder}/include", f"A='{folder}/b c'"):
            assert folder not in hidden([text]), text
        for text in (f"/home/me{folder}/x", f"{folder}x/y", f"/home/me:/home/you{folder}"):
            assert hidden([text]) == every, text


@contextmanager
def fifo(folder: Path) -> Iterator[tuple[Path, int]]:
    """Make a named pipe and open the end that is read."""
    path = folder / "pipe"
    os.mkfifo(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield path, descriptor
    finally:
        os.close(descriptor)


def awaited(descriptor: int) -> bytes:
    """Return what comes next through the pipe, or nothing where all that held it open are gone."""
    assert select.select([descriptor], [], [], PATIENCE)[0], "nothing came, and whoever has the pipe still lives"
    return os.read(descriptor, 100)


def test_what_a_command_leaves_running_ends_with_it(cell):
    with fifo(cell.scratch) as (pipe, descriptor):
        command = [sys.executable, "-I", "-S", "-c", PARENT_PATH + PARENT, cell.sandbox.isolation, str(cell.scratch)]
        (cell.scratch / "dev").mkdir()
        with started([*command, sys.executable, "-I", "-S", "-c", DAEMON, str(pipe), "go"]) as parent:
            assert awaited(descriptor) == b"alive"
            Path(f"{pipe}.seen").touch()
            assert parent.wait(PATIENCE) == 0
            assert awaited(descriptor) == b""


def test_killed_outright_we_take_the_build_with_us(cell):
    with fifo(cell.scratch) as (pipe, descriptor):
        command = [sys.executable, "-I", "-S", "-c", PARENT_PATH + PARENT, cell.sandbox.isolation, str(cell.scratch)]
        (cell.scratch / "dev").mkdir()
        with started([*command, sys.executable, "-I", "-S", "-c", DAEMON, str(pipe), "stay"]) as parent:
            assert awaited(descriptor) == b"alive"
            parent.send_signal(signal.SIGKILL)
            assert parent.wait(PATIENCE) == -signal.SIGKILL
            assert awaited(descriptor) == b""


def test_interrupted_we_end_the_build_and_wait_for_its_end(cell):
    with fifo(cell.scratch) as (pipe, descriptor):
        command = [sys.executable, "-I", "-S", "-c", PARENT_PATH + PARENT, cell.sandbox.isolation, str(cell.scratch)]
        (cell.scratch / "dev").mkdir()
        with started([*command, sys.executable, "-I", "-S", "-c", DAEMON, str(pipe), "stay"]) as parent:
            assert awaited(descriptor) == b"alive"
            parent.send_signal(signal.SIGINT)
            assert parent.wait(PATIENCE) != 0
            assert awaited(descriptor) == b""


PARENT_PATH = f"import sys; sys.path += {[str(SCRIPTS), *sys.path]!r}\n"


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


# What `furnish` does, on a kernel that has no mount_setattr(2) for us.
ONE_BY_ONE = """\
import errno, os
from lockhouse.building import namespaces
from pathlib import Path
folder = Path(sys.argv[1])
namespaces.enter()
if (child := os.fork()) == 0:
    namespaces.change = namespaces.change_one_by_one
    namespaces.furnish(folder / "dev", [folder / "own dir"], [])
    (folder / "own dir" / "file").write_text("")
    for place in (folder / "file", Path("/etc/lockhouse-was-here")):
        try:
            place.write_text("")
        except OSError as error:
            print(errno.errorcode[error.errno], flush=True)
    Path("/dev/null").write_text("")
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_older_kernels_remount_one_by_one(tmp_path):
    require(NAMESPACES)
    (tmp_path / "dev").mkdir()
    (tmp_path / "own dir").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", PARENT_PATH + ONE_BY_ONE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("EROFS\nEROFS\n", "", 0)
    assert (tmp_path / "own dir" / "file").exists()


def test_what_this_machine_grants_is_said_with_the_reason():
    here = sandbox_here()
    assert here.isolation in (NAMESPACES, SCRUBBED)
    assert bool(here.obstacle) == (here.isolation == SCRUBBED)
