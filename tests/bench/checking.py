"""The rows about `check`: of the locks alone, of all wheels, and of every member of them, each beside what it may cost."""

import shutil
import subprocess
import sys

from bench import material as stuff
from bench.bench import LOCKHOUSE, PIP, Bench, command
from bench.measure import Row, Run, alternating

# These rows are short, and a machine's moods are long: each is measured so many times as often as the others.
MORE_OFTEN = {"locks": 10, "wheels": 3}


def measured(bench: Bench, material: stuff.Material, rounds: int) -> dict[str, Run]:
    """Measure `check` beside `pip --version` and `sha256sum`, all as whole processes, turn by turn."""
    environ = bench.clean(bench.folder())
    locks = bench.project(lock=stuff.WHOLE.read_text(encoding="utf-8"))
    project = bench.project(lock=material.lock)
    house = project / "wheelhouse"
    shutil.copytree(material.wheels, house, ignore=lambda _, names: [name for name in names if name[-4:] != ".whl"])
    results = alternating(
        [
            Row("check --locks-only", nothing, lambda: command([*LOCKHOUSE, "check", "--locks-only"], locks, environ)),
            Row("pip --version", nothing, lambda: command([*PIP, "--version"], locks, environ)),
        ],
        rounds * MORE_OFTEN["locks"],
    )
    rows = [
        Row("check", nothing, lambda: command([*LOCKHOUSE, "check"], project, environ)),
        Row("sha256sum", nothing, lambda: command(["sha256sum", *sorted(house.glob("*.whl"))], project, environ)),
    ]
    if knows_deep(bench):
        rows.append(Row("check --deep", nothing, lambda: command([*LOCKHOUSE, "check", "--deep"], project, environ)))
    return results | alternating(rows, rounds * MORE_OFTEN["wheels"])


def knows_deep(bench: Bench) -> bool:
    """Return whether there is `check --deep`; say so on standard error where not."""
    said = subprocess.run(
        [*LOCKHOUSE, "check", "--help"],
        env=bench.clean(bench.folder()), cwd=bench.scratch, stdout=subprocess.PIPE, text=True, check=True,
    ).stdout  # fmt: skip
    if "--deep" not in said:
        print("check --deep: skipped, for this Lockhouse has no such option", file=sys.stderr)
    return "--deep" in said


def nothing() -> None:
    """Do nothing: these rows need no preparation."""
