"""Why a build failed: the end of its log made safe to show, and what mends it as far as the log tells."""

import os
import re
from collections.abc import Callable
from typing import IO

from lockhouse.errors import LockhouseError
from lockhouse.redact import redact_error

_LINES, _COLUMNS = 30, 400
_READ_AT_MOST = 1 << 18
# Modules that belong to a project of another name, or to an old version of it.
_PROJECTS = {"distutils": "setuptools", "pkg_resources": "setuptools<81", "skbuild": "scikit-build"}


class BuildError(LockhouseError):
    """An sdist could not be built; `package` is its folder's name, `step` the hook (PEP 517), `tail` the log's end."""

    def __init__(
        self, reason: str, *, package: str, step: str, status: int = 0, tail: str = "", hint: str | None = None
    ) -> None:
        super().__init__(reason, hint=hint)
        self.package = package
        self.step = step
        self.status = status
        self.tail = tail


class HookMissingError(BuildError):
    """The backend has no such hook (PEP 660's are not for everyone)."""


def failed(package: str, step: str, status: int, log: IO[bytes], reason: str = "") -> BuildError:
    """Return the error of a hook that failed: what it said last, and a hint found in that."""
    text = end_of(log)
    tail = shown(text)
    said = "\n".join(f"  {line}" for line in tail.splitlines())
    return BuildError(
        f"{package} could not be built: {reason or f'{step} failed with exit status {status}'}"
        + (f"; the end of its log:\n{said}" if said else ""),
        package=package,
        step=step,
        status=status,
        tail=tail,
        hint=hint_for(text),
    )


def end_of(log: IO[bytes]) -> str:
    """Return the last 256 KiB of the open log; its name is not used, since a build may have replaced the file."""
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _READ_AT_MOST))
    return log.read().decode("utf-8", "replace")


def shown(text: str) -> str:
    """Return the last 30 lines that say something, without secrets, control characters and endless lines."""
    lines = [line.expandtabs(4).rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    tail = "\n".join(line[:_COLUMNS] for line in lines[-_LINES:])
    return "".join(sign for sign in redact_error(tail) if sign.isprintable() or sign == "\n")


def hint_for(text: str) -> str | None:
    """Return what to do about the last known complaint in a log, or None.

    >>> hint_for("ModuleNotFoundError: No module named 'cython.build'")
    'add `cython` below the line in requirements/build/NAME.in, then run `make lock`'
    """
    found = [
        (match.start(), -place, match, hint)
        for place, (pattern, hint) in enumerate(_HINTS)
        for match in pattern.finditer(text)
    ]
    if not found:
        return None
    _, _, match, hint = max(found, key=lambda one: one[:2])
    return hint(match)


def _add(project: str) -> str:
    return f"add `{project}` below the line in requirements/build/NAME.in, then run `make lock`"


def _module(match: re.Match[str]) -> str:
    module = match["name"].partition(".")[0]
    if module == "pip":
        return _ASKED_PIP
    return _add(_PROJECTS.get(module, module))


def _header(match: re.Match[str]) -> str:
    header = match["name"]
    if header.endswith("Python.h"):
        return "install the headers of this Python; on Debian and Ubuntu: apt-get install python3-dev"
    return f"install the library that {header} belongs to, with its headers (a package named like lib*-dev or *-devel)"


def _always(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


_ASKED_PIP = "a build has no network: add what it asks pip for below the line in requirements/build/NAME.in, then run `make lock`"
_COMPILER = _always("install a C compiler; on Debian and Ubuntu: apt-get install build-essential")
_NETWORK = _always(
    "a build has no network: what it wants from there must be in the sdist, or installed on this machine"
)
_READ_ONLY = _always("a build may write into its own folder only; what it writes elsewhere does not get into a wheel")
_HINTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.MULTILINE), hint)
    for pattern, hint in (
        (r"ModuleNotFoundError: No module named '(?P<name>[\w.]+)'", _module),
        (r"Could not find a version that satisfies the requirement (?P<name>[\w.-]+)", lambda match: f"a build has no network: {_add(match['name'])}"),
        (r"'pip'(?:, '[^']*')*, 'wheel'(?:, '[^']*')*, '(?P<name>[A-Za-z0-9][\w.-]*)[^']*'\]' returned", lambda match: f"a build has no network: {_add(match['name'])}"),
        (r"No module named pip\b", _always(_ASKED_PIP)),
        (r"fatal error: '?(?P<name>[\w./+-]+)'?(?:: No such file or directory| file not found)", _header),
        (r"command '?[^'\n]*'? failed: No such file or directory", _COMPILER),
        (r"unable to execute '?[^'\n]+'?: No such file or directory", _COMPILER),
        (r"No such file or directory: '(?:[\w.+/-]*[/-])?(?:cc|gcc|g\+\+|c\+\+|clang|clang\+\+)(?:-[\d.]+)?'", _COMPILER),
        (r"Microsoft Visual C\+\+ [\d.]+ or greater is required|Unknown compiler\(s\)|No CMAKE_C(?:XX)?_COMPILER could be found", _COMPILER),
        (r"Name or service not known|Network is unreachable|Temporary failure in name resolution|nodename nor servname", _NETWORK),
        (r"ProxyError|Cannot connect to proxy|\[Errno \d+\] Connection refused|127\.0\.0\.1(?::| port )9\b", _NETWORK),
        (r"Read-only file system", _READ_ONLY),
    )
)  # fmt: skip
