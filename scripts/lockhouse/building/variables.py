"""The variables of a build, put together from an allow list: what is not named here does not reach a build.

Nothing in them depends on who builds, when, or with which build tools beside the compiler; see reproducible-builds.org.
"""

import os
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path

from lockhouse.target import interpreter_of

_PASSED = (
    "AR", "ARCHFLAGS", "CC", "CFLAGS", "CPPFLAGS", "CXX", "CXXFLAGS", "LD", "LDFLAGS", "MACOSX_DEPLOYMENT_TARGET",
    "PKG_CONFIG_PATH", "SDKROOT", "SYSTEMROOT",
)  # fmt: skip
# A backend asks for less where it finds these, so that what it asks for would depend on the machine.
_TOOLS = frozenset({"cmake", "cmake3", "meson", "ninja", "ninja-build", "patchelf", "samu"})
# Port 9 is the discard service's: nothing answers there.
_NOWHERE = "http://127.0.0.1:9"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")


def build_environ(
    environ: Mapping[str, str], *, source: Path, environment: Path, scratch: Path, room: Path, epoch: int
) -> dict[str, str]:
    """Return the variables of a build of `source` with the tools of `environment`.

    `room` has the folders `home` and `tmp`; a folder `shadow` is made in it where tools must be hidden. All paths are
    absolute, without symbolic links, and below `scratch` but for the environment, which may be anywhere.
    """
    kept = {name: environ[name] for name in _PASSED if name in environ}
    maps = prefix_maps({scratch: "scratch", environment: "environment", source: "."})
    # setuptools takes CFLAGS, where there are any, in place of the interpreter's own flags, optimisation and all; what stands
    # in CPPFLAGS it adds to them, and so do Meson, autoconf and make. CMake knows CFLAGS only.
    variables = ("CFLAGS", "CXXFLAGS")
    mapped = variables if _uses_cmake(source) else [name for name in variables if name in environ]
    for name in ("CPPFLAGS", *mapped):
        kept[name] = " ".join(filter(None, [kept.get(name, ""), maps]))
    temporary = str(room / "tmp")
    return {
        **kept,
        **dict.fromkeys((*_PROXIES, *map(str.upper, _PROXIES)), _NOWHERE),
        "HOME": str(room / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": _path(environ.get("PATH", os.defpath), environment, room / "shadow"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_INPUT": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "SOURCE_DATE_EPOCH": str(epoch),
        "TEMP": temporary,
        "TMP": temporary,
        "TMPDIR": temporary,
        "TZ": "UTC",
    }


def prefix_maps(names: Mapping[Path, str]) -> str:
    """Return the compiler's options that write these folders under other names; of several that fit, the last counts.

    >>> prefix_maps({Path("/a b"): "."})
    "'-ffile-prefix-map=/a b=.'"
    """
    return shlex.join(f"-ffile-prefix-map={folder}={name}" for folder, name in names.items())


def _uses_cmake(source: Path) -> bool:
    try:
        system = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
        return str(system["build-backend"]).startswith("scikit_build_core")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _path(path: str, environment: Path, shadows: Path) -> str:
    """Return the environment's commands, then the user's, but for the tools that must not be found."""
    found: dict[str, None] = {str(interpreter_of(environment).parent): None}
    for word in path.split(os.pathsep):
        # What is not absolute would be looked for in the source.
        if os.path.isabs(word):  # noqa: PTH117 - an empty word is no path
            folder = os.path.realpath(word)
            # Path.is_dir would raise where the user may not look.
            if os.path.isdir(folder):  # noqa: PTH112
                found[str(_without_tools(Path(folder), shadows))] = None
    return os.pathsep.join(found)


def _without_tools(folder: Path, shadows: Path) -> Path:
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names are all that is needed
    except OSError:
        return folder
    kept = [name for name in names if name.lower().removesuffix(".exe") not in _TOOLS]
    if len(kept) == len(names):
        return folder
    # Named after the place and not after its turn, so that two folders never share one.
    shadow = shadows.joinpath(*folder.parts[1:])
    if not shadow.is_dir():
        shadow.mkdir(parents=True)
        for name in kept:
            (shadow / name).symlink_to(folder / name)
    return shadow
