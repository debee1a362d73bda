"""Real build backends for tests: the wheels that this repository's own wheelhouse holds, inputs of builds among them, on an index."""

import shutil
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
