"""Measures Lockhouse side by side with pip, uv and the floor, and prints the ratios as a Markdown table."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import material as stuff
from bench.measure import Run, median, run
from support.environment import clean_environ
from support.venvs import make_venv

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable


@dataclass(slots=True)
class Bench:
    """The folder of one run, its variables, and what has been measured so far."""

    scratch: Path
    rounds: int
    latency: float
    connections: int | None
    material: stuff.Material
    results: dict[str, Run] = field(default_factory=dict)

    @contextlib.contextmanager
    def serving(self, *extra: str) -> Iterator[dict[str, str]]:
        """Serve the material from a process of its own for the duration."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        server = subprocess.Popen(
            [PYTHON, HERE / "server.py", self.material.wheels, folder, "--latency", str(self.latency), *extra],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        )
        with server:
            assert server.stdout
            assert server.stdin
            yield json.loads(server.stdout.readline())
            server.stdin.close()

    def environ(self, address: Mapping[str, str], home: Path) -> dict[str, str]:
        """Return the variables of a clean user whose pip and uv know the index."""
        home.mkdir(parents=True, exist_ok=True)
        return {
            **clean_environ(home),
            "PIP_INDEX_URL": address["url"],
            "PIP_CERT": address["ca"],
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_INDEX_URL": address["url"],
            "SSL_CERT_FILE": address["ca"],
            "PYTHONPATH": str(HERE.parents[1] / "scripts"),
        }

    def measure(self, name: str, prepare: Callable[[], object], measured: Callable[[], Run], rounds: int = 0) -> None:
        """Measure one row and say so."""
        self.results[name] = median(rounds or self.rounds, prepare, measured)
        done = self.results[name]
        print(f"{done.seconds:8.2f} s {done.memory / 1e6:7.0f} MB  {name}", file=sys.stderr, flush=True)

    def project(self) -> Path:
        """Make a project whose one layer is the material's lock."""
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / "requirements").mkdir()
        (folder / "requirements" / "main.txt").write_text(self.material.lock, encoding="utf-8")
        connections = f"connections = {self.connections}\n" if self.connections else ""
        (folder / "pyproject.toml").write_text(f"[tool.lockhouse]\nlayers.main = {{ sources = [] }}\n{connections}")
        return folder


def drop(house: Path, names: list[str]) -> None:
    """Take wheels out of the wheelhouse."""
    for name in names:
        (house / name).unlink()


def emptied(folder: Path) -> Path:
    """Return the folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def fetching(bench: Bench) -> None:
    """Measure cold and warm fetches of the whole lock, by everybody."""
    lockhouse = (PYTHON, "-m", "lockhouse")
    with bench.serving() as address:
        home = bench.scratch / "home"
        environ = bench.environ(address, home)
        project = bench.project()
        lock = project / "requirements" / "main.txt"
        house, out = project / "wheelhouse", bench.scratch / "out"
        wanted = stuff.write_wanted(bench.material, bench.scratch / "wanted.json")

        def cold() -> None:
            shutil.rmtree(house, ignore_errors=True)

        def pip(*words: str) -> Callable[[], Run]:
            return lambda: run([PYTHON, "-m", "pip", *words], cwd=out, environ=environ)

        download = pip("download", "--no-deps", "--require-hashes", "-r", str(lock), "-d", str(out))
        bench.measure("lockhouse, cold", cold, lambda: run([*lockhouse, "wheelhouse"], cwd=project, environ=environ))
        bench.measure(
            "lockhouse, nothing to do",
            lambda: None,
            lambda: run([*lockhouse, "wheelhouse"], cwd=project, environ=environ),
        )
        five = stuff.changed(bench.material, 5)
        bench.measure(
            "lockhouse, 5 pins changed",
            lambda: drop(house, five),
            lambda: run([*lockhouse, "wheelhouse"], cwd=project, environ=environ),
        )
        bench.measure("check", lambda: None, lambda: run([*lockhouse, "check"], cwd=project, environ=environ))
        wheels = sorted(house.glob("*.whl"))
        bench.measure("sha256sum", lambda: None, lambda: run(["sha256sum", *wheels], cwd=project, environ=environ))
        floor: list[str | Path] = [PYTHON, HERE / "floor.py", address["url"], address["ca"], wanted, out]
        if bench.connections:
            floor += ["--connections", str(bench.connections)]
        bench.measure("floor", lambda: emptied(out), lambda: run(floor, cwd=out, environ=environ))
        bench.measure(
            "pip wheel --find-links, all there",
            lambda: emptied(out),
            pip("wheel", "--no-deps", "--require-hashes", "--find-links", str(house), "-w", str(out), "-r", str(lock)),
        )
        uv = Path(PYTHON).with_name("uv")
        sync: list[str | Path] = [
            uv,
            "pip",
            "sync",
            "--python",
            out / "env" / "bin" / "python",
            "--require-hashes",
            lock,
        ]
        bench.measure(
            "uv pip sync, cold",
            lambda: (emptied(home), make_venv(emptied(out) / "env")),
            lambda: run(sync, cwd=out, environ=environ),
        )
        bench.measure("pip download, cold", lambda: (emptied(out), emptied(home)), download)
        bench.measure("pip download, again", lambda: emptied(out), download)
    with bench.serving("--stable") as address:
        environ = bench.environ(address, home)
        bench.measure("pip download, stable URLs, cold", lambda: (emptied(out), emptied(home)), download)
        bench.measure("pip download, stable URLs, again", lambda: emptied(out), download)


RATIOS = (
    ("cold wheelhouse", "lockhouse, cold", "pip download, cold", "1/10"),
    ("cold wheelhouse", "lockhouse, cold", "uv pip sync, cold", "0.8"),
    ("cold wheelhouse", "lockhouse, cold", "floor", "1.5"),
    ("nothing to do", "lockhouse, nothing to do", "pip wheel --find-links, all there", "1/25"),
    ("5 pins changed", "lockhouse, 5 pins changed", "lockhouse, cold", "0.5"),
    ("check", "check", "sha256sum", "1"),
)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--connections", type=int)
    options = parser.parse_args()
    cache = HERE.parents[1] / ".lockhouse" / "bench"
    with tempfile.TemporaryDirectory(prefix="lockhouse-bench-") as scratch:
        bench = Bench(Path(scratch), options.rounds, options.latency, options.connections, stuff.gathered(cache))
        count, size = len(bench.material.files), bench.material.size / 1e6
        print(f"{count} wheels, {size:.0f} MB, HTTPS, {options.latency * 1000:.0f} ms a request\n")
        fetching(bench)
    print("| what | against | ratio | at most |\n|---|---|---|---|")
    for name, mine, theirs, limit in RATIOS:
        if mine in bench.results and theirs in bench.results:
            ratio = bench.results[mine].seconds / bench.results[theirs].seconds
            shown = f"1/{1 / ratio:.1f}" if ratio < 0.5 else f"{ratio:.2f}"
            print(f"| {name} | {theirs} | {shown} | {limit} |")


if __name__ == "__main__":
    main()
