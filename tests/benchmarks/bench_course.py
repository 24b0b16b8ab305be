"""What a person waits for: the import, each check, each lecture."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from timing import in_turns, seconds

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def imports(repeats: int = 9) -> None:
    """`import dgm_lib, torch` against `import torch`, in fresh processes, taken in turns."""
    runs = {
        "torch": lambda: run(sys.executable, "-c", "import torch"),
        "both": lambda: run(sys.executable, "-c", "import dgm_lib, torch"),
    }
    times = in_turns(runs, repeats, clock=time.perf_counter)
    ratio = statistics.median(times["both"]) / statistics.median(times["torch"])
    print(f"import dgm_lib / import torch: {ratio:.2f} (target at most 1.15)")


def checks() -> None:
    """The slowest answer of each unit's checks, right or wrong, with the diagnosis."""
    from dgm_lib.checks import UNITS, load

    for unit in UNITS:
        times = {}
        for name, check in load(unit).checks.items():
            answers = [check.reference, *(slip.function for slip in check.misconceptions)]
            for answer in answers:
                took = seconds(lambda check=check, answer=answer: check.run(answer))
                times[name] = max(times.get(name, 0.0), took)
        slowest = max(times, key=times.get)
        print(f"{unit}: slowest check {slowest}, {times[slowest]:.2f} s (target under 2 s)")


def lectures() -> None:
    """Each lecture, executed in a fresh kernel without storing anything."""
    for path in sorted((ROOT / "lectures").glob("*.ipynb")):
        command = (sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout")
        took = seconds(lambda path=path, command=command: run(*command, str(path)))
        print(f"{path.stem}: lecture runs in {took:.0f} s (target under 90 s)")


def main() -> None:
    imports()
    checks()
    lectures()


if __name__ == "__main__":
    main()
