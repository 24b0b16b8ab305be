"""A long run: many submissions, one in ten an attack, and every grade as it should be.

    python -m tests.grading.soak [1000]

The exit status is 0 if all grades are right and nothing leaked, broke out or was left running.
"""

import itertools
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from dgm_lib import checks
from grading import driver
from tests.grading.arena import LIMITS, Arena, commands, know_the_unit, left_running
from tests.grading.attacks import ATTACKS, FAKE
from tests.grading.conftest import POINTS, answers

ONE_IN = 10
CUT = "def square_sum(x, scale=1.0):\n    return scale * (x.detach() ** 2).sum(-1)"
HONEST = [
    (answers(), {}),
    (answers(double="def double(x):\n    return x * x"), {"double": 1}),
    (answers(), {}),
    (answers(square_sum=CUT), {"square_sum": 2}),
    (answers(double="def double(x):\n    return 2 * y"), {"double": 0}),
    (answers(double="def double(x):\n    raise NotImplementedError"), {"double": 0}),
    (answers(apply="def apply(network, x) return x"), {"apply": 0}),
    (b"{", {"double": 0, "square_sum": 0, "apply": 0}),
]


def soak(arena: Arena, count: int, jobs: int | None = None) -> list[str]:
    """Grade so many submissions; all that is not as it should be, in words."""
    course, deserved = arena.course, {}
    attacks = itertools.cycle([attack for attack in ATTACKS if attack.unit == FAKE])
    honest = itertools.cycle(HONEST)
    for number in range(count):
        student = f"s{number:04}"
        folder = course.submitted(FAKE, student)
        if number % ONE_IN == ONE_IN - 1:
            attack = next(attacks)
            attack.hand_in(folder, arena.right[FAKE], arena.target)
            lost = attack.deserves
            who = attack.name
        else:
            data, lost = next(honest)
            folder.mkdir(parents=True)
            (folder / f"{FAKE}.ipynb").write_bytes(data)
            who = "honest"
        deserved[student] = (POINTS | lost, who)
    with driver.executor(1) as pool:  # after the first pool, multiprocessing keeps a helper or two
        pool.submit(abs, -1).result()
    before = commands()
    with driver.executor(jobs) as pool:
        graded = driver.autograde(
            course, [FAKE], sorted(deserved), pool=pool, limits=LIMITS, progress=sys.stderr.isatty()
        )
    wrong = [f"{student}: {why}" for (_, student), why in graded.attention.items()]
    for student, (points, who) in deserved.items():
        verdict = graded.get((FAKE, student))
        earned = verdict and {name: report.earned for name, report in verdict.reports.items()}
        if earned != points:
            wrong.append(f"{student} ({who}): got {earned}; want {points}")
        kept = json.loads((course.results / FAKE / f"{student}.json").read_text())["verdict"]
        seed = arena.canaries["seed"]
        text = kept.replace(f'"seed": "{seed}"', "")
        wrong += [f"{student} ({who}): leaks {n}" for n, c in arena.canaries.items() if c in text]
    wrong += arena.harm()
    wrong += [f"still running: {command}" for command in left_running(before)]
    return wrong


def main(count: int) -> int:
    know_the_unit()
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as home:
        os.environ["HOME"] = home
        arena = Arena(Path(root), Path(home))
        started = time.monotonic()
        wrong = soak(arena, count)
        seconds = time.monotonic() - started
        arena.close()
    del checks.UNITS[FAKE]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{count} submissions in {seconds:.0f} s ({count / seconds:.1f} a second), {peak} MB here"
    )
    print(*wrong, sep="\n")
    print("all as it should be" if not wrong else f"{len(wrong)} things are wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
