"""Runs one command and says how long it took and how much memory it held at the most."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of wall time, and the peak resident memory in bytes of the process and its children, each alone."""

    seconds: float
    memory: int


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
    return Run(seconds, usage.ru_maxrss * 1024)


def median(rounds: int, prepare: Callable[[], object], measured: Callable[[], Run]) -> Run:
    """Return the median time and the highest memory of several rounds, each after its own preparation."""
    runs = []
    for _ in range(rounds):
        prepare()
        runs.append(measured())
    return Run(statistics.median(each.seconds for each in runs), max(each.memory for each in runs))
