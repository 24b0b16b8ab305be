"""A whole class: submissions graded in parallel, then one writer fills nbgrader's gradebook.

Every verdict is on disk as soon as it is there, so a run that was stopped goes on where it was.
"""

import glob
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import chain
from typing import Any

from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde, GenerateFeedback, NbGraderException
from tqdm import tqdm

from grading import results
from grading.course import Course
from grading.limits import Limits
from grading.release import release, run
from grading.verdict import Verdict, grade, warm

_ATTEMPTS = 3


def autograde(
    course: Course,
    units: list[str],
    students: list[str] | None = None,
    *,
    pool: Executor,
    force: bool = False,
    limits: Limits | None = None,
    progress: bool = True,
) -> dict[tuple[str, str], Verdict]:
    """Grade submissions of some units, and enter them in the gradebook.

    Args:
        students: grade only these; by default all who handed in something.
        pool: where submissions are graded; see `executor`.
        force: grade again what was graded before.

    Returns:
        The verdicts by (unit, student).

    Raises:
        ValueError: for a unit without checks, release or submissions, or a student without any.
        RuntimeError: after the last submission, if nbgrader could not take in some of them.
    """
    tasks = {
        (unit, student): results.job(course, unit, student, limits)
        for unit in units
        for student in _who(course, unit, students)
    }
    for unit in units:
        _register(course, unit)
    kept = (
        {}
        if force
        else {n: v for n, job in tasks.items() if (v := results.load(course, n[1], job))}
    )
    todo = {name: job for name, job in tasks.items() if name not in kept}
    verdicts, failed = {}, []
    with tqdm(total=len(tasks), desc="grading", unit=" notebook", disable=not progress) as bar:
        for (unit, student), verdict in chain(kept.items(), _each(pool, grade, todo)):
            if (unit, student) in todo:
                results.save(course, student, todo[unit, student], verdict)
            try:
                _convert(_Autograde, course, unit, student)
                verdicts[unit, student] = verdict
            except NbGraderException:
                failed.append(f"{student} ({unit})")
            bar.update()
    if failed:
        raise RuntimeError(f"nbgrader could not take in {', '.join(failed)}; see the errors above")
    return verdicts


def feedback(
    course: Course, names: Iterable[tuple[str, str]], *, pool: Executor, progress: bool = True
) -> None:
    """Write nbgrader's HTML feedback for these (unit, student), in parallel."""
    tasks = {(unit, student): (course, unit, student) for unit, student in names}
    with tqdm(total=len(tasks), desc="feedback", unit=" notebook", disable=not progress) as bar:
        for _ in _each(pool, _feedback, tasks):
            bar.update()


def executor(jobs: int | None = None) -> ProcessPoolExecutor:
    """Processes that grade, by default one per core; each has a zygote of its own.

    >>> with executor(1) as pool: pool.submit(abs, -1).result()
    1
    """
    jobs = jobs or len(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=spawn, initializer=warm)


def _who(course: Course, unit: str, students: list[str] | None) -> list[str]:
    present = course.students(unit)
    if not present:
        raise ValueError(f"unit: got {unit!r}, for which nothing lies in {course.folder}/submitted")
    if missing := set(students or ()) - set(present):
        raise ValueError(f"student: got {', '.join(sorted(missing))}, who handed in no {unit}")
    return [s for s in present if not students or s in students]


def _each(pool: Executor, function: Callable, tasks: dict) -> Iterable[tuple[Any, Any]]:
    """The results as they come; if a worker is lost, what it had is done again."""
    left = dict(tasks)
    with ExitStack() as replacements:
        for attempt in range(1, _ATTEMPTS + 1):
            futures = {pool.submit(function, task): name for name, task in left.items()}
            try:
                for future in as_completed(futures):
                    result = future.result()
                    del left[futures[future]]
                    yield futures[future], result
                return
            except BrokenProcessPool:
                if attempt == _ATTEMPTS:
                    raise
                pool = replacements.enter_context(executor())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _register(course: Course, unit: str) -> None:
    """Have the unit in the gradebook."""
    with course.gradebook() as gradebook:
        try:
            gradebook.find_assignment(unit)
            return
        except MissingEntry:
            pass
    release(course, unit, database=True)


class _Autograde(Autograde):
    """nbgrader's Autograde for one student, who need not have handed in a notebook."""

    def init_notebooks(self) -> None:
        unit = self.coursedir.assignment_id
        folders = glob.glob(self._format_source(unit, self.coursedir.student_id))
        self.assignments = {f: [os.path.join(f, f"{unit}.ipynb")] for f in folders}


def _convert(converter: type, course: Course, unit: str, student: str) -> None:
    config = course.config()
    config.BaseConverter.force = True
    config.CourseDirectory.assignment_id = unit
    config.CourseDirectory.student_id = glob.escape(student)
    run(converter, config)


def _feedback(task: tuple[Course, str, str]) -> None:
    _convert(GenerateFeedback, *task)
