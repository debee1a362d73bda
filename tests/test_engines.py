"""pip and uv are chosen by name or by what is there, are given the same, and make the same of it, whatever is configured."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tomli
from packaging.requirements import Requirement

from lockhouse import environment, plan, target
from lockhouse import project as projects
from lockhouse.config import load
from lockhouse.engines import UV_KNOWN, choose
from lockhouse.errors import LockhouseError, TargetError
from lockhouse.inspection import required_and_allowed
from lockhouse.install import Request, install
from lockhouse.wheelhouse import Wheelhouse
from support.engines import ANY, BOTH, require_engine
from support.environment import clean_environ, polluted_environ
from support.features import behaviour, deep_findings, features_project, landed_files
from support.locks import write_layer_of
from support.offline import assert_no_network
from support.project import Project
from support.venvs import installed, interpreter, make_venv, require_python, site_packages
from support.wheels import build_wheel

ROOT = Path(__file__).resolve().parents[1]


def fake_uv(folder: Path, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No uv is importable here."""
    monkeypatch.setitem(sys.modules, "uv", None)
    monkeypatch.setattr("importlib.util.find_spec", _but_for_uv(__import__("importlib.util").util.find_spec))


def _but_for_uv(find: Callable[[str], object]) -> Callable[[str], object]:
    return lambda name: None if name == "uv" else find(name)


# Which one it is


def test_uv_is_taken_where_it_is_there_and_known_to_work(tmp_path: Path, environ: dict[str, str], alone):
    beside = tmp_path / "tools"
    assert choose("auto", {**environ, "PATH": ""}, beside=beside).name == "pip"
    on_path = fake_uv(tmp_path / "bin", "echo 'uv 0.13.12 (x86_64)'")
    found = choose("auto", {**environ, "PATH": str(tmp_path / "bin")}, beside=beside)
    assert (str(found), found.program) == ("uv 0.13.12", on_path)
    own = fake_uv(beside, "echo 'uv 0.13.9'")
    assert choose("auto", {**environ, "PATH": str(tmp_path / "bin")}, beside=beside).program == own
    assert choose("pip", {**environ, "PATH": str(tmp_path / "bin")}, beside=beside).name == "pip"


@pytest.mark.parametrize("says", ["echo uv 0.14.0", "echo uv 0.9.2", "echo who", "exit 3", "echo"])
def test_a_uv_that_is_not_known_to_work_is_never_taken(tmp_path: Path, environ: dict[str, str], alone, says: str):
    fake_uv(tmp_path, says)
    given = {**environ, "PATH": f"{tmp_path}"}
    assert choose("auto", given, beside=tmp_path / "none").name == "pip"
    with pytest.raises(LockhouseError, match="there is no uv") as caught:
        choose("uv", given, beside=tmp_path / "none")
    assert str(tmp_path / "uv") in str(caught.value)
    assert "lockhouse[uv]" in (caught.value.hint or "")


def test_a_uv_in_the_folder_one_stands_in_is_nobodys_choice(tmp_path: Path, environ: dict[str, str], alone):
    fake_uv(tmp_path, "echo uv 0.13.9")
    os.chdir(tmp_path)
    assert choose("auto", {**environ, "PATH": ".:"}, beside=tmp_path / "none").name == "pip"


def test_an_unknown_engine_and_a_missing_one_change_nothing(tmp_path: Path, environ: dict[str, str]):
    project = features_project(tmp_path / "project", environ)
    project.write("pyproject.toml", "[tool.lockhouse]\nengine = 'poetry'\n")
    result = project.call("install")
    assert result.status == 2
    assert "'engine' should be 'auto' or 'pip' or 'uv', not 'poetry'" in result.stderr
    assert project.call("install", "--engine", "conda").status == 2
    assert not (project.root / ".venv").exists()


def test_the_extra_asks_for_the_releases_that_are_known_to_work():
    document = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [extra] = document["project"]["optional-dependencies"]["uv"]
    assert Requirement(extra).specifier == UV_KNOWN


# What they make


def test_uv_installs_where_the_temporary_folder_is_on_another_file_system(tmp_path: Path, environ: dict[str, str]):
    require_engine("uv", tmp_path / "home")
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other file system is known here")
    with tempfile.TemporaryDirectory(dir=memory) as elsewhere:
        project = features_project(tmp_path / "project", {**environ, "TMPDIR": elsewhere})
        result = project.run("install", "--engine", "uv")
        assert result.status == 0, result
        assert project.call("check", "--env").status == 0
        assert not list(Path(elsewhere).iterdir())


@pytest.mark.parametrize("folder", [pytest.param("project", marks=pytest.mark.slow), "pro ject"])
def test_both_make_the_same_files_and_scripts_that_behave_alike(tmp_path: Path, environ: dict[str, str], folder: str):
    project = features_project(tmp_path / folder, environ)
    made = {}
    for engine in BOTH:
        require_engine(engine, tmp_path / "home")
        venv = project.root / f"env-{engine}"
        result = project.run("install", "--engine", engine, "--env", venv.name)
        assert result.status == 0, result
        assert f"installing into {venv.name} with {engine} " in result.stderr
        assert project.call("check", "--env", venv.name).stdout.startswith("ok: ")
        assert deep_findings(project, venv) == []
        assert not list(venv.rglob("*.pyc")), "neither compiles unasked"
        made[engine] = (landed_files(venv), behaviour(project, venv))
        assert all(path.stat().st_nlink == 1 for path in site_packages(venv).rglob("*") if path.is_file())
        # What one of them has made, the other one has nothing to do about.
        other = project.call("install", "--engine", "pip", "--env", venv.name)
        assert "0 added, 0 changed, 0 removed" in other.stdout
    assert made["pip"] == made["uv"]
    assert made["pip"][1] == ["0 odd", "0 VENV", "0 shell", "0 True False"]


@pytest.mark.parametrize("engine", ANY)
def test_byte_code_is_there_where_it_is_asked_for(tmp_path: Path, environ: dict[str, str], engine: str):
    require_engine(engine, tmp_path / "home")
    project = features_project(tmp_path / "project", environ)
    result = project.call("install", "--engine", engine, "--compile")
    assert result.status == 0, result
    packages = site_packages(project.root / ".venv")
    compiled = {path.name.partition(".")[0] for path in packages.rglob("*.pyc")}
    assert {"odd_pure", "odd_plat", "secrets", "__init__"} <= compiled
    assert project.call("check", "--env").stdout.startswith("ok: ")


@pytest.mark.parametrize("engine", ANY)
def test_every_change_of_the_locks_is_made_without_a_network(tmp_path, environ, offline: tuple[str, ...], engine: str):
    assert_no_network(offline)
    require_engine(engine, tmp_path / "home")
    project = Project(tmp_path / "project", environ)
    house = project.root / "wheelhouse"
    names = ["a", "b", "c", "d", "e", "stays"]

    def lock(version: str, *, layer: str = "main", only: list[str] = names) -> None:
        shutil.rmtree(house, ignore_errors=True)
        write_layer_of(project, *(build_wheel(house, name, version if name in "abcde" else "1.0") for name in only))
        write_layer_of(project, build_wheel(house, "devtool", "1.0"), layer="dev", head="-c main.txt\n")

    def run(*argv: str) -> str:
        result = project.run("install", "--engine", engine, *argv, prefix=offline)
        assert result.status == 0, result
        assert project.call("check", *[word for word in argv if word[0] != "-"], "--env").status == 0
        return result.stdout.partition(", without a network")[2]

    lock("1.0")
    assert run() == "".join(f"\n  + {name} 1.0" for name in ["a", "b", "c", "d", "devtool", "e", "stays"]) + "\n"
    assert run() == "\n"
    lock("1.10")
    assert run() == "".join(f"\n  ~ {name} 1.0 -> 1.10" for name in "abcde") + "\n"
    lock("1.9", only=["a", "stays"])
    assert run() == "\n  ~ a 1.10 -> 1.9" + "".join(f"\n  - {name} 1.10" for name in "bcde") + "\n"
    assert run("main") == "\n  - devtool 1.0\n"
    assert run("dev") == "\n  + devtool 1.0\n  - a 1.9\n  - stays 1.0\n"
    assert run() == "\n  + a 1.9\n  + stays 1.0\n"
    shutil.rmtree(site_packages(project.root / ".venv") / "a")
    assert run() == "\n  ~ a 1.9 (mended)\n"


def test_names_are_not_printed_by_the_hundred_unless_asked_for(tmp_path: Path, environ: dict[str, str]):
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    from lockhouse.commands.install import outcome_text
    from lockhouse.install import Move, Outcome

    def moves(count: int) -> tuple[Move, ...]:
        return tuple(Move(name=canonicalize_name(f"p{place}"), after=Version("1")) for place in range(count))

    text = outcome_text(Outcome(added=moves(21), total=21), ".venv", "in 0.1 s", verbose=False)
    assert text == ".venv: 21 added, 0 changed, 0 removed, 21 packages in all in 0.1 s, without a network"
    assert outcome_text(Outcome(added=moves(21), total=21), ".venv", "", verbose=True).count("  + ") == 21
    assert outcome_text(Outcome(added=moves(20), total=20), ".venv", "", verbose=False).count("  + ") == 20


# What is configured


EVERYWHERE = (
    "pip-user-conf", "pip-legacy-conf", "pip-global-conf", "pip-find-links", "pip-extra-index", "pip-constraint",
    "pip-target", "pip-user", "pip-require-virtualenv", "pip-no-binary", "pip-python", "uv-conf", "uv-find-links",
    "uv-index", "uv-no-binary", "uv-prerelease", "pythonpath", "user-site", "virtual-env", "netrc", "pip-dry-run",
)  # fmt: skip


@pytest.mark.parametrize("engine", ANY)
def test_a_polluted_machine_makes_the_same_environment(tmp_path: Path, engine: str):
    require_engine(engine, tmp_path / "clean")
    clean = features_project(tmp_path / "clean project", clean_environ(tmp_path / "clean"))
    assert clean.run("install", "--engine", engine).status == 0
    unwanted = tmp_path / "unwanted"
    build_wheel(unwanted, "plain", "1.0", build="9", files={"plain/__init__.py": "evil = True\n"})
    build_wheel(unwanted, "plain", "2.0")
    home = tmp_path / "home"
    environ = polluted_environ(home, EVERYWHERE, wheels=unwanted, constraint="plain==0.9")
    environ |= {
        "UV_LINK_MODE": "symlink", "UV_SYSTEM_PYTHON": "1", "UV_CONFIG_FILE": str(home / ".config/uv/uv.toml"),
        "UV_CACHE_DIR": str(home / "cache"), "UV_TARGET": str(home / "target"), "UV_COMPILE_BYTECODE": "1",
        "UV_CONSTRAINT": str(home / "constraint.txt"), "UV_OVERRIDE": str(home / "constraint.txt"), "UV_PYTHON": "3.99",
        "UV_DRY_RUN": "1", "UV_NO_VERIFY_HASHES": "1", "UV_BREAK_SYSTEM_PACKAGES": "1", "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / "xdg"), "RUST_LOG": "trace",
    }  # fmt: skip
    project = features_project(tmp_path / "project", environ)
    toml = f"[pip]\nfind-links = ['{unwanted}']\nno-verify-hashes = true\nlink-mode = 'symlink'\n"
    project.write("uv.toml", toml)
    project.write("pip.conf", f"[global]\nfind-links = {unwanted}\n")
    project.write("pyproject.toml", f"[tool.uv.pip]\nfind-links = ['{unwanted}']\n")
    result = project.run("install", "--engine", engine)
    assert result.status == 0, result
    assert landed_files(project.root / ".venv") == landed_files(clean.root / ".venv")
    assert project.call("check", "--env").status == 0
    strange = {"target", "cache", "xdg", "prefix", "root", "other-env", "conda", "usercustomize.log"}
    assert strange.isdisjoint(path.name for path in home.iterdir())


# Where it runs


@pytest.mark.slow
@pytest.mark.parametrize("engine", BOTH)
@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_environments_of_every_python_are_served(tmp_path: Path, environ: dict[str, str], minor: int, engine: str):
    require_engine(engine, tmp_path / "home")
    python = require_python(3, minor)
    project = features_project(tmp_path / "project", environ)
    house = project.root / "wheelhouse"
    # What another target needs lies beside what this one does.
    native = [build_wheel(house, "native", "1.0", tag=f"cp3{each}-none-any") for each in (10, 11, 12, 13)]
    write_layer_of(project, *native, layer="dev", head="-c main.txt\n")
    venv = make_venv(project.root / ".venv", python)
    where = target.of_environment(venv, environ=environ)
    current = projects.read(load(project.root), environ)
    required, allowed = required_and_allowed(current, tuple(current.layers.values()), where)
    kept = Wheelhouse(house)
    chosen = plan.match(required, allowed, kept.inventory(), where).chosen
    found = require_engine(engine, tmp_path / "home")
    install(chosen, Request(house=kept, venv=venv, target=where, environ=environ, engine=lambda: found))
    there = environment.read(venv, f"3.{minor}")
    wanted = {need.name: environment.wanted(stored, kept, there.layout) for need, stored in chosen}
    difference = environment.compare(there, wanted, deep=True)
    assert (difference.missing, difference.differing, difference.extra, difference.strays) == ((), {}, (), ())
    assert installed(venv).keys() == {"odd-name", "space-one", "space-two", "plain", "native"}
    said = project.execute(interpreter(venv), "-c", "import native, sys; print(sys.version_info[1])")
    assert said.stdout == f"{minor}\n", said
    assert behaviour(project, venv) == ["0 odd", "0 VENV", "0 shell", "0 True False"]


def test_an_environment_of_another_python_than_the_target_is_refused(tmp_path: Path, environ: dict[str, str]):
    other = 12 if sys.version_info[1] != 12 else 13
    venv = make_venv(tmp_path / "env", require_python(3, other))
    project = Project(tmp_path, environ)
    before = project.tree(ignore=())
    request = Request(
        house=Wheelhouse(tmp_path),
        venv=venv,
        target=target.running(),
        environ=environ,
        engine=lambda: pytest.fail("no engine is asked for"),
    )
    with pytest.raises(TargetError, match=rf"env is one of Python 3\.{other}, the target is Python 3\.") as caught:
        install((), request)
    assert caught.value.hint
    assert project.tree(ignore=()) == before


def test_an_engine_in_the_environment_that_it_changes_is_copied_out_of_it_first(tmp_path: Path, environ):
    inside = tmp_path / "env" / "pip" / "__pip-runner__.py"
    inside.parent.mkdir(parents=True)
    inside.write_text("pass\n", encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pip = replace(choose("pip", environ), program=inside)
    assert pip.outside(tmp_path / "env", scratch).program == scratch / "engine" / "pip" / inside.name
    assert pip.outside(tmp_path / "other", scratch) is pip
    uv = replace(pip, name="uv", program=fake_uv(tmp_path / "env", "echo"))
    copied = uv.outside(tmp_path / "env", scratch).program
    assert copied == scratch / "uv"
    assert os.access(copied, os.X_OK)


NEEDED = ("click", "packaging", "pip", "tomli")


def test_a_machine_that_only_installs_needs_next_to_nothing(tmp_path: Path, environ: dict[str, str]):
    tools = make_venv(tmp_path / "tools")
    theirs, ours = site_packages(tools), site_packages(Path(sys.prefix))
    for name in NEEDED:
        (theirs / name).symlink_to(ours / name)
        [metadata] = ours.glob(f"{name}-*.dist-info")
        (theirs / metadata.name).symlink_to(metadata)
    # mypyc's own modules, for tomli.
    for native in ours.glob("*__mypyc*"):
        (theirs / native.name).symlink_to(native)
    (theirs / "lockhouse").symlink_to(ROOT / "scripts" / "lockhouse")
    project = features_project(tmp_path / "project", {**environ, "PIP_INDEX_URL": "http://127.0.0.1:9/"})
    for argv in (("install", "--engine", "pip"), ("check", "--env"), ("install",)):
        result = project.execute(interpreter(tools), "-I", "-m", "lockhouse", *argv)
        assert result.status == 0, result
    assert len(installed(project.root / ".venv")) == 4
