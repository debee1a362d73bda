"""Killed at any moment, `lockhouse wheelhouse` leaves no wrong file under a final name, and the next run carries on."""

import random
import signal
import time
from pathlib import Path

import pytest

from support.index import Index
from support.locks import write_layer_of
from support.project import Project
from support.wheels import build_wheel, sha256

# Bytes a second of each file: the larger wheels take most of a second, so that there is time to die in.
RATE = 800_000
SIZES = {"small": 150_000, "large": 600_000, "larger": 700_000}


@pytest.mark.parametrize("rounds", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_never_leaves_a_wrong_file(project: Project, index: Index, rounds: int):
    locked = {
        wheel.name: wheel
        for wheel in (build_wheel(index.directory, name, "1.0", size=size) for name, size in SIZES.items())
    }
    write_layer_of(project, *locked.values())
    house = project.root / "wheelhouse"
    chance = random.Random(rounds)
    killed = halfway = 0
    # At least so many kills, four fifths of so many halfway through a file; on a busy machine more miss their moment.
    while killed < rounds or halfway < rounds * 4 // 5:
        assert killed < 3 * rounds, f"only {halfway} of {killed} kills landed while a file was half written"
        killed += 1
        index.rate = RATE
        index.reset_log()
        halfway += _killed_halfway(project, index, house, chance)
        assert _wrong(house, locked) == []
        # Half of the time, the next run finds what this one has left, half-written files and all.
        if chance.random() < 0.5:
            index.rate = None
            result = project.call("wheelhouse")
            assert result.status == 0, result
            assert _wrong(house, locked) == []
            assert {path.name for path in house.glob("*.whl")} == set(locked)
            assert project.tree("wheelhouse/.lockhouse/tmp") == {}
        for wheel in house.glob("*.whl"):
            wheel.unlink()
    print(f"{halfway} of {killed} kills landed while a file was half written")  # noqa: T201 - `pytest -rP` shows it
    index.rate = None
    result = project.call("wheelhouse")
    assert result.status == 0, result
    assert {path.name: sha256(path) for path in house.glob("*.whl")} == {
        name: sha256(wheel) for name, wheel in locked.items()
    }
    assert project.tree("wheelhouse/.lockhouse/tmp") == {}
    assert project.execute("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=house).status == 0


def _killed_halfway(project: Project, index: Index, house: Path, chance: random.Random) -> bool:
    """Run and kill; return whether a file was half written at that moment, when the process already stood still."""
    process = project.start("wheelhouse")
    try:
        while not index.requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
        time.sleep(chance.uniform(0.05, 0.8))
        process.send_signal(signal.SIGSTOP)
        parts = [path.stat().st_size for path in house.glob(".lockhouse/tmp/*.part")]
        process.kill()
    finally:
        process.kill()
        process.communicate()
    whole = max(path.stat().st_size for path in index.directory.iterdir())
    return any(0 < size < whole for size in parts)


def _wrong(house: Path, locked: dict[str, Path]) -> list[str]:
    """Return every final name that is not a locked wheel with the locked bytes, or one of Lockhouse's own files."""
    found = [path for path in house.iterdir() if path.name not in {".lockhouse", "SHA256SUMS"}]
    return [path.name for path in found if path.name not in locked or sha256(path) != sha256(locked[path.name])]
