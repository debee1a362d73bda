"""Virtual environments, what is installed in them, and the Pythons of this machine."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import MetadataPathFinder, distributions
from pathlib import Path
from types import MappingProxyType

import pytest
from packaging.utils import NormalizedName, canonicalize_name

_IDENTIFY = "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.executable, sep='\\n')"


def make_venv(path: Path, python: str | Path = sys.executable, *, with_pip: bool = False) -> Path:
    """Create a virtual environment, with the pip that Python bundles if asked, and return its path."""
    options = [] if with_pip else ["--without-pip"]
    subprocess.run([python, "-I", "-m", "venv", *options, path], check=True, capture_output=True)
    return path


def interpreter(env: Path) -> Path:
    """Return the environment's Python."""
    return env / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def site_packages(env: Path) -> Path:
    """Return the environment's site-packages; raises LookupError where there is not exactly one."""
    found = [*env.glob("lib/python3*/site-packages"), *env.glob("Lib/site-packages")]
    if len(found) != 1:
        raise LookupError(f"{env} has {len(found)} site-packages: {found}")
    return found[0]


def installed(env: Path) -> dict[NormalizedName, str]:
    """Return the versions of what is installed in the environment, by normalised name."""
    MetadataPathFinder().invalidate_caches()
    found = distributions(path=[str(site_packages(env))])
    return {canonicalize_name(distribution.name): distribution.version for distribution in found}


@functools.cache
def pythons() -> Mapping[tuple[int, int], Path]:
    """Return the CPythons of this machine by version: the running one, pyenv's, and `python3.N` on the PATH."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found: dict[tuple[int, int], Path] = {}
    for candidate in [Path(sys.executable), *sorted(root.glob("versions/3.*/bin/python"))]:
        found = dict(_identified(candidate)) | found
    for minor in range(8, 20):
        if (3, minor) not in found and (named := shutil.which(f"python3.{minor}")):
            found |= _identified(named)
    return MappingProxyType(found)


def _identified(candidate: str | Path) -> list[tuple[tuple[int, int], Path]]:
    """Return version and path of the interpreter, or nothing where it does not run or is no CPython."""
    done = subprocess.run([candidate, "-I", "-c", _IDENTIFY], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return []
    name, major, minor, executable = done.stdout.splitlines()
    # The reported path, because a shim of pyenv's works with the user's HOME only.
    return [((int(major), int(minor)), Path(executable))] if name == "cpython" else []


def require_python(major: int, minor: int) -> Path:
    """Return that CPython, or skip the test where this machine has none."""
    if (major, minor) not in pythons():
        pytest.skip(f"no CPython {major}.{minor} here")
    return pythons()[major, minor]


def copied_with_venv(source: Path, target: Path) -> Path:
    """Copy a project with its `.venv`, whose commands start the copy's Python then, as if it had been installed there."""
    shutil.copytree(source, target, symlinks=True)
    for script in (target / ".venv" / "bin").iterdir():
        if script.is_file() and not script.is_symlink():
            content = script.read_bytes()
            if str(source).encode() in content:
                script.write_bytes(content.replace(str(source).encode(), str(target).encode()))
    return target
