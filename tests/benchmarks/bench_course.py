"""What a person waits for: the import, each check, each lecture."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def imports(repeats: int = 9) -> None:
    """`import dgm_lib, torch` against `import torch`, in fresh processes, taken in turns."""
    torch_, both = [], []
    for _ in range(repeats):
        torch_.append(seconds(sys.executable, "-c", "import torch"))
        both.append(seconds(sys.executable, "-c", "import dgm_lib, torch"))
    ratio = statistics.median(both) / statistics.median(torch_)
    print(f"import dgm_lib / import torch: {ratio:.2f} (target at most 1.15)")


def checks() -> None:
    """The slowest answer of each unit's checks, right or wrong, with the diagnosis."""
    from dgm_lib.checks import UNITS, load

    for unit in UNITS:
        times = {}
        for name, check in load(unit).checks.items():
            answers = [check.reference, *(slip.function for slip in check.misconceptions)]
            for answer in answers:
                start = time.perf_counter()
                check.run(answer)
                times[name] = max(times.get(name, 0.0), time.perf_counter() - start)
        slowest = max(times, key=times.get)
        print(f"{unit}: slowest check {slowest}, {times[slowest]:.2f} s (target under 2 s)")


def lectures() -> None:
    """Each lecture, executed in a fresh kernel without storing anything."""
    for path in sorted((ROOT / "lectures").glob("*.ipynb")):
        took = seconds(
            *(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--stdout"),
            str(path),
        )
        print(f"{path.stem}: lecture runs in {took:.0f} s (target under 90 s)")


def main() -> None:
    imports()
    checks()
    lectures()


if __name__ == "__main__":
    main()
