"""Where a build runs: Linux namespaces where the system grants them, else a scrubbed environment only.

In namespaces there is no network and everything but the named folders is read-only, though it can be read; either way,
what the command leaves running ends with it, and with us. Unix sockets in folders that stay visible can be reached in
both. A scrubbed environment keeps out what heeds its variables and no more: a program may open a socket, write where
its user may, and read the variables of its user's other processes.
"""

import contextlib
import functools
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import lockhouse
from lockhouse.building.launch import NO_SANDBOX

__all__ = ["NAMESPACES", "NO_SANDBOX", "SCRUBBED", "Sandbox", "hidden", "isolation_here", "lent", "sandbox_here"]

NAMESPACES, SCRUBBED = "namespaces", "scrubbed"
# An isolated interpreter finds our package by the paths that it is given.
_BOOT = "import sys; sys.path += sys.argv.pop(1).split('\\n'); from lockhouse.building.launch import main; sys.exit(main(sys.argv[1:]))"
_LIBRARIES = ("build", "pyproject_hooks", "packaging")
# Where sockets of the user's and of the system's lie; each is covered unless something that is needed lives there.
_HIDDEN = ("/tmp", "/var/tmp", "/run")  # noqa: S108 - to be hidden, not to be used
_SECONDS_TO_END = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """How commands are kept apart: `isolation` is "namespaces" or "scrubbed", `obstacle` why it is not the former."""

    isolation: str
    obstacle: str = ""

    def run(
        self,
        argv: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        writable: Sequence[Path],
        stage: Path,
        log: IO[bytes],
        needs: Iterable[str] = (),
    ) -> int:
        """Run the command to its end and return its exit status, 128 and the number where a signal ended it.

        It writes to `log` and reads nothing, works in `folder`, sees the variables `environ` and no other, and, in
        namespaces, writes into the existing folders `writable` only. `stage` is an empty folder in one of them. `needs` names
        paths, or texts with paths, that must stay visible beside those of the command. `NO_SANDBOX` says that the
        sandbox could not be made. Raises OSError where our own interpreter cannot be started.
        """
        if sys.platform == "win32":
            done = subprocess.run(
                argv, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False
            )
            return done.returncode
        texts = [*argv, str(folder), *environ.values(), *map(str, writable), *needs, *_our_own()]
        wanted = {
            "isolated": self.isolation == NAMESPACES,
            "command": list(argv),
            "folder": str(folder),
            "writable": [str(path) for path in writable],
            "stage": str(stage),
            "hidden": hidden(texts),
        }
        command = [sys.executable, "-I", "-B", "-c", _BOOT, "\n".join(lent()), json.dumps(wanted)]
        with subprocess.Popen(
            command,
            cwd="/",
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as launcher:
            try:
                return launcher.wait()
            finally:
                if launcher.stdin:
                    launcher.stdin.close()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    launcher.wait(_SECONDS_TO_END)
                launcher.kill()


def hidden(texts: Iterable[str]) -> list[str]:
    """Return the folders of temporary files and of sockets that none of the texts speaks of."""
    said = "\n".join(texts)
    return [
        folder
        for folder in _HIDDEN
        if os.path.isdir(folder)  # noqa: PTH112 - as below
        and os.path.realpath(folder) == folder
        and not re.search(rf"(?:^|[\s:;,='\"]|-[A-Za-z]+){folder}(?=$|[/\s:;,'\"])", said, re.MULTILINE)
    ]


@functools.cache
def sandbox_here() -> Sandbox:
    """Return the best sandbox that this machine grants: namespaces are tried once, really."""
    if sys.platform != "linux":
        return Sandbox(isolation=SCRUBBED, obstacle=f"{sys.platform} has no Linux namespaces")
    best = Sandbox(isolation=NAMESPACES)
    with tempfile.TemporaryDirectory(prefix="lockhouse-") as name:
        scratch = Path(name).resolve()
        stage = scratch / "dev"
        stage.mkdir()
        with (scratch / "log").open("w+b") as log:
            status = best.run(
                [sys.executable, "-I", "-S", "-c", ""],
                folder=scratch,
                environ={},
                writable=[scratch],
                stage=stage,
                log=log,
            )
            log.seek(0)
            said = log.read().decode(errors="replace").strip()
    if status:
        return Sandbox(isolation=SCRUBBED, obstacle=said or f"a trial ended with exit status {status}")
    return best


def isolation_here() -> str:
    """Return what a build gets on this machine: "namespaces" or "scrubbed"; asked once."""
    return sandbox_here().isolation


def lent() -> list[str]:
    """Return the folders that hold Lockhouse and the libraries of its own programs: isolated, they find nothing by themselves."""
    folders = {str(Path(lockhouse.__file__).resolve().parent.parent): None}
    for name in _LIBRARIES:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            folders[str(Path(spec.origin).resolve().parent.parent)] = None
    return list(folders)


def _our_own() -> list[str]:
    """Return where our own interpreter and its libraries are."""
    return [sys.prefix, sys.base_prefix, os.path.realpath(sys.executable), *lent(), *sys.path]
