"""The folder of one benchmark, the servers it starts, and the variables and projects of its clean users."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Run, run
from support.environment import clean_environ

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PYTHON = sys.executable
LOCKHOUSE = (PYTHON, "-m", "lockhouse")
PIP = (PYTHON, "-m", "pip")


@dataclass(frozen=True, slots=True)
class Address:
    """A running index: its URL with password, the CA of this run, and its process."""

    url: str
    ca: str
    process: "subprocess.Popen[str]"

    def served(self) -> int:
        """Return the bytes of files that were sent since the last call."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("count\n")
        self.process.stdin.flush()
        return int(json.loads(self.process.stdout.readline())["bytes"])


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a benchmark works, and its settings: seconds before each answer, and connections if not the default."""

    scratch: Path
    latency: float
    connections: int | None

    @contextlib.contextmanager
    def serving(self, directory: Path, *extra: str) -> Iterator[Address]:
        """Serve a directory from a process of its own for the duration."""
        server = subprocess.Popen(
            [PYTHON, HERE / "server.py", directory, self.folder(), "--latency", str(self.latency), *extra],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )
        with server:
            assert server.stdout
            assert server.stdin
            address = json.loads(server.stdout.readline())
            yield Address(address["url"], address["ca"], server)
            server.stdin.close()

    def environ(self, address: Address, home: Path) -> dict[str, str]:
        """Return the variables of a clean user whose pip and uv know the index."""
        return {
            **self.clean(home),
            "PIP_INDEX_URL": address.url,
            "PIP_CERT": address.ca,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_INDEX_URL": address.url,
            "SSL_CERT_FILE": address.ca,
        }

    def clean(self, home: Path) -> dict[str, str]:
        """Return the variables of a clean user who asks no index."""
        home.mkdir(parents=True, exist_ok=True)
        return {**clean_environ(home), "PYTHONPATH": str(ROOT / "scripts")}

    def folder(self) -> Path:
        """Return a new empty folder."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def project(self, *, lock: str | None = None, source: str | None = None) -> Path:
        """Make a project with the one layer `main`, given its lock or its source."""
        folder = self.folder()
        (folder / "requirements").mkdir()
        connections = f"connections = {self.connections}\n" if self.connections else ""
        table = "layers.main = {}\n"
        if lock is not None:
            (folder / "requirements" / "main.txt").write_text(lock, encoding="utf-8")
            table = "layers.main = { sources = [] }\n"
        if source is not None:
            (folder / "requirements" / "main.in").write_text(source, encoding="utf-8")
        (folder / "pyproject.toml").write_text(f"[tool.lockhouse]\n{table}{connections}", encoding="utf-8")
        return folder


def command(argv: Sequence[str | Path], cwd: Path, environ: dict[str, str], served: Address | None = None) -> Run:
    """Run a command, and count what it was served if asked."""
    if served:
        served.served()
    done = run(argv, cwd=cwd, environ=environ)
    return replace(done, served=served.served()) if served else done


def emptied(*folders: Path) -> None:
    """Make the folders empty ones."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
