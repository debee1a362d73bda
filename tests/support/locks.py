"""Locks and sources written by hand, as pip-compile would write them, for tests of what comes after locking."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.utils import parse_wheel_filename

from support.archives import sha256
from support.project import Project


def pin_text(requirement: str, files: Iterable[Path], *, via: str) -> str:
    """Return the lines of one pin, with the sha256 of every file."""
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in sorted(map(sha256, files)))
    return f"{requirement} \\\n{hashes}\n    # via {via}\n"


def write_layer(project: Project, pins: Mapping[str, Iterable[Path]], *, layer: str = "main", head: str = "") -> Path:
    """Write a layer whose source asks for exactly these pins (`name==version`), and its lock; return the lock's path.

    `head` goes before the source's requirements: its option and `-c` lines.
    """
    project.write(f"requirements/{layer}.in", head + "".join(f"{pin}\n" for pin in pins))
    text = "".join(pin_text(pin, files, via=f"-r requirements/{layer}.in") for pin, files in sorted(pins.items()))
    return project.write(f"requirements/{layer}.txt", text)


def write_layer_of(project: Project, *wheels: Path, layer: str = "main", head: str = "") -> Path:
    """Write a layer that pins the project and version of each wheel, by its hash alone or with others of the same pin."""
    pins: dict[str, list[Path]] = {}
    for wheel in wheels:
        name, version, *_ = parse_wheel_filename(wheel.name)
        pins.setdefault(f"{name}=={version}", []).append(wheel)
    return write_layer(project, pins, layer=layer, head=head)
