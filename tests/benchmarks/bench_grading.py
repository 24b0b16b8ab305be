"""Grading a class of unit 08: the parallel grader beside stock nbgrader, and how both scale.

Stock nbgrader (its default preprocessors, which execute the notebook in a kernel, one after another)
is measured on the first submissions of the same class, without its start-up; ours on all of them,
with everything: starting the processes, grading in the sandbox, writing gradebook and notebooks.
`python tests/benchmarks/bench_grading.py 1000` measures one size only.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from dgm_lib import checks
from grading import driver, students
from grading.course import Course
from grading.release import release, run
from grading.sources import cell
from grading.workers import Workers

UNIT, JOBS, SAMPLE = "08_variational", 2, 8
SIZES = (10, 100, 1000)


def make_class(root: Path, size: int, *, demos: bool = True) -> Course:
    """`size` submissions: of ten, five are right, three have a misconception, one is partial, one
    raises; no two files are equal."""
    course, source = Course(root), Course()
    for part in ("solutions", "exercises"):
        shutil.copytree(source.root / part / UNIT, root / part / UNIT)
    course.folder.mkdir()
    right = students.answers(course, UNIT)
    data = course.release(UNIT).read_bytes()
    answers = [a for c in checks.load(UNIT).checks.values() for a in c.answers]
    slips = [(c, slip) for c in checks.load(UNIT).checks.values() for slip in c.misconceptions]
    for i in range(size):
        paper = students.Paper(checks.load(UNIT), data, dict(right))
        kind = i % 10
        if kind in (5, 6, 7):
            check, slip = slips[(i // 10 * 3 + kind) % len(slips)]
            paper.sources[check.name] = cell(slip.function, check.name, answers)
        elif kind == 8:
            paper.keep(*paper.functions[:2])
        elif kind == 9:
            name = paper.functions[i // 10 % len(paper.functions)]
            paper.sources[name] = f"def {name}(*args, **kwargs):\n    return undefined_name"
        name = paper.functions[0]
        if name in paper.sources:
            paper.sources[name] += f"\n# submission {i}"
        nb = json.loads(paper.file())
        if not demos:
            nb["cells"] = [c for c in nb["cells"] if "demo" not in c["metadata"].get("tags", [])]
        folder = course.submitted(UNIT, f"student{i:04}")
        folder.mkdir(parents=True)
        (folder / f"{UNIT}.ipynb").write_text(json.dumps(nb))
    return course


def ours(size: int) -> dict[str, float]:
    """Seconds for a class of this size, and the largest memory of the processes, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        course = make_class(Path(folder), size)
        peak = Peak()
        start = time.perf_counter()
        with peak, Workers(JOBS) as pool:
            graded = driver.autograde(course, [UNIT], pool=pool, progress=False)
        seconds = time.perf_counter() - start
        if graded.attention or len(graded) != size:
            raise RuntimeError(f"not all were graded: {graded.attention}")
    return {"seconds": seconds, "parent": peak.parent, "worker": peak.worker}


class Peak(threading.Thread):
    """The largest resident memory, in MB, of this process and of any that it started."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.parent = self.worker = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        import psutil

        me = psutil.Process()
        while not self._over.wait(0.5):
            self.parent = max(self.parent, me.memory_info().rss / 2**20)
            for child in me.children(recursive=True):
                try:
                    self.worker = max(self.worker, child.memory_info().rss / 2**20)
                except psutil.Error:
                    continue

    def __enter__(self) -> "Peak":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def stock(size: int, *, demos: bool) -> float:
    """Seconds per submission of `nbgrader autograde` with the settings it comes with."""
    from nbgrader.converters import Autograde

    with tempfile.TemporaryDirectory() as folder:
        course = make_class(Path(folder), size, demos=demos)
        release(course, UNIT, database=True)
        config = course.config()
        del config["Autograde"]
        config.CourseDirectory.assignment_id = UNIT
        config.Execute.timeout = 120
        start = time.perf_counter()
        run(Autograde, config)
        seconds = time.perf_counter() - start
        count = len(list(course.folder.glob(f"autograded/*/{UNIT}/{UNIT}.ipynb")))
    if count != size:
        raise RuntimeError(f"stock nbgrader graded {count} of {size}")
    return seconds / size


def entering(size: int = 100) -> None:
    """The single writer alone, beside nbgrader's converter, on verdicts that are there."""
    from nbgrader.converters import Autograde

    from grading import importer, results

    with tempfile.TemporaryDirectory() as folder:
        course = make_class(Path(folder), size)
        names = course.students(UNIT)
        with Workers(JOBS) as pool:
            driver.autograde(course, [UNIT], names[:10], pool=pool, progress=False)
        verdict = results.load(course, names[0], results.job(course, UNIT, names[0]))
        for student in names:
            results.save(course, student, results.job(course, UNIT, student), verdict)
        start = time.perf_counter()
        with importer.opened(course, [UNIT]) as into:
            for student in names:
                into[UNIT].add(student, results.job(course, UNIT, student), verdict)
            into[UNIT].flush()
        mine = (time.perf_counter() - start) / size
        config = course.config()
        config.BaseConverter.force = True
        config.CourseDirectory.assignment_id = UNIT
        config.CourseDirectory.student_id = "student000*"
        start = time.perf_counter()
        run(Autograde, config)
        theirs = (time.perf_counter() - start) / 10
    print(
        f"entering one verdict: {1000 * mine:.0f} ms (target at most 30), "
        f"with nbgrader's converter {1000 * theirs:.0f} ms"
    )


def share(size: int = 20) -> None:
    """Where the time of a job goes: the student's process, or what is around it."""
    from grading import caller, results
    from grading.verdict import grade, warm
    from grading.zygote import close_shared

    waits = []
    leave = caller.Session.__exit__

    def left(session: caller.Session, *error: object) -> None:
        waits.append(session.waited)
        leave(session, *error)

    with tempfile.TemporaryDirectory() as folder:
        course = make_class(Path(folder), size)
        jobs = [results.job(course, UNIT, student) for student in course.students(UNIT)]
    warm()
    grade(jobs[0])  # starts the zygote
    caller.Session.__exit__ = left
    try:
        took = sum(grade(job).seconds for job in jobs)
    finally:
        caller.Session.__exit__ = leave
        close_shared()
    print(
        f"one job: {took / size:.3f} s, {sum(waits) / took:.0%} of it in the student's process: "
        "its cells, its functions, and the way there and back"
    )


def measure(size: int) -> dict[str, float]:
    """`ours`, in a fresh process, so that memory is this size's own."""
    command = [sys.executable, __file__, str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:JOBS])
    hundred = measure(100)
    mine = hundred["seconds"] / 100
    print(f"100 submissions of {UNIT}, {JOBS} processes on {JOBS} cores: {mine:.3f} s each")
    for demos, what in ((True, "with"), (False, "without")):
        theirs = stock(SAMPLE, demos=demos)
        print(
            f"stock nbgrader, {what} the demo cells, {SAMPLE} of them: {theirs:.2f} s each; "
            f"ratio {theirs / mine:.1f} (target at least 10)"
        )
    entering()
    share()
    for size in SIZES:
        came = hundred if size == 100 else measure(size)
        print(
            f"{size:>5} submissions: {came['seconds']:.0f} s, {came['seconds'] / size:.3f} s each; "
            f"memory at most {came['parent']:.0f} MB here, {came['worker']:.0f} MB in a worker"
        )


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(ours(int(sys.argv[1]))))
    else:
        main()
