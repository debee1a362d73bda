"""The rows about fetching a whole lock: Lockhouse, pip, uv and the floor."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from bench import material as stuff
from bench.bench import HERE, LOCKHOUSE, PIP, PYTHON, Address, Bench, command, emptied
from bench.measure import Row, Run, alternating
from lockhouse.config import CONNECTIONS
from support.venvs import make_venv
from support.wheels import build_wheel, sha256

Command: TypeAlias = list[str | Path]


def measured(bench: Bench, material: stuff.Material, rounds: int) -> dict[str, Run]:
    """Measure every row on an index that rotates its URLs, then pip's control on one that does not."""
    project = bench.project(lock=material.lock)
    with bench.serving(material.wheels) as address:
        results = alternating(_rows(bench, material, project, address), rounds)
    with bench.serving(material.wheels, "--stable") as address:
        return results | alternating(_control(bench, project, address), rounds)


def connections(bench: Bench, material: stuff.Material, rounds: int) -> dict[str, Run]:
    """Measure a cold fetch with several settings of `connections`, of which the default is one."""
    projects = {
        number: replace(bench, connections=number).project(lock=material.lock)
        for number in sorted({4, 8, 16, CONNECTIONS, 32, 48})
    }
    with bench.serving(material.wheels) as address:
        environ = bench.environ(address, bench.folder())
        rows = [
            Row(
                f"lockhouse, cold, {number} connections",
                lambda project=project: shutil.rmtree(project / "wheelhouse", ignore_errors=True),  # type: ignore[misc]
                lambda project=project: command([*LOCKHOUSE, "wheelhouse"], project, environ),  # type: ignore[misc]
            )
            for number, project in projects.items()
        ]
        return alternating(rows, rounds)


def memory(bench: Bench, size: int) -> dict[str, Run]:
    """Measure the memory that one wheel of `size` bytes takes."""
    folder = bench.folder()
    wheel = build_wheel(folder, "whale", "1.0", size=size)
    project = bench.project(lock=f"whale==1.0 --hash=sha256:{sha256(wheel)}\n")
    with bench.serving(folder) as address:
        environ = bench.environ(address, bench.folder())
        fetch = Row("one big wheel, cold", lambda: None, lambda: command([*LOCKHOUSE, "wheelhouse"], project, environ))
        return alternating([fetch], 1)


def _rows(bench: Bench, material: stuff.Material, project: Path, address: Address) -> list[Row]:
    home, out = bench.folder(), bench.folder()
    environ = bench.environ(address, home)
    house, lock = project / "wheelhouse", project / "requirements" / "main.txt"
    ours = functools.partial(command, cwd=project, environ=environ)
    theirs = functools.partial(command, cwd=out, environ=environ)
    wanted = stuff.write_wanted(material, bench.scratch / "wanted.json")
    connections = str(bench.connections or CONNECTIONS)
    floor: Command = [PYTHON, HERE / "floor.py", address.url, address.ca, wanted, out, "--connections", connections]
    download: Command = [*PIP, "download", "--no-deps", "--require-hashes", "-r", lock, "-d", out]
    wheel: Command = [*PIP, "wheel", "--no-deps", "--require-hashes", "--find-links", house, "-w", out, "-r", lock]
    uv: Command = [
        Path(PYTHON).with_name("uv"),
        "pip",
        "sync",
        "--require-hashes",
        "--python",
        out / "env/bin/python",
        lock,
    ]
    five = stuff.changed(material, 5)

    def drop() -> None:
        for name in five:
            (house / name).unlink()

    def fresh() -> None:
        emptied(out, home)
        make_venv(out / "env")

    return [
        Row(
            "lockhouse, cold",
            lambda: shutil.rmtree(house, ignore_errors=True),
            lambda: ours([*LOCKHOUSE, "wheelhouse"]),
        ),
        Row("floor", lambda: emptied(out), lambda: theirs(floor)),
        Row("uv pip sync, cold", fresh, lambda: theirs(uv)),
        Row("lockhouse, 5 pins changed", drop, lambda: ours([*LOCKHOUSE, "wheelhouse"])),
        Row("lockhouse, nothing to do", lambda: None, lambda: ours([*LOCKHOUSE, "wheelhouse"])),
        Row("pip wheel --find-links, all there", lambda: emptied(out), lambda: theirs(wheel)),
        Row("pip download, cold", lambda: emptied(out, home), lambda: theirs(download)),
        Row("pip download, again", lambda: emptied(out), lambda: theirs(download)),
    ]


def _control(bench: Bench, project: Path, address: Address) -> list[Row]:
    home, out = bench.folder(), bench.folder()
    environ = bench.environ(address, home)
    lock = project / "requirements" / "main.txt"
    download: Command = [*PIP, "download", "--no-deps", "--require-hashes", "-r", lock, "-d", out]
    return [
        Row("pip download, stable URLs, cold", lambda: emptied(out, home), lambda: command(download, out, environ)),
        Row("pip download, stable URLs, again", lambda: emptied(out), lambda: command(download, out, environ)),
    ]
