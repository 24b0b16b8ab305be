"""How the benchmarks measure: seconds per call, best of several, in turns, and peak memory."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def seconds(run: Callable, calls: int = 1, clock: Callable = time.perf_counter) -> float:
    """Seconds per call."""
    start = clock()
    for _ in range(calls):
        run()
    return (clock() - start) / calls


def best_of(run: Callable, repeats: int = 5) -> float:
    return min(seconds(run) for _ in range(repeats))


def in_turns(
    runs: dict[str, Callable], rounds: int, calls: int = 1, clock: Callable = time.process_time
) -> dict[str, list[float]]:
    """Seconds per call of each, `rounds` times over, so that a busy machine is busy for all."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(seconds(run, calls, clock))
    return times


def peak_memory() -> float:
    """The most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, where getrusage starts from what the parent process had held
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts in bytes


def apart(file: str, argument: str) -> tuple[float, ...]:
    """The numbers that a benchmark prints as a process of its own, whose peak memory is its own."""
    command = [sys.executable, file, argument]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(map(float, out.split()))
