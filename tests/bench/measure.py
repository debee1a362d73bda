"""Runs commands and says how long they took, how much memory they held and how many bytes a server sent meanwhile."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of wall time, the peak resident memory of the process in bytes, and the bytes of files it was served.

    `processor` are the seconds of user and system time, which a busy machine changes less than the wall's.
    """

    seconds: float
    memory: int
    served: int = 0
    processor: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """Something to measure: its name, what makes it ready each time, and the run itself."""

    name: str
    prepare: Callable[[], object]
    measured: Callable[[], Run]


def run(argv: Sequence[str | Path], *, cwd: Path, environ: Mapping[str, str]) -> Run:
    """Run the command to its end; raises RuntimeError with its output where it fails."""
    with (cwd / ".bench-output").open("w+b") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in argv], cwd=cwd, env=dict(environ), stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            tail = output.read().decode(errors="replace")[-3000:]
            raise RuntimeError(f"{' '.join(map(str, argv))} exited with {process.returncode}:\n{tail}")
    return Run(seconds, usage.ru_maxrss * 1024, processor=usage.ru_utime + usage.ru_stime)


def alternating(rows: Iterable[Row], rounds: int) -> dict[str, Run]:
    """Measure all rows in turn, several times over, so that a machine's moods meet them alike.

    Returns the median times, the highest memory and the last count of bytes of each.
    """
    runs: dict[str, list[Run]] = {}
    ordered = list(rows)
    for _ in range(rounds):
        for row in ordered:
            row.prepare()
            done = row.measured()
            runs.setdefault(row.name, []).append(done)
            print(f"{done.seconds:8.2f} s {done.memory / 1e6:6.0f} MB  {row.name}", file=sys.stderr, flush=True)
    return {
        name: Run(
            statistics.median(r.seconds for r in each),
            max(r.memory for r in each),
            each[-1].served,
            statistics.median(r.processor for r in each),
        )
        for name, each in runs.items()
    }
