"""The wheels of local projects that were installed last, kept in the environment itself with a key of what they are of.

What is kept only informs: it spares a build where nothing has changed, and a file that is not as noted counts as none.
"""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from lockhouse import files, hashing
from lockhouse.errors import WheelError
from lockhouse.filenames import WheelName
from lockhouse.local.declaration import LocalProject
from lockhouse.target import STATE
from lockhouse.wheelhouse import StoredWheel

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalWheel:
    """The wheel of a local project: the project as its METADATA describes it, and whether it was `built` just now.

    `key` stands for everything that decides what the build gives.
    """

    project: LocalProject
    stored: StoredWheel
    key: str
    built: bool


def find(venv: Path, name: NormalizedName, key: str) -> Path | None:
    """Return the wheel of a project that was installed last, if it is of this key and its bytes are still those."""
    folder = _folder(venv)
    try:
        document = json.loads((folder / "wheels.json").read_bytes())
        entry = document["wheels"][name]
        path = folder / WheelName.parse(entry["wheel"]).filename
        same = document["schema"] == SCHEMA and entry["key"] == key and hashing.digests(path)[0].hex == entry["sha256"]
    except (OSError, ValueError, LookupError, TypeError, WheelError):
        return None
    return path if same else None


def all_of(venv: Path, names: Iterable[NormalizedName]) -> dict[NormalizedName, StoredWheel]:
    """Return the wheels of these projects that were installed last, whatever they are of; their bytes are as noted."""
    found = {}
    for name in names:
        if (noted := _noted(venv, name)) and (path := find(venv, name, noted)):
            stored = WheelName.parse(path.name)
            found[name] = StoredWheel(
                wheel=stored, size=path.stat().st_size, digests=hashing.digests(path), folder=path.parent
            )
    return found


def _noted(venv: Path, name: NormalizedName) -> str | None:
    try:
        return str(json.loads((_folder(venv) / "wheels.json").read_bytes())["wheels"][name]["key"])
    except (OSError, ValueError, LookupError, TypeError):
        return None


def keep(wheels: Sequence[LocalWheel], venv: Path) -> None:
    """Keep the wheels that were installed into an environment, and no others; raises OSError."""
    folder = _folder(venv)
    if not wheels and not folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for each in wheels:
        if each.stored.folder and each.stored.folder != folder:
            shutil.copyfile(each.stored.folder / each.stored.filename, folder / each.stored.filename)
    noted = {
        each.project.name: {"key": each.key, "sha256": each.stored.sha256.hex, "wheel": each.stored.filename}
        for each in wheels
    }
    text = json.dumps({"schema": SCHEMA, "wheels": noted}, indent=1, sort_keys=True)
    files.write_if_different(folder / "wheels.json", f"{text}\n")
    wanted = {each.stored.filename for each in wheels}
    for path in folder.glob("*.whl"):
        if path.name not in wanted:
            path.unlink()


def _folder(venv: Path) -> Path:
    return venv / STATE / "local"
