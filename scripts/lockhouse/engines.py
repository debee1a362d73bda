"""The installers that put wheels into an environment, pip and uv: which of them is there, and how each is called.

Both are cut off from everything but what they are given: no index, no configuration, no cache, no links.
"""

import contextlib
import importlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from lockhouse import process
from lockhouse.errors import LockhouseError, ProcessError

ENGINES = ("auto", "pip", "uv")
# The releases of uv that every promise of `install` was tested with; the extra `uv` asks for the same.
UV_KNOWN = SpecifierSet(">=0.13.9,<0.14")

_COMMON = ("--no-index", "--require-hashes", "--no-deps", "--only-binary", ":all:")


@dataclass(frozen=True, slots=True)
class Engine:
    """An installer: its name, its version, and the file that runs it."""

    name: str
    version: Version
    program: Path

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def command(self, python: Path, page: Path, requirements: Path) -> tuple[str | Path, ...]:
        """Return what installs the requirements from a page of links into the environment of the interpreter."""
        given = (*_COMMON, "--find-links", page.as_uri(), "--requirement", requirements)
        if self.name == "uv":
            cut = ("--no-config", "--offline", "--no-cache", "--no-progress", "--no-python-downloads")
            # Unpacked into a folder that goes with the process, and linked from there: with "copy", all is written twice.
            return (self.program, "pip", "install", "--python", python, *cut, "--link-mode", "hardlink", *given)
        quiet = ("--disable-pip-version-check", "--root-user-action", "ignore", "--no-warn-script-location")
        return (python, "-I", self.program, "install", "--no-input", "--no-cache-dir", "--no-compile", *quiet, *given)

    def outside(self, prefix: Path, scratch: Path) -> "Engine":
        """Return the engine, copied into the scratch folder where it lies in the environment that it is to change."""
        if not self.program.resolve().is_relative_to(prefix.resolve()):
            return self
        if self.name == "uv":
            return replace(self, program=Path(shutil.copy2(self.program, scratch / self.program.name)))
        copied = shutil.copytree(self.program.parent, scratch / "engine" / self.program.parent.name)
        return replace(self, program=copied / self.program.name)


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment less everything that a user or a machine configures for pip, uv or Python."""
    left = process.without(environ, "PIP_", "UV_", "PYTHON", "VIRTUAL_ENV", "CONDA_", "RUST_", "SOURCE_DATE_EPOCH")
    return left | {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}


def choose(wish: str, environ: Mapping[str, str], *, beside: Path | None = None) -> Engine:
    """Return the engine that is wished for; `auto` takes uv where it is there in a release known to work, else pip.

    `beside` is the folder of Lockhouse's own programs. Raises LockhouseError where what is wished for is not there.
    """
    if wish == "pip":
        return _pip()
    refused = []
    for program in _uvs(environ, Path(sys.executable).parent if beside is None else beside):
        version = _uv_version(program, environ)
        if version is not None and version in UV_KNOWN:
            return Engine("uv", version, program)
        refused.append(f"{program} is {f'uv {version}' if version else 'not a uv that answers'}")
    if wish == "auto":
        return _pip()
    raise LockhouseError(
        f"there is no uv {UV_KNOWN} here{': ' if refused else ''}{'; '.join(refused)}",
        hint="install Lockhouse with its extra: `pip install 'lockhouse[uv]'`; or take pip: `--engine pip`",
    )


def _pip() -> Engine:
    # Found without importing pip: importing it takes as long as a whole check.
    from importlib import metadata  # noqa: PLC0415 - slow to import, and only needed where something is installed

    spec = importlib.util.find_spec("pip")
    if spec is None or spec.origin is None:
        raise LockhouseError("there is no pip beside Lockhouse", hint="install Lockhouse with its dependencies")
    return Engine("pip", Version(metadata.version("pip")), Path(spec.origin).with_name("__pip-runner__.py"))


def _uvs(environ: Mapping[str, str], beside: Path) -> Iterator[Path]:
    name = "uv.exe" if sys.platform == "win32" else "uv"
    found: dict[Path, None] = {}
    if (own := beside / name).is_file():
        found[own] = None
    if packaged := _uv_of_package():
        found[packaged] = None
    # A folder of the PATH that depends on where one stands is nobody's choice.
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if Path(folder).is_absolute()]
    if named := shutil.which(name, path=os.pathsep.join(folders)):
        found[Path(named)] = None
    yield from found


def _uv_of_package() -> Path | None:
    if importlib.util.find_spec("uv") is None:
        return None
    with contextlib.suppress(ImportError, AttributeError, FileNotFoundError):
        found = Path(importlib.import_module("uv").find_uv_bin())
        return found if found.is_file() else None
    return None


def _uv_version(program: Path, environ: Mapping[str, str]) -> Version | None:
    with contextlib.suppress(ProcessError, InvalidVersion, IndexError):
        said = process.run([program, "--version"], cwd=program.parent, environ=scrubbed(environ))
        return Version(said.stdout.split()[1])
    return None


def said_last(error: ProcessError) -> str:
    """Return the last lines that a failed program said."""
    lines = [line for line in (error.stderr or error.stdout).splitlines() if line.strip()]
    return "\n".join(lines[-12:]) or f"exit status {error.returncode}"
