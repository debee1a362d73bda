"""Sound, byte-deterministic wheels and sdists, and the means to spoil them.

Refuses nothing: a caller that asks for an unsound name, tag or metadata gets exactly that.
"""

import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from support.archives import WheelWriter, padding, sha256, write_tar_gz

__all__ = [
    "SdistStyle",
    "build_pip_wheel",
    "build_sdist",
    "build_wheel",
    "flip_byte",
    "module_name",
    "rewrite_wheel",
    "sha256",
]

_NONE: Mapping[str, Any] = MappingProxyType({})

SdistStyle = Literal["setup.py", "pyproject", "in-tree"]
"""How an sdist is built: by setuptools without a `pyproject.toml`, by setuptools with one, or by a backend that it
brings along and that requires nothing, so that it builds where there is neither network nor setuptools."""


def build_wheel(
    directory: Path,
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    extras: Mapping[str, Sequence[str]] = _NONE,
    requires_python: str | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    files: Mapping[str, str | bytes] | None = None,
    entry_points: Mapping[str, str] = _NONE,
    size: int = 0,
    filename: str | None = None,
    metadata_name: str | None = None,
    metadata_version: str | None = None,
) -> Path:
    """Write a wheel with a package of one module that knows its `__version__`, and return its path.

    `files` are further members (or other contents for the usual ones) by archive path; `size` is the bytes of
    incompressible padding; `filename`, `metadata_name` and `metadata_version` let the wheel contradict itself.
    """
    module, file_version = module_name(name), _canonical(version).replace("-", "_")
    info = f"{module}-{file_version}.dist-info"
    metadata = _metadata(metadata_name or name, metadata_version or version, requires, extras, requires_python)
    members: dict[str, str | bytes] = {
        f"{module}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": _wheel_file(tag, build),
    }
    if entry_points:
        lines = [f"{command} = {target}" for command, target in sorted(entry_points.items())]
        members[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines, ""])
    members |= files or {}
    parts = [module, file_version, *([build] if build else []), tag]
    path = directory / (filename or "-".join(parts) + ".whl")
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        writer = WheelWriter(archive)
        if size:
            writer.add(f"{module}/padding.bin", padding(f"{module} {version}", size), compress=False)
        for member, data in members.items():
            writer.add(member, iter([_bytes(data)]))
        record = f"{info}/RECORD"
        writer.add(record, iter([writer.record(record)]))
    return path


def build_pip_wheel(directory: Path) -> Path:
    """Write the pip of this environment as a wheel, and return its path."""
    pip = distribution("pip")
    members = [path for path in pip.files or () if path.parts[0] == "pip" and path.suffix != ".pyc"]
    return build_wheel(directory, "pip", pip.version, files={path.as_posix(): path.read_binary() for path in members})


def build_sdist(
    directory: Path,
    name: str,
    version: str,
    *,
    style: SdistStyle = "setup.py",
    requires: Sequence[str] = (),
    build_requires: Sequence[str] = ("setuptools",),
    requires_python: str | None = None,
    files: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Write a `.tar.gz` sdist of the same one-module package, and return its path.

    `files` are further members (or other contents for the usual ones) by path within the sdist's own folder;
    `build_requires` says what `pyproject.toml` asks for, and counts in the style "pyproject" only.
    """
    module, file_version = module_name(name), _canonical(version)
    members: dict[str, str | bytes] = {
        "PKG-INFO": _metadata(name, version, requires, {}, requires_python),
        f"{module}/__init__.py": f'__version__ = "{version}"\n',
    }
    if style == "setup.py":
        members["setup.py"] = _SETUP_PY.format(
            name=name, version=version, module=module, requires=list(requires), python=requires_python
        )
    elif style == "pyproject":
        python = f"requires-python = {_toml(requires_python)}\n" if requires_python else ""
        members["pyproject.toml"] = _PYPROJECT.format(
            name=name,
            version=version,
            module=module,
            requires=_toml(requires),
            build=_toml(build_requires),
            python=python,
        )
    else:
        members["pyproject.toml"] = _IN_TREE_PYPROJECT
        members["backend.py"] = _IN_TREE_BACKEND.format(module=module, version=file_version)
    members |= files or {}
    folder = f"{module}-{file_version}"
    path = directory / f"{folder}.tar.gz"
    directory.mkdir(parents=True, exist_ok=True)
    write_tar_gz(path, {f"{folder}/{member}": _bytes(data) for member, data in members.items()})
    return path


def rewrite_wheel(path: Path, mutate: Callable[[dict[str, bytes]], object], *, stale_record: bool = False) -> Path:
    """Let `mutate` change, add or remove members in place, write the wheel again, and return its path.

    RECORD is made to fit, unless it is to be stale (or `mutate` removes it): then it stays as `mutate` left it.
    """
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    mutate(members)
    record = next((name for name in members if name.endswith(".dist-info/RECORD")), None)
    with zipfile.ZipFile(path, "w") as archive:
        writer = WheelWriter(archive)
        for name, data in members.items():
            if name != record or stale_record:
                writer.add(name, iter([data]))
        if record and not stale_record:
            writer.add(record, iter([writer.record(record)]))
    return path


def flip_byte(path: Path, offset: int | None = None) -> Path:
    """Change one byte of the file, the middle one unless told, without changing its size; return the path."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2 if offset is None else offset] ^= 0xFF
    path.write_bytes(data)
    return path


def module_name(name: str) -> str:
    """Return the name that a project has in file names and, here, as a package.

    >>> module_name("Zope.Interface")
    'zope_interface'
    """
    return canonicalize_name(name).replace("-", "_")


def _canonical(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return version


def _bytes(data: str | bytes) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _metadata(
    name: str, version: str, requires: Sequence[str], extras: Mapping[str, Sequence[str]], requires_python: str | None
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: Made for a test"]
    if requires_python:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += _extra_lines(extras)
    return "\n".join([*lines, "", "Made for a test.", ""])


def _extra_lines(extras: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for extra, requirements in extras.items():
        yield f"Provides-Extra: {extra}"
        for text in requirements:
            requirement = Requirement(text)
            condition = f'extra == "{extra}"'
            requirement.marker = Marker(f"({requirement.marker}) and {condition}" if requirement.marker else condition)
            yield f"Requires-Dist: {requirement}"


def _wheel_file(tag: str, build: str) -> str:
    pure = "true" if tag.endswith("-any") else "false"
    lines = ["Wheel-Version: 1.0", "Generator: lockhouse-tests (1.0)", f"Root-Is-Purelib: {pure}"]
    lines += [f"Build: {build}"] if build else []
    lines += [f"Tag: {text}" for text in sorted(map(str, parse_tag(tag)))]
    return "\n".join([*lines, ""])


def _toml(value: str | Sequence[str] | None) -> str:
    """Write a string or a list of strings as TOML; a literal string will do for requirement texts."""
    if isinstance(value, str):
        return f"'''{value}'''"
    return "[" + ", ".join(f"'''{text}'''" for text in value or ()) + "]"


_SETUP_PY = """\
from setuptools import setup

setup(
    name={name!r},
    version={version!r},
    packages=[{module!r}],
    install_requires={requires!r},
    python_requires={python!r},
)
"""

_PYPROJECT = """\
[build-system]
requires = {build}
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "{version}"
dependencies = {requires}
{python}
[tool.setuptools]
packages = ["{module}"]
"""

_IN_TREE_PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

_IN_TREE_BACKEND = '''\
"""Builds this one package and needs nothing for it."""

import base64
import hashlib
import os
import zipfile

INFO = "{module}-{version}.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        metadata = file.read()
    with open("{module}/__init__.py", encoding="utf-8") as file:
        source = file.read()
    members = {{
        "{module}/__init__.py": source,
        f"{{INFO}}/METADATA": metadata,
        f"{{INFO}}/WHEEL": "Wheel-Version: 1.0\\nGenerator: in-tree\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = ""
    for name, text in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{{name}},sha256={{digest}},{{len(text.encode())}}\\n"
    members[f"{{INFO}}/RECORD"] = record + f"{{INFO}}/RECORD,,\\n"
    wheel = "{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    return wheel
'''
