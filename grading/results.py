"""Verdicts on disk: nothing is graded twice, nothing is half written, a regrade is reproducible.

A verdict is kept under the digest of what it depends on: submission, release, checks and library,
and the unit's secret seed. The seed is drawn when a unit is first graded, and lies
in `results/UNIT/seed`; delete that file to draw another.
"""

import contextlib
import hashlib
import importlib
import json
import os
import secrets
import stat
import tempfile
from functools import cache
from pathlib import Path

from dgm_lib import checks
from grading.course import ROOT, Course
from grading.limits import Limits
from grading.submission import find
from grading.verdict import Job, Verdict, grade


def job(
    course: Course,
    unit: str,
    student: str,
    limits: Limits | None = None,
    sandbox: bool = True,
) -> Job:
    """The job of grading one student's unit.

    Raises:
        ValueError: if the unit has no checks, or was not released.
    """
    ready(course, unit)
    submission, notes = find(course.submitted(unit, student), unit)
    return Job(
        unit,
        checks.UNITS[unit],
        course.release(unit).read_bytes(),
        submission,
        seed(course, unit),
        limits or Limits(),
        sandbox,
        tuple(notes),
    )


def ready(course: Course, unit: str) -> None:
    """Raises ValueError if the unit has no checks, or was not released."""
    checks.load(unit)
    if not course.release(unit).is_file():
        raise ValueError(f"unit: got {unit!r}, which has no release; run python -m grading release")


def regular(path: Path, most: int) -> bytes | None:
    """The first `most` + 1 bytes of a plain file; None for anything else, links included."""
    try:
        fileno = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(fileno, "rb") as file:
        return file.read(most + 1) if stat.S_ISREG(os.fstat(fileno).st_mode) else None


def seed(course: Course, unit: str) -> str:
    """The unit's secret seed, drawn on first use."""
    path = course.results / unit / "seed"
    if not path.is_file():
        with tempfile.TemporaryDirectory(dir=_made(path.parent)) as folder:
            draft = Path(folder) / "seed"
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write(secrets.token_hex(16))
            with contextlib.suppress(FileExistsError):  # somebody else was first
                os.link(draft, path)
    return path.read_text().strip()


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
    notes = "\n".join(job.notes).encode()
    for part in (job.release, submission, notes, job.seed.encode(), code(job.checks)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


@cache
def code(module: str = "") -> bytes:
    """The digest of the library and the grader, and of a module of checks."""
    digest = hashlib.sha256()
    paths = [*sorted(ROOT.glob("dgm_lib/**/*.py")), *sorted(ROOT.glob("grading/*.py"))]
    if module:
        paths.insert(0, Path(importlib.import_module(module).__file__))
    for path in paths:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()


def write(path: Path, text: str) -> None:
    """Write a file in one step."""
    fileno, temporary = tempfile.mkstemp(dir=_made(path.parent), prefix=".")
    with open(fileno, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _path(course: Course, student: str, job: Job) -> Path:
    return course.results / job.unit / f"{student}.json"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
