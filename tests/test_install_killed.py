"""Killed at any moment, `lockhouse install` leaves an environment that is whole, or one that the next run makes anew."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockhouse import files
from lockhouse.target import unfinished
from support.engines import BOTH, require_engine
from support.environment import clean_environ
from support.features import landed_files
from support.locks import write_layer_of
from support.offline import offline_obstacle, offline_prefix
from support.project import Project
from support.wheels import build_wheel

# Many small files, so that there is time to die in.
PROJECTS, FILES = 5, 250


def _files(name: str, version: str) -> dict[str, str]:
    return {f"{name}/m{place}.py": f"version = '{version}'\nplace = {place}\n" for place in range(FILES)}


def _write(project: Project, version: str) -> None:
    house = project.root / "wheelhouse"
    names = [f"p{place}" for place in range(PROJECTS)]
    wheels = [build_wheel(house, name, version, files=_files(name, version)) for name in names]
    # Something goes with every change, and something stays.
    wheels += [build_wheel(house, f"only-{version[0]}", "1.0"), build_wheel(house, "stays", "1.0")]
    write_layer_of(project, *wheels)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Project, dict[str, tuple[str, int]]]]:
    """Two states of one project, and what each is when it is installed."""
    found = {}
    for version in ("1.0", "2.0"):
        root = tmp_path_factory.mktemp("two")
        project = Project(root / "project", clean_environ(root / "home"))
        _write(project, version)
        assert project.run("install").status == 0
        found[version] = (project, landed_files(project.root / ".venv"))
    return found


@pytest.mark.parametrize(
    ("kills", "engine"), [(2, "auto"), *(pytest.param(30, engine, marks=pytest.mark.slow) for engine in BOTH)]
)
def test_killed_at_random_moments_an_environment_is_never_half(two, tmp_path: Path, engine: str, kills: int):
    require_engine(engine, tmp_path / "home")
    venv = tmp_path / "env"
    chance = random.Random(kills)
    killed = writing = 0
    state = None
    # At least so many kills, two thirds of so many while files were written; on a busy machine more miss their moment.
    while killed < kills or writing < kills * 2 // 3:
        assert killed < 4 * kills, f"only {writing} of {killed} kills landed while files were written"
        killed += 1
        version = "2.0" if state == "1.0" else "1.0"
        project, whole = two[version]
        writing += _killed_while_writing(project, venv, engine, chance, whole)
        if not unfinished(venv):
            # The moment was before the first change, or after the last.
            there = landed_files(venv)
            assert there in ({}, *(state for _, state in two.values())), "half, and nobody says so"
            if there == whole:
                state = version
        else:
            judged = project.call("check", "--env", str(venv))
            assert judged.status == 1
            assert "an install into this environment was never finished" in judged.stdout
        # Most of the time the next run finds what this one has left, and carries on; else the next kill does.
        if chance.random() < 0.7:
            done = project.run("install", "--engine", engine, "--env", str(venv))
            assert done.status == 0, done
            assert landed_files(venv) == whole
            assert project.call("check", "--env", str(venv)).status == 0
            state = version
    print(f"{engine}: {writing} of {killed} kills landed while files were written")  # noqa: T201 - `pytest -rP` shows it
    project, whole = two["1.0"]
    assert project.run("install", "--engine", engine, "--env", str(venv)).status == 0
    assert landed_files(venv) == whole


def _killed_while_writing(
    project: Project, venv: Path, engine: str, chance: random.Random, whole: dict[str, tuple[str, int]]
) -> bool:
    """Run and kill, with everything it started or alone; return whether files were half written at that moment."""
    # `unshare` becomes the command, and keeps its number.
    prefix = () if offline_obstacle() else offline_prefix()
    process = project.start("install", "--engine", engine, "--env", str(venv), prefix=prefix, own_group=True)
    try:
        _await_change(process, venv)
        # Removing comes first; then the installer starts, which takes pip most of a second.
        time.sleep(chance.uniform(0.0, 1.5 if engine == "pip" else 0.3))
        _signal(process, signal.SIGSTOP)
        there = sum((venv / path).is_file() for path in whole)
        halfway = unfinished(venv) is not None and 0 < there < len(whole)
        if chance.random() < 0.2:
            # The installer lives on for a moment, and holds the lock.
            process.kill()
            _signal(process, signal.SIGCONT)
        else:
            _signal(process, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    return halfway


def _signal(process: subprocess.Popen[str], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _await_change(process: subprocess.Popen[str], venv: Path) -> None:
    while process.poll() is None and not unfinished(venv):
        time.sleep(0.002)


def test_a_second_install_waits_for_the_first_and_says_so(two, tmp_path: Path):
    project, whole = two["1.0"]
    venv = tmp_path / "env"
    with files.exclusive(venv / ".lockhouse" / "lock", lambda: pytest.fail("nobody else is here")):
        process = project.start("install", "--env", str(venv))
        assert process.stderr
        said = ""
        while "waiting for another run of lockhouse to finish" not in said:
            line = process.stderr.readline()
            assert line, f"it ended without waiting: {said}"
            said += line
        assert list(venv.iterdir()) == [venv / ".lockhouse"], "nothing is changed meanwhile"
    process.communicate()
    assert process.returncode == 0
    assert landed_files(venv) == whole


def test_an_installer_whose_lockhouse_was_killed_holds_the_environment_to_its_end(tmp_path: Path):
    from lockhouse import process

    lock, began = tmp_path / "lock", tmp_path / "began"
    child = f"import pathlib, time; pathlib.Path({str(began)!r}).touch(); time.sleep(1)"
    code = (
        "import pathlib, sys; from lockhouse import files, process\n"
        f"with files.exclusive(pathlib.Path({str(lock)!r}), lambda: None) as held:\n"
        f"    process.run([sys.executable, '-c', {child!r}], cwd=pathlib.Path('/'), environ={{}}, inherited=(held,))\n"
    )
    scripts = Path(process.__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", code], env={"PYTHONPATH": str(scripts)}) as parent:
        while not began.exists():
            assert parent.poll() is None
            time.sleep(0.005)
        parent.kill()
    waited = []
    with files.exclusive(lock, lambda: waited.append(True)):
        assert waited == [True]
