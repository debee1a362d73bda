"""What is measured: some two hundred real wheels, 200 MB, that real locks of this repository name."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lockhouse import requirements
from lockhouse.filenames import WheelName
from lockhouse.requirements import Pin, RequirementLine

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "tests" / "data" / "locks"
# The first is taken whole; of the second, what makes the set as heavy as such sets are.
WHOLE, PARTS = LOCKS / "warehouse" / "main.txt", LOCKS / "treeherder" / "common.txt"
HEAVY = ("numpy", "pandas", "pyarrow", "scipy")


@dataclass(frozen=True, slots=True)
class Material:
    """A folder of wheels and the lock that names them."""

    wheels: Path
    lock: str
    files: Mapping[str, str]

    @property
    def size(self) -> int:
        """The bytes of all wheels."""
        return sum((self.wheels / name).stat().st_size for name in self.files.values())


def gathered(cache: Path) -> Material:
    """Return the material, fetched from the configured index the first time and kept in `cache`."""
    project = cache / "material"
    wheels = project / "wheelhouse"
    project.mkdir(parents=True, exist_ok=True)
    (project / "pyproject.toml").write_text("[tool.lockhouse]\nlayers.all = { lock = 'all.txt', sources = [] }\n")
    (project / "all.txt").write_text(_lock_text(), encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    subprocess.run([sys.executable, "-m", "lockhouse", "wheelhouse"], cwd=project, env=environ, check=True)
    files = {str(WheelName.parse(path.name).name): path.name for path in sorted(wheels.glob("*.whl"))}
    stated = [line.split("  ") for line in (wheels / "SHA256SUMS").read_text(encoding="utf-8").splitlines()]
    sums = {name: digest for digest, name in stated}
    lock = "".join(
        f"{wheel.name}=={wheel.version} --hash=sha256:{sums[name]}\n"
        for name in files.values()
        for wheel in [WheelName.parse(name)]
    )
    return Material(wheels=wheels, lock=lock, files=files)


def changed(material: Material, count: int) -> list[str]:
    """Return the file names of `count` wheels of about the median size: what an ordinary upgrade changes."""
    by_size = sorted(material.files.values(), key=lambda name: (material.wheels / name).stat().st_size)
    middle = len(by_size) // 2
    return by_size[middle : middle + count]


def write_wanted(material: Material, path: Path) -> Path:
    """Write which file is wanted of which project, for the floor."""
    path.write_text(json.dumps(dict(material.files)), encoding="utf-8")
    return path


def _lock_text() -> str:
    pins = [*_pins(WHOLE), *(pin for pin in _pins(PARTS) if pin.name in HEAVY)]
    return "".join(
        f"{pin.name}=={pin.version} {' '.join(f'--hash={digest}' for digest in pin.hashes)}\n" for pin in pins
    )


def _pins(path: Path) -> list[Pin]:
    parsed = requirements.parse(path.read_bytes(), PurePosixPath(path.name), environ={})
    lines = (line for line in parsed.lines if isinstance(line, RequirementLine))
    return [pin for line in lines if (pin := requirements.pin_of(line))]
