"""Measures Lockhouse side by side with pip, uv and the floor; prints Markdown tables and, if asked, draws the chart."""

import argparse
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import checking, fetching, growth, installing, locking
from bench import material as stuff
from bench.bench import ROOT, Bench
from bench.measure import Run

MEMORY_LIMIT = 150e6
# What is compared, of which row, with which row, and the most that it may be.
RATIOS = (
    ("cold wheelhouse", "lockhouse, cold", "pip download, cold", 1 / 10),
    ("cold wheelhouse", "lockhouse, cold", "uv pip sync, cold", 0.8),
    ("cold wheelhouse", "lockhouse, cold", "floor", 1.5),
    ("nothing to do", "lockhouse, nothing to do", "pip wheel --find-links, all there", 1 / 25),
    ("5 pins changed", "lockhouse, 5 pins changed", "lockhouse, cold", 0.5),
    ("lock, time", "lockhouse lock", "pip-compile", 1 / 20),
    ("check --locks-only", "check --locks-only", "pip --version", 1.0),
    ("check", "check", "sha256sum", 1.0),
    ("install, uv", "install --engine uv", "uv pip sync, from the wheels", 1.3),
    ("install, uv", "install --engine uv", "pip install, from the wheels", 1 / 7),
    ("install, pip", "install --engine pip", "pip install, with the same flags", 1.05),
    ("install, nothing to do", "install, nothing to do", "check, beside install", 1.5),
)
# Of these the processor's time is told, too: they are short, or write much, and what else a machine does counts the more.
WITH_PROCESSOR = {"check --locks-only", "install, uv", "install, pip", "install, nothing to do"}


def shown(ratio: float) -> str:
    """Write a ratio as people read it: fractions of one below a half."""
    return f"1/{1 / ratio:.{0 if ratio < 1 / 20 else 1}f}".removesuffix(".0") if ratio < 0.5 else f"{ratio:.2f}"


def tables(results: Mapping[str, Run]) -> str:
    """Return the ratios against their limits, then every row as it was measured."""
    lines = ["| what | against | ratio | at most | |", "|---|---|---|---|---|"]

    def line(what: str, against: str, text: str, bound: str, *, reached: bool) -> None:
        lines.append(f"| {what} | {against} | {text} | {bound} | {'ok' if reached else 'missed'} |")

    for what, mine, theirs, limit in RATIOS:
        if mine in results and theirs in results:
            ratio = results[mine].seconds / results[theirs].seconds
            line(what, theirs, shown(ratio), shown(limit), reached=ratio <= limit)
            if what in WITH_PROCESSOR:
                ratio = results[mine].processor / results[theirs].processor
                line(f"{what}, processor", theirs, shown(ratio), shown(limit), reached=ratio <= limit)
    if "lockhouse lock" in results:
        ratio = results["lockhouse lock"].served / results["pip-compile"].served
        line("lock, bytes", "pip-compile", shown(ratio), shown(1 / 20), reached=ratio <= 1 / 20)
    if "lockhouse, nothing to do" in results:
        extra = results["lockhouse, 5 pins changed"].seconds - results["lockhouse, nothing to do"].seconds
        line("5 pins changed", "nothing to do", f"+ {extra:.2f} s", "+ 0.6 s", reached=extra <= 0.6)
    for name in ("lockhouse, cold", "one big wheel, cold"):
        if name in results:
            memory = results[name].memory
            bound = f"{MEMORY_LIMIT / 1e6:.0f} MB"
            line("peak memory", name, f"{memory / 1e6:.0f} MB", bound, reached=memory <= MEMORY_LIMIT)
    lines += ["", "| row | seconds | of the processor | peak memory |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {run.seconds:.2f} | {run.processor:.2f} | {run.memory / 1e6:.0f} MB |"
        for name, run in results.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is measured; the median counts")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer of the index")
    parser.add_argument("--connections", type=int, help="instead of the default")
    parser.add_argument("--full", action="store_true", help="how cost grows for 10, 100 and 1,000 pins, too")
    parser.add_argument(
        "--only",
        choices=["fetch", "check", "install", "lock", "memory", "connections", "growth"],
        help="one part",
    )
    parser.add_argument("--chart", type=Path, help="write the chart of the README here")
    options = parser.parse_args()
    results: dict[str, Run] = {}
    with tempfile.TemporaryDirectory(prefix="lockhouse-bench-") as scratch:
        bench = Bench(Path(scratch), options.latency, options.connections)
        title = f"HTTPS, {options.latency * 1000:.0f} ms a request, {platform.python_version()} on {platform.machine()}"
        if options.only in {None, "fetch", "check", "install"}:
            material = stuff.gathered(ROOT / ".lockhouse" / "bench")
            title = f"{len(material.files)} wheels, {material.size / 1e6:.0f} MB, {title}"
            for name, part in (("fetch", fetching), ("check", checking), ("install", installing)):
                if options.only in {None, name}:
                    results |= part.measured(bench, material, options.rounds)
        if options.only in {None, "lock"}:
            results |= locking.measured(bench, options.rounds)
        if options.only in {None, "memory"}:
            results |= fetching.memory(bench, 800_000_000)
        if options.only == "connections":
            material = stuff.gathered(ROOT / ".lockhouse" / "bench")
            results |= fetching.connections(bench, material, options.rounds)
        if options.full or options.only == "growth":
            results |= growth.measured(bench, options.rounds)
    print(f"{title}\n\n{tables(results)}")
    if options.chart:
        chart(results, title, options.chart)


def chart(results: Mapping[str, Run], title: str, path: Path) -> None:
    """Draw the chart."""
    from bench.chart import draw

    draw(results, title, path)


if __name__ == "__main__":
    main()
