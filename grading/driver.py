"""A whole class: submissions graded in parallel, while one writer fills nbgrader's gradebook.

Every verdict is on disk as soon as it is there, so a run that was stopped goes on where it was. A
submission that cannot be graded, whatever the reason, is reported, and never stops the others.
"""

import fcntl
import glob
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nbgrader.converters import GenerateFeedback
from tqdm import tqdm

from grading import hygiene, importer, results
from grading.course import Course
from grading.limits import Limits
from grading.release import run
from grading.sandbox import Unavailable
from grading.verdict import Verdict, grade
from grading.workers import Workers

ATTEMPTS = 3
"""So often is a submission tried whose process was lost, or raised."""

Name = tuple[str, str]
"""(unit, student)."""


class Graded(dict[Name, Verdict]):
    """The verdicts by (unit, student), without the outputs of the students' cells."""

    def __init__(self) -> None:
        self.attention: dict[Name, str] = {}
        """What could not be graded or entered in the gradebook, and why."""


def autograde(
    course: Course,
    units: list[str],
    students: list[str] | None = None,
    *,
    pool: Executor,
    force: bool = False,
    limits: Limits | None = None,
    progress: bool = True,
    sandbox: bool = True,
    ahead: int = 32,
) -> Graded:
    """Grade submissions of some units, and enter them in the gradebook.

    Args:
        students: grade only these; by default all who handed in something.
        pool: where submissions are graded; see `executor`.
        force: grade again what was graded before.
        sandbox: whether students' code is locked up; see `grading.sandbox`.
        ahead: so many submissions are handed to the pool at once.

    Raises:
        ValueError: for a unit without checks, release or submissions, or a student without any.
        RuntimeError: if another run grades this class at the moment.
        grading.sandbox.Unavailable: if the sandbox is wanted and cannot be had.
    """
    for unit in units:
        results.ready(course, unit)
    names = [(unit, student) for unit in units for student in _who(course, unit, students)]
    graded, kept = Graded(), {}
    with (
        _alone(course),
        importer.opened(course, units) as into,
        tqdm(total=len(names), desc="grading", unit=" notebook", disable=not progress) as bar,
    ):

        def enter(name: Name, job: results.Job, verdict: Verdict) -> None:
            if not (name in kept and into[name[0]].holds(name[1], job, verdict)):
                into[name[0]].add(name[1], job, verdict)
            graded[name] = replace(verdict, outputs={})
            bar.update()

        def todo() -> Iterator[tuple[Name, results.Job]]:
            for unit, student in names:
                if not hygiene.is_name(student):
                    graded.attention[unit, student] = "not graded: nobody can be called so"
                    bar.update()
                    continue
                job = results.job(course, unit, student, limits, sandbox)
                verdict = None if force else results.load(course, student, job)
                if verdict is None:
                    yield (unit, student), job
                else:
                    kept[unit, student] = True
                    enter((unit, student), job, verdict)

        for name, job, verdict in _each(pool, grade, todo(), ahead):
            if isinstance(verdict, Unavailable):
                raise verdict
            if isinstance(verdict, Exception):
                graded.attention[name] = (
                    f"not graded, after {ATTEMPTS} attempts: {_because(verdict)}"
                )
                bar.update()
                continue
            results.save(course, name[1], job, verdict)
            enter(name, job, verdict)
        for unit, one in into.items():
            one.flush()
            graded.attention |= {(unit, student): why for student, why in one.troubles.items()}
    return graded


def feedback(
    course: Course, names: Iterable[Name], *, pool: Executor, progress: bool = True
) -> None:
    """Write nbgrader's HTML feedback for these (unit, student), in parallel.

    Raises:
        RuntimeError: after the last one, if some could not be written.
    """
    tasks = [((unit, student), (course, unit, student)) for unit, student in names]
    failed = []
    with tqdm(total=len(tasks), desc="feedback", unit=" notebook", disable=not progress) as bar:
        for (unit, student), _, outcome in _each(pool, _feedback, tasks):
            if isinstance(outcome, Exception):
                failed.append(f"{student} ({unit}): {_because(outcome)}")
            bar.update()
    if failed:
        raise RuntimeError(f"no feedback for {'; '.join(failed)}")


def executor(jobs: int | None = None) -> Workers:
    """Processes that grade, by default one per core."""
    return Workers(jobs)


def _who(course: Course, unit: str, students: list[str] | None) -> list[str]:
    present = course.students(unit)
    if not present:
        raise ValueError(f"unit: got {unit!r}, for which nothing lies in {course.folder}/submitted")
    if missing := set(students or ()) - set(present):
        raise ValueError(f"student: got {', '.join(sorted(missing))}, who handed in no {unit}")
    return [s for s in present if not students or s in students]


def _each(
    pool: Executor, function: Callable, tasks: Iterable[tuple[Any, Any]], ahead: int = 32
) -> Iterator[tuple[Any, Any, Any]]:
    """(name, task, result) as they come; the result of what fails every time is its exception."""
    left, running = iter(tasks), {}
    try:
        while True:
            while len(running) < ahead and (item := next(left, None)) is not None:
                running[pool.submit(function, item[1])] = (*item, 1)
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name, task, attempt = running.pop(future)
                error = future.exception()
                if isinstance(error, Exception) and attempt < ATTEMPTS and _may_pass(error):
                    running[pool.submit(function, task)] = name, task, attempt + 1
                    continue
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield name, task, future.result() if error is None else error
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, Unavailable)


def _because(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


@contextmanager
def _alone(course: Course) -> Iterator[None]:
    """Two runs would get in each other's way; the lock goes when the process does."""
    course.results.mkdir(parents=True, exist_ok=True)
    with open(course.results / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(
                f"another run is grading in {course.folder}; wait for it, or stop it"
            ) from None
        yield


def _feedback(task: tuple[Course, str, str]) -> None:
    course, unit, student = task
    config = course.config()
    config.BaseConverter.force = True
    config.CourseDirectory.assignment_id = unit
    config.CourseDirectory.student_id = glob.escape(student)
    run(GenerateFeedback, config)
