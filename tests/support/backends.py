"""Real build backends for tests: the wheels that this repository's own wheelhouse holds, inputs of builds among them, on an index."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.index import Index

HOUSE = Path(__file__).resolve().parents[2] / "wheelhouse"


def offer(index: Index, *projects: str) -> None:
    """Put the wheels of these projects onto the index; the test is skipped where the wheelhouse has none."""
    for project in projects:
        wheels = [*HOUSE.glob(f"{project}-*.whl"), *HOUSE.glob(f".lockhouse/build/{project}-*.whl")]
        if not wheels:
            pytest.skip(f"there is no wheel of {project} in {HOUSE.name}/: run `make install`")
        for wheel in wheels:
            shutil.copy(wheel, index.directory)


def offer_lockhouse(index: Index) -> None:
    """Put a wheel of this checkout onto the index, and those of all that it needs at run time."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(index.directory)]
    subprocess.run(command, cwd=HOUSE.parent, check=True, capture_output=True)
    lock = (HOUSE.parent / "requirements" / "main.txt").read_text(encoding="utf-8")
    offer(index, *(name.replace("-", "_") for name in re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)))
