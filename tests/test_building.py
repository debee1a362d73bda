"""Builds: real sdists, a real setuptools, a real compiler; the same bytes every time, and nothing of the user's within reach."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lockhouse import building
from lockhouse.building import BuildError, Workshop
from lockhouse.building.diagnosis import end_of, hint_for, shown
from lockhouse.building.driver import main as drive
from lockhouse.building.sandbox import NAMESPACES, SCRUBBED, Sandbox, sandbox_here
from lockhouse.building.variables import build_environ
from support.venvs import interpreter, make_venv, site_packages
from support.wheels import sha256

REPOSITORY = Path(building.__file__).parents[3]
EPOCH = 1_000_000_000
ADD = "below the line in requirements/build/NAME.in, then run `make lock`"

LEGACY = {
    "setup.py": "from setuptools import setup\nsetup(name='plain', version='1.0', py_modules=['plain'])\n",
    "plain.py": "x = 1\n",
}
EXTENSION = {
    "setup.py": "from setuptools import Extension, setup\n"
    "setup(name='fast', version='1.0', ext_modules=[Extension('fast', ['src/fast.c'])])\n",
    "src/fast.c": """\
#include <Python.h>
static PyObject *where(PyObject *self, PyObject *none) { return PyUnicode_FromString(__FILE__); }
static PyMethodDef methods[] = {{"where", where, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
""",
}
BACKEND = """\
import os, shutil, sys, zipfile
def get_requires_for_build_wheel(config_settings=None):
    ASK
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    DO
    name = "tree-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        archive.writestr(zipfile.ZipInfo("tree.py"), "")
    return name
"""


def in_tree(*do: str, ask: str = "return []") -> dict[str, str]:
    """Return a project with a backend of its own, which does what it is told before it writes its wheel."""
    backend = BACKEND.replace("DO", "\n    ".join(do) or "pass").replace("ASK", ask)
    return {
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
        "backend.py": backend,
    }


@pytest.fixture(scope="session")
def bare(tmp_path_factory) -> Path:
    return make_venv(tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture(scope="session")
def with_setuptools(tmp_path_factory) -> Path:
    return add_setuptools(make_venv(tmp_path_factory.mktemp("setuptools") / "env"))


def add_setuptools(environment: Path) -> Path:
    wheels = list(REPOSITORY.glob("wheelhouse/setuptools-*.whl"))
    if not wheels:
        pytest.skip("there is no setuptools in the wheelhouse")
    with zipfile.ZipFile(wheels[0]) as archive:
        archive.extractall(site_packages(environment))
    # As an installer does; a build cannot, in an environment that is read-only.
    subprocess.run([interpreter(environment), "-m", "compileall", "-q", site_packages(environment)], check=True)
    return environment


@pytest.fixture(params=[NAMESPACES, SCRUBBED])
def sandbox(request) -> Sandbox:
    if request.param == NAMESPACES and (obstacle := sandbox_here().obstacle):
        pytest.skip(f"no namespaces here, so this cannot be held: {obstacle}")
    return Sandbox(isolation=request.param)


Prepare = Callable[..., Workshop]


@pytest.fixture
def prepare(tmp_path, bare, environ) -> Prepare:
    """Return what writes a project's files into a scratch folder and makes a workshop of it."""

    def made(
        files: Mapping[str, str], *, environment: Path = bare, scratch: str = "scratch", **variables: str
    ) -> Workshop:
        return workshop(tmp_path / scratch, files, environment, environ | variables)

    return made


def workshop(scratch: Path, files: Mapping[str, str], environment: Path, environ: Mapping[str, str]) -> Workshop:
    source = scratch / "tree-1.0"
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    return Workshop(
        source=source, scratch=scratch, epoch=EPOCH, environment=environment, environ=environ, isolation="best"
    )


def require_compiler() -> str:
    compiler = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])
    if not compiler or not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("no C compiler or no Python.h here")
    return compiler


def test_a_legacy_project_builds(prepare, with_setuptools):
    shop = prepare(LEGACY, environment=with_setuptools)
    assert building.requires(shop) == ()
    built = building.build(shop)
    assert built.wheel.name == "plain-1.0-py3-none-any.whl"
    assert built.wheel.is_relative_to(shop.scratch)
    assert "running bdist_wheel" in built.log.read_text()
    assert built.toolchain.startswith(f"CPython {sys.version.split()[0]}; ")
    with zipfile.ZipFile(built.wheel) as archive:
        assert archive.read("plain.py") == b"x = 1\n"
        assert {info.date_time[0] for info in archive.infolist()} == {2001}


def test_without_a_sandbox_given_it_is_the_best_there_is(prepare):
    assert building.build(prepare(in_tree())).isolation == building.isolation_here() == sandbox_here().isolation


def test_strict_without_namespaces_is_an_error_that_says_what_to_do(prepare):
    shop = replace(prepare(in_tree()), isolation="strict")
    for step in (building.requires, building.build):
        with pytest.raises(BuildError, match=r"needs Linux namespaces.*denied here") as caught:
            step(shop, sandbox=Sandbox(isolation=SCRUBBED, obstacle="denied here"))
        assert "seccomp=unconfined" in str(caught.value.hint)
        assert 'build-isolation = "best"' in str(caught.value.hint)


def test_strict_with_namespaces_builds(prepare):
    if obstacle := sandbox_here().obstacle:
        pytest.skip(obstacle)
    assert building.build(replace(prepare(in_tree()), isolation="strict")).isolation == NAMESPACES


# The same bytes

AWAY = {
    "TZ": "Pacific/Chatham",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "tr_TR.UTF-8",
    "PYTHONHASHSEED": "7",
    "SOURCE_DATE_EPOCH": "1",
}


@pytest.mark.slow
@pytest.mark.parametrize("files", [LEGACY, EXTENSION], ids=["legacy", "extension"])
def test_two_builds_give_the_same_bytes_and_both_kinds_of_isolation_do(files, prepare, with_setuptools, tmp_path):
    require_compiler()
    one = building.build(prepare(files, environment=with_setuptools))
    # Elsewhere, another day, another user's settings, another environment.
    moved = tmp_path / "a" / "far longer way" / "env"
    shutil.copytree(with_setuptools, moved, symlinks=True)
    shop = prepare(files, environment=moved, scratch="b/somewhere else", HOME=str(tmp_path), **AWAY)
    for file in shop.source.rglob("*"):
        os.utime(file, (2e9, 2e9))
    os.umask(0o077)
    other = building.build(shop, sandbox=Sandbox(isolation=SCRUBBED))
    assert (other.wheel.name, other.isolation) == (one.wheel.name, SCRUBBED)
    assert sha256(other.wheel) == sha256(one.wheel)


@pytest.mark.slow
def test_the_users_own_flags_count_and_no_path_gets_into_compiled_code(prepare, with_setuptools, tmp_path):
    require_compiler()
    shop = prepare(EXTENSION, environment=with_setuptools, CFLAGS="-O1 -g -DOURS", CPPFLAGS="-DTHEIRS")
    built = building.build(shop)
    log = built.log.read_text()
    assert "-O1 -g -DOURS" in log
    assert "-DTHEIRS" in log
    with zipfile.ZipFile(built.wheel) as archive:
        compiled = next(archive.read(name) for name in archive.namelist() if name.startswith("fast."))
    assert b"src/fast.c" in compiled
    assert os.fsencode(tmp_path) not in compiled


def test_without_flags_of_the_users_the_interpreters_own_stay(prepare, with_setuptools):
    require_compiler()
    built = building.build(prepare(EXTENSION, environment=with_setuptools))
    compile_line = next(line for line in built.log.read_text().splitlines() if " -c src/fast.c" in line)
    assert set(sysconfig.get_config_var("OPT").split()) <= set(compile_line.split())


def test_cmake_is_told_the_way_it_understands(tmp_path):
    (tmp_path / "room").mkdir()
    paths = {"source": tmp_path, "environment": tmp_path / "env", "scratch": tmp_path, "room": tmp_path / "room"}
    assert "CFLAGS" not in build_environ({}, **paths, epoch=1)
    (tmp_path / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'scikit_build_core.build'\n"
    )
    assert f"-ffile-prefix-map={tmp_path}=." in build_environ({}, **paths, epoch=1)["CFLAGS"]
    (tmp_path / "pyproject.toml").write_text("[build-system]\nbuild-backend = 1\n[")
    assert "CFLAGS" not in build_environ({}, **paths, epoch=1)


AS_ANOTHER = """\
import json, os, sys
user, paths, scratch, environment = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], sys.argv[4]
sys.path += paths
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
from pathlib import Path
from lockhouse import building
shop = building.Workshop(source=Path(scratch, "tree-1.0"), scratch=Path(scratch), epoch=1000000000,
    environment=Path(environment), environ=dict(os.environ), isolation="best")
built = building.build(shop)
print(built.wheel, built.wheel.stat().st_uid)
"""


@pytest.mark.slow
def test_root_and_another_user_give_the_same_bytes(environ):
    require_compiler()
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    # Not below the folder of pytest, which is its user's alone.
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        python = python_of_everybody(top)
        environment = add_setuptools(make_venv(top / "env", python))
        for kind, files in {"legacy": LEGACY, "extension": EXTENSION}.items():
            digests = {
                built_by(user, python, workshop(top / f"{kind}-{user}", files, environment, environ))
                for user in (0, 65534)
            }
            assert len(digests) == 1, kind


def built_by(user: int, python: str, shop: Workshop) -> str:
    for path in [shop.scratch, *shop.scratch.rglob("*")]:
        os.chown(path, user, user)
    done = subprocess.run(
        [python, "-I", "-B", "-c", AS_ANOTHER, str(user), json.dumps(sys.path), shop.scratch, shop.environment],
        env=shop.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    wheel, owner = done.stdout.split()
    assert int(owner) == user
    return sha256(Path(wheel))


def python_of_everybody(folder: Path) -> str:
    """Return a Python that every user may run together with our package and its libraries, or skip the test."""
    code = "import sys, json; sys.path += json.loads(sys.argv[1]); sys.version_info >= (3, 11) or sys.exit(1); import lockhouse.building"
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [candidate, "-I", "-B", "-c", code, json.dumps(sys.path)],
                cwd=folder,
                user=65534,
                group=65534,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return candidate
    pytest.skip("no Python here that another user may run")


# What a backend asks for


@pytest.mark.slow
def test_what_the_backend_asks_for_does_not_depend_on_the_tools_of_the_machine(prepare, tmp_path, sandbox):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("ninja", "cmake", "patchelf", "samu", "other"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    ask = "return ['wheel', *(n for n in ('ninja', 'cmake', 'patchelf', 'samu', 'other', 'sh') if not shutil.which(n))]"
    shop = prepare(in_tree(ask=ask), PATH=f"{tools}{os.pathsep}relative{os.pathsep}{os.pathsep}{os.environ['PATH']}")
    assert building.requires(shop, sandbox=sandbox) == ("cmake", "ninja", "patchelf", "samu", "wheel")


@pytest.mark.slow
def test_tools_of_the_environment_are_found(prepare, tmp_path):
    environment = make_venv(tmp_path / "env")
    ninja = interpreter(environment).with_name("ninja")
    ninja.write_text("#!/bin/sh\n")
    ninja.chmod(0o755)
    ask = "return [] if shutil.which('ninja') else ['ninja']"
    assert building.requires(prepare(in_tree(ask=ask), environment=environment)) == ()


@pytest.mark.slow
def test_the_compiler_works_beside_a_hidden_tool(prepare, with_setuptools, tmp_path):
    compiler = require_compiler()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mycc").symlink_to(compiler)
    (tools / "ninja").write_text("#!/bin/sh\n")
    shop = prepare(EXTENSION, environment=with_setuptools, PATH=f"{tools}:{os.environ['PATH']}", CC="mycc")
    built = building.build(shop)
    assert "mycc" in built.log.read_text()
    assert "no compiler" not in built.toolchain


@pytest.mark.slow
def test_a_compiler_that_is_not_there_is_said_not_to_be(prepare):
    assert building.build(prepare(in_tree(), CC="no-such-cc -pipe")).toolchain.endswith("; no compiler")


@pytest.mark.slow
def test_the_hooks_see_the_environments_packages_only(prepare, sandbox):
    ask = "import importlib.util; return [n for n in ('packaging', 'build', 'lockhouse', 'pip', 'zipfile') if importlib.util.find_spec(n)]"
    assert building.requires(prepare(in_tree(ask=ask)), sandbox=sandbox) == ("zipfile",)


# Nothing of the user's within reach

# Each tries something and says what came of it; then the build goes on as if nothing had been.
NOSY = """\
import json, os, socket, sys, urllib.request
def attempt(do):
    try:
        return do()
    except OSError as error:
        return os.strerror(error.errno) if error.errno else "failed"
told = {
    "home": attempt(lambda: os.listdir(os.path.expanduser("~"))),
    "variables": sorted(name for name in os.environ if "TOKEN" in name or "SOCK" in name or "PIP_I" in name),
    "socket": attempt(lambda: socket.create_connection(("127.0.0.1", PORT), 5).close()),
    "proxied": attempt(lambda: urllib.request.urlopen("http://index.example.com:PORT/", timeout=5).status),
    "outside": attempt(lambda: open(OUTSIDE, "w").close()),
    "packages": attempt(lambda: open(os.path.join(sys.prefix, "lockhouse-was-here"), "w").close()),
}
print("told", json.dumps(told))
"""


def test_a_nosy_build_sees_and_leaves_nothing(prepare, with_setuptools, tmp_path, home, sandbox):
    (home / ".pypirc").write_text("[pypi]\npassword = secret\n")
    outside = tmp_path / "outside"
    secrets = {
        "TWINE_TOKEN": "t",
        "SSH_AUTH_SOCK": str(tmp_path / "agent"),
        "PIP_INDEX_URL": "https://me:pw@index.example.com",
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        nosy = NOSY.replace("PORT", str(server.getsockname()[1])).replace("OUTSIDE", repr(str(outside)))
        shop = prepare(LEGACY | {"setup.py": nosy + LEGACY["setup.py"]}, environment=with_setuptools, **secrets)
        built = building.build(shop, sandbox=sandbox)
    told = json.loads(next(line for line in built.log.read_text().splitlines() if line.startswith("told "))[5:])
    assert told["home"] == []
    assert told["variables"] == []
    assert told["proxied"] != 200
    left = [path for path in (outside, with_setuptools / "lockhouse-was-here") if path.exists()]
    if sandbox.isolation == NAMESPACES:
        assert told["socket"] == "Network is unreachable"
        assert told["outside"] == told["packages"] == "Read-only file system"
        assert left == []
    else:
        # A scrubbed environment cannot hold these: whoever goes past the proxy reaches the network, and files are the user's.
        assert (told["socket"], told["outside"], told["packages"]) == (None, None, None)
        for path in left:
            path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("do", "hint"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 80), 5)", "a build has no network"),
        ("open('/etc/lockhouse-was-here', 'w')", "its own folder only"),
        ("open(os.path.join(sys.prefix, 'x'), 'w')", "its own folder only"),
        ("open(__import__('pwd').getpwuid(os.getuid()).pw_dir + '/.lockhouse-test', 'w')", "its own folder only"),
    ],
)
def test_a_build_that_insists_fails_and_the_hint_says_why(do, hint, prepare):
    if obstacle := sandbox_here().obstacle:
        pytest.skip(f"no namespaces here, so this cannot be held: {obstacle}")
    with pytest.raises(BuildError) as caught:
        building.build(prepare(in_tree(do)))
    assert hint in str(caught.value.hint)
    assert caught.value.package == "tree-1.0"
    assert caught.value.step == "build_wheel"
    assert caught.value.status == 1
    assert "tree-1.0 could not be built: build_wheel failed with exit status 1" in caught.value.reason
    assert "OSError" in caught.value.tail


@pytest.mark.slow
def test_without_a_sandbox_a_proxy_that_is_none_stands_between_a_build_and_an_index(prepare):
    do = "import urllib.request; urllib.request.urlopen('http://index.example.com/simple/')"
    with pytest.raises(BuildError) as caught:
        building.build(prepare(in_tree(do)), sandbox=Sandbox(isolation=SCRUBBED))
    assert "a build has no network" in str(caught.value.hint)


@pytest.mark.slow
def test_the_home_of_one_build_is_not_that_of_the_next(prepare):
    shop = prepare(in_tree("open(os.path.expanduser('~/left'), 'x').close()"))
    assert building.build(shop).wheel.exists()
    assert building.build(shop).wheel.exists()


# Failures that explain themselves


def failure(shop: Workshop, step: Callable[..., object] = building.build) -> BuildError:
    with pytest.raises(BuildError) as caught:
        step(shop)
    return caught.value


def test_a_module_that_is_not_there_is_named(prepare):
    error = failure(prepare(in_tree("import cython.build")))
    assert error.hint == f"add `cython` {ADD}"
    assert failure(prepare(in_tree(ask="import pkg_resources")), building.requires).hint == f"add `setuptools<81` {ADD}"


def test_a_backend_that_is_not_there_is_named(prepare):
    error = failure(
        prepare({"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'flit_core.buildapi'\n"})
    )
    assert error.hint == f"add `flit_core` {ADD}"
    assert "flit_core.buildapi" in error.reason


@pytest.mark.slow
def test_a_setup_requirement_that_is_fetched_in_the_build_is_named(prepare, with_setuptools):
    late = "from setuptools import setup\nfrom setuptools.dist import Distribution\n"
    late += "Distribution({'setup_requires': []}).fetch_build_eggs(['a-forgotten-thing>=2'])\nsetup()\n"
    error = failure(prepare({"setup.py": late}, environment=with_setuptools))
    assert error.hint is not None
    assert "requirements/build/NAME.in" in error.hint


@pytest.mark.slow
def test_a_missing_header_and_a_missing_compiler_are_named(prepare, with_setuptools):
    require_compiler()
    broken = EXTENSION | {"src/fast.c": "#include <no/such_header.h>\n"}
    hint = failure(prepare(broken, environment=with_setuptools)).hint
    assert hint is not None
    assert "no/such_header.h" in hint
    hint = failure(prepare(EXTENSION, environment=with_setuptools, CC="no-such-cc")).hint
    assert hint is not None
    assert "install a C compiler" in hint


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"pyproject.toml": "[build-system"}, "Failed to parse"),
        ({"pyproject.toml": "[build-system]\nbuild-backend = 'x'\n"}, "`requires` is a required property"),
        ({"nothing.txt": ""}, "no pyproject.toml or setup.py"),
        (in_tree("return 'no-such-1.0-py3-none-any.whl'"), "left nothing and named 'no-such"),
        (in_tree("open(os.path.join(wheel_directory, 'extra'), 'w').close()"), "should leave one wheel"),
        (in_tree("open(os.path.join(wheel_directory, 'x.zip'), 'w').close(); return 'x.zip'"), "'x.zip' is not a wheel's file name"),
        (
            in_tree("os.symlink(__file__, os.path.join(wheel_directory, 't-1.0-py3-none-any.whl')); return 't-1.0-py3-none-any.whl'"),
            "should leave one wheel",
        ),
        (
            {"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['..']\n"},
            "paths must be inside source tree",
        ),
        (in_tree("os.kill(os.getpid(), 9)"), "failed with exit status 137"),
        (in_tree("os.kill(os.getppid(), 9)"), "failed with exit status 137"),
        (in_tree("return 7"), "could not be built"),
    ],
)  # fmt: skip
def test_what_is_no_build_is_an_error_in_one_sentence(files, reason, prepare):
    error = failure(prepare(files))
    assert reason in error.reason
    assert error.reason.startswith("tree-1.0 ")


@pytest.mark.parametrize("answer", ["[1]", "['not a requirement']", "['a @ https://example.com/a\\n--pre']"])
def test_requirements_that_are_none_are_an_error(answer, prepare):
    error = failure(prepare(in_tree(ask=f"return {answer}")), building.requires)
    assert error.reason.startswith("tree-1.0 could not be built: get_requires_for_build_wheel asks for ")


@pytest.mark.slow
def test_a_log_of_a_hundred_megabytes_is_streamed_and_its_end_shown(prepare):
    do = ["for _ in range(100): os.write(1, b'x' * 999_999 + b'\\n')", "raise RuntimeError('the end of it')"]
    error = failure(prepare(in_tree(*do)))
    assert "RuntimeError: the end of it" in error.tail
    assert len(error.tail) < 20_000


@pytest.mark.slow
def test_a_log_that_the_build_replaces_is_not_followed(prepare, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("only the user may read this")
    log = tmp_path / "scratch" / "build_wheel.log"
    do = [f"os.remove({str(log)!r})", f"os.symlink({str(secret)!r}, {str(log)!r})", "raise RuntimeError"]
    with pytest.raises(BuildError) as caught:
        building.build(prepare(in_tree(*do)), sandbox=Sandbox(isolation=SCRUBBED))
    assert "RuntimeError" in caught.value.tail
    assert "only the user" not in str(caught.value)


def test_what_is_shown_of_a_log_is_safe_to_show():
    text = "\n".join(
        ["first"] + ["x"] * 40 + ["\x1b[31mred", "https://me:secret@index.example.com/a?sig=abc", "y" * 9999]
    )
    tail = shown(text)
    assert len(tail.splitlines()) == 30
    for unwanted in ("\x1b", "secret", "abc", "first", "y" * 500):
        assert unwanted not in tail


@pytest.mark.parametrize(
    ("log", "hint"),
    [
        ("ERROR: Could not find a version that satisfies the requirement numpy>=2 (from versions: none)", "`numpy`"),
        ("/usr/bin/python: No module named pip", "no network"),
        ("fatal error: Python.h: No such file or directory", "python3-dev"),
        ("a.c:1:10: fatal error: 'ffi.h' file not found", "ffi.h"),
        ("error: command 'gcc' failed: No such file or directory", "compiler"),
        ("error: Microsoft Visual C++ 14.0 or greater is required.", "compiler"),
        ("[Errno -3] Temporary failure in name resolution", "no network"),
        ("socket.gaierror: [Errno -2] Name or service not known", "no network"),
        ("OSError: [Errno 30] Read-only file system: '/usr/x'", "own folder"),
        ("ModuleNotFoundError: No module named 'skbuild'\n", "`scikit-build`"),
        (
            "ModuleNotFoundError: No module named 'optional'\n...\nModuleNotFoundError: No module named 'needed'",
            "`needed`",
        ),
        ("Temporary failure in name resolution\nsomething else\nfatal error: a.h: No such file or directory", "a.h"),
    ],
)
def test_hints(log, hint):
    said = hint_for(log)
    assert said is not None
    assert hint in said


def test_what_nobody_knows_has_no_hint():
    assert hint_for("error: something went wrong") is None


# The driver, called here: what it answers is read by the sandbox's side


def test_the_driver_answers_into_the_file(tmp_path, bare, monkeypatch):
    shop = workshop(tmp_path, in_tree(ask="return ['b', 'a']"), bare, {})
    python, answer = str(interpreter(bare)), tmp_path / "answer.json"
    (tmp_path / "output").mkdir()
    words = [str(shop.source), python, str(tmp_path / "output"), str(answer)]
    assert drive(["get_requires_for_build_wheel", *words]) == 0
    assert json.loads(answer.read_text()) == {"value": ["a", "b"]}
    assert drive(["build_wheel", *words]) == 0
    assert json.loads(answer.read_text()) == {"value": "tree-1.0-py3-none-any.whl"}
    (shop.source / "backend.py").write_text("raise SystemExit(7)\n")
    assert drive(["build_wheel", *words]) == 1
    assert json.loads(answer.read_text()) == {"status": 7, "reason": ""}
    (shop.source / "backend.py").unlink()
    assert drive(["build_wheel", *words]) == 1
    assert json.loads(answer.read_text())["status"] == 1


def test_the_end_of_a_log_is_read_whatever_bytes_it_holds(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"a" * 300_000 + b"\xff end")
    with path.open("rb") as log:
        text = end_of(log)
    assert text.endswith("\ufffd end")
    assert len(text) < 270_000
