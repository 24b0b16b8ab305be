"""The same jobs on a real Dask cluster on loopback, one of whose processes is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from grading import cluster, driver, results
from grading.cluster import Cluster
from grading.course import ROOT
from tests.grading.conftest import RIGHT, UNIT, answers, hand_in, make_course
from tests.grading.test_importer import rows
from tests.grading.unit import fake_grade

STUDENTS = [f"s{i:02}" for i in range(16)]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and two workers, each a process of its own."""
    file = tmp_path / "scheduler.json"
    path = os.pathsep.join([str(ROOT), os.environ["PYTHONPATH"]])
    running = []

    def start(program: str, *words: str) -> None:
        command = [sys.executable, "-m", "dask", program, "--scheduler-file", str(file), *words]
        running.append(
            subprocess.Popen(
                command,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": path},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        for _ in range(2):
            words = ["--nthreads", "2", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
            start("worker", *words, "--local-directory", str(tmp_path))
        until = time.monotonic() + 120
        while not file.is_file():
            assert time.monotonic() < until
            assert running[0].poll() is None
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], running
    finally:
        for process in reversed(running):
            process.kill()
        for process in running:
            process.wait(30)


def test_all_grades_arrive_and_none_twice_though_a_worker_is_killed(address, tmp_path, monkeypatch):
    monkeypatch.setattr(driver, "grade", fake_grade.grade)
    course = make_course(tmp_path / "class")
    for i, student in enumerate(STUDENTS):
        words = f"ROOT={course.root} {student} SLOW {'WRONG double' if i % 3 else ''}"
        hand_in(course, student, answers(double=f"{RIGHT['double']}  # {words}"))
    where, (_, *workers) = address
    with Cluster(where) as pool:
        pool._client.wait_for_workers(2, timeout=120)
        assert pool.width == 2
        entered = count_entries(monkeypatch)
        monkeypatch.setattr(results, "save", killing(results.save, workers[0], after=4))
        graded = driver.autograde(course, [UNIT], pool=pool, progress=False)
    assert workers[0].wait(10) == -signal.SIGKILL
    assert graded.attention == {}
    assert {student for _, student in graded} == set(STUDENTS)
    assert sorted(entered) == STUDENTS, "each was entered once"
    with course.gradebook() as gradebook:
        scores = {s.student_id: s.score for s in gradebook.assignment_submissions(UNIT)}
    assert scores == {s: 8 if i % 3 else 10 for i, s in enumerate(STUDENTS)}
    assert len(rows(course)["grade"]) == 3 * len(STUDENTS)
    log = (course.root / "graded").read_text().splitlines()
    assert len({line.split()[1] for line in log}) == 2, "both processes graded"


def count_entries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose verdicts enter the gradebook, in order."""
    found, before = [], driver.importer.Importer._enter

    def enter(self, student, job, verdict):
        found.append(student)
        before(self, student, job, verdict)

    monkeypatch.setattr(driver.importer.Importer, "_enter", enter)
    return found


def killing(save, worker: subprocess.Popen, after: int):
    """`results.save`, which kills a worker the `after`-th time."""
    calls = []

    def wrapper(*args):
        save(*args)
        calls.append(args)
        if len(calls) == after:
            worker.kill()

    return wrapper


def test_a_worker_with_other_code_refuses():
    with pytest.raises(RuntimeError, match="another version of the course"):
        cluster._run(b"other", abs, (-1,), {})
    assert cluster._run(results.code(), abs, (-1,), {}) == 1


def test_no_scheduler_is_said():
    with pytest.raises(RuntimeError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        Cluster("tcp://127.0.0.1:1", seconds=0.3)


def test_a_process_grades_one_at_a_time():
    assert not cluster._turn.locked()
    assert cluster._run(results.code(), cluster._turn.locked, (), {})
