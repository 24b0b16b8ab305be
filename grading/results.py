"""Verdicts on disk: nothing is graded twice, nothing is half written, a regrade is reproducible.

A verdict is kept under the digest of what it depends on: submission, release, checks and library,
and the unit's secret seed. The seed is drawn when a unit is first graded, and lies
in `results/UNIT/seed`; delete that file to draw another.
"""

import hashlib
import importlib
import json
import os
import secrets
import tempfile
from functools import cache
from pathlib import Path

from dgm_lib import checks
from grading.course import ROOT, Course
from grading.limits import Limits
from grading.verdict import Job, Verdict, grade


def job(course: Course, unit: str, student: str, limits: Limits | None = None) -> Job:
    """The job of grading one student's unit.

    Raises:
        ValueError: if the unit has no checks, or was not released.
    """
    checks.load(unit)
    if not course.release(unit).is_file():
        raise ValueError(f"unit: got {unit!r}, which has no release; run python -m grading release")
    path = course.submitted(unit, student) / f"{unit}.ipynb"
    submission = path.read_bytes() if path.is_file() else None
    return Job(
        unit,
        checks.UNITS[unit],
        course.release(unit).read_bytes(),
        submission,
        seed(course, unit),
        limits or Limits(),
    )


def seed(course: Course, unit: str) -> str:
    """The unit's secret seed, drawn on first use."""
    path = course.results / unit / "seed"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        fileno = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with open(fileno, "w") as file:
        file.write(text := secrets.token_hex(16))
    return text


def load(course: Course, student: str, job: Job) -> Verdict | None:
    """The verdict on this job, if there is one."""
    try:
        kept = json.loads(_path(course, student, job).read_text())
        return Verdict.from_json(kept["verdict"]) if kept["key"] == key(job) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(course: Course, student: str, job: Job, verdict: Verdict) -> None:
    """Keep a verdict; whoever reads at this moment sees the old file or the new one."""
    write(_path(course, student, job), json.dumps({"key": key(job), "verdict": verdict.to_json()}))


def load_or_grade(course: Course, unit: str, student: str) -> Verdict:
    """The verdict on a student's unit, graded here and now if it was not graded before."""
    task = job(course, unit, student)
    verdict = load(course, student, task)
    if verdict is None:
        verdict = grade(task)
        save(course, student, task, verdict)
    return verdict


def key(job: Job) -> str:
    """The digest of all that a verdict depends on."""
    digest = hashlib.sha256()
    submission = b"none" if job.submission is None else b"file" + job.submission
    for part in (job.release, submission, job.seed.encode(), _code(job.checks)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@cache
def _code(module: str) -> bytes:
    """The digest of the checks, of the library that they refer to, and of the grader."""
    digest = hashlib.sha256()
    own = Path(importlib.import_module(module).__file__)
    for path in [own, *sorted(ROOT.glob("dgm_lib/**/*.py")), *sorted(ROOT.glob("grading/*.py"))]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def write(path: Path, text: str) -> None:
    """Write a file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fileno, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with open(fileno, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _path(course: Course, student: str, job: Job) -> Path:
    return course.results / job.unit / f"{student}.json"
