"""The rows about `install`: the whole step with each engine beside that engine alone, and with nothing to do beside `check`."""

import functools
import importlib.metadata
import shutil
from pathlib import Path
from typing import TypeAlias

from bench import material as stuff
from bench.bench import LOCKHOUSE, PYTHON, Bench, command
from bench.measure import Row, Run, alternating
from lockhouse.engines import scrubbed
from support.venvs import interpreter, make_venv

Command: TypeAlias = list[str | Path]

# With nothing to do it takes a second, and a machine's moods are long: it is measured so many times as often.
MORE_OFTEN = 5


def measured(bench: Bench, material: stuff.Material, rounds: int) -> dict[str, Run]:
    """Measure every row into an empty environment that stands there already, turn by turn, all from one directory of wheels."""
    project = bench.project(lock=material.lock)
    house, lock, venv = project / "wheelhouse", project / "requirements" / "main.txt", project / ".venv"
    shutil.copytree(material.wheels, house, ignore=lambda _, names: [name for name in names if name[-4:] != ".whl"])
    # What Lockhouse keeps from its engines is kept from the others, too.
    environ = bench.clean(bench.folder())
    ours = functools.partial(command, cwd=project, environ=environ)
    theirs = functools.partial(command, cwd=project, environ=scrubbed(environ))
    found: Command = ["--no-index", "--require-hashes", "--find-links", house]

    def fresh() -> None:
        shutil.rmtree(venv, ignore_errors=True)
        make_venv(venv)

    uv: Command = [Path(PYTHON).with_name("uv"), "pip", "sync", "--python", interpreter(venv), *found]
    uv += ["--link-mode", "copy", "--no-cache", "--offline", lock]
    pip: Command = [interpreter(venv), "-I", _pip_runner(), "install"]
    quiet: Command = [
        "--no-input",
        "--disable-pip-version-check",
        "--root-user-action",
        "ignore",
        "--no-warn-script-location",
    ]
    same: Command = [
        *quiet,
        "--no-cache-dir",
        "--no-compile",
        "--no-deps",
        "--only-binary",
        ":all:",
        *found,
        "--requirement",
        lock,
    ]
    rows = [
        Row("install --engine uv", fresh, lambda: ours([*LOCKHOUSE, "install", "--engine", "uv"])),
        Row("uv pip sync, from the wheels", fresh, lambda: theirs(uv)),
        Row("install --engine pip", fresh, lambda: ours([*LOCKHOUSE, "install", "--engine", "pip"])),
        Row("pip install, with the same flags", fresh, lambda: theirs([*pip, *same])),
        Row("pip install, from the wheels", fresh, lambda: theirs([*pip, *found, "--no-deps", "-r", lock])),
    ]
    results = alternating(rows, rounds)
    ours([*LOCKHOUSE, "install"])
    again = [
        Row("install, nothing to do", nothing, lambda: ours([*LOCKHOUSE, "install"])),
        Row("check, beside install", nothing, lambda: ours([*LOCKHOUSE, "check"])),
    ]
    return results | alternating(again, rounds * MORE_OFTEN)


def _pip_runner() -> Path:
    """Return what runs our pip on another interpreter, without pip's own detour by way of `--python`."""
    return Path(str(importlib.metadata.distribution("pip").locate_file("pip/__pip-runner__.py")))


def nothing() -> None:
    """Do nothing: these rows need no preparation."""
