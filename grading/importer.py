"""Verdicts enter nbgrader: one writer, one open gradebook, many submissions per transaction.

What `nbgrader autograde` does with this course's settings, in a fraction of its time: nbgrader opens
the gradebook eight times for each submission, and commits after each cell. The same rows and the
same autograded notebook come out (a test compares all tables). Entering a verdict twice gives what
entering it once gives, so a run that was killed is simply run again.
"""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbgrader import api
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearOutput,
    DeduplicateIds,
    LimitOutput,
    NbGraderPreprocessor,
    OverwriteCells,
    SaveAutoGrades,
)
from nbgrader.utils import parse_utc
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from grading.course import Course
from grading.preprocessor import PREFIX, fill, sentence
from grading.release import log, quiet, release
from grading.results import key, regular, write
from grading.submission import is_solution, parse, read
from grading.verdict import Job, Verdict

BATCH, SECONDS = 50, 1.0
"""So many submissions, or those of so many seconds, enter the gradebook in one transaction."""


@dataclass
class Importer:
    """One unit's way into an open gradebook.

    Args:
        gradebook: an `nbgrader.api.Gradebook`; see `opened`.
    """

    gradebook: api.Gradebook
    course: Course
    unit: str
    troubles: dict[str, str] = field(default_factory=dict)
    """Whose verdict could not be entered, or not in full, and why."""

    def __post_init__(self) -> None:
        config = self.course.config()
        self._clear, self._unique, self._cells, self._limit, self._save, self._late = (
            step(config=config, log=log())
            for step in (
                *(ClearOutput, DeduplicateIds, OverwriteCells),
                *(LimitOutput, SaveAutoGrades, AssignLatePenalties),
            )
        )
        self._late.init_plugin()
        self._save.notebook_id = self._save.assignment_id = self._save.student_id = ""
        self._cells.notebook_id = self._cells.assignment_id = self.unit
        self._cells.gradebook = _source(self.gradebook, self.unit)
        skeleton = parse(self.course.release(self.unit).read_bytes())
        CheckCellMetadata(config=config, log=log()).preprocess(skeleton, {})  # holds for all
        self._done_path = self.course.results / self.unit / ".imported"
        self._done = _load(self._done_path)
        self._waiting: list[tuple[str, Job, Verdict]] = []
        self._since = time.monotonic()

    def add(self, student: str, job: Job, verdict: Verdict) -> None:
        """Have a verdict entered, now or with the next ones."""
        self._waiting.append((student, job, verdict))
        if len(self._waiting) >= BATCH or time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Enter all that wait; what fails does so alone, and is in `troubles`."""
        batch, self._waiting = self._waiting, []
        try:
            self._transact(batch)
        except OperationalError as error:  # locked, or out of reach
            why = f"not entered, the gradebook says: {str(error.orig)[:200]}"
            self.troubles |= {student: why for student, *_ in batch}
        except Exception:  # whatever it is, it is one submission's
            for task in batch:
                try:
                    self._transact([task])
                except Exception as error:
                    self.troubles[task[0]] = f"not entered: {type(error).__name__}: {error}"[:300]
        self._since = time.monotonic()

    def holds(self, student: str, job: Job, verdict: Verdict) -> bool:
        """Whether this verdict was entered, and nothing has changed since."""
        if self._done.get(student) != key(job) or not self._target(student).is_file():
            return False
        with quiet():
            submission = self._submission(student)
            try:
                timestamp = _timestamp(self._source_folder(student))
            except ValueError:
                return False
            if submission is None or timestamp not in (None, submission.timestamp):
                return False
            rows = _Rows(submission, self.unit)
            return all(
                (grade := rows.grades.get(PREFIX + name)) is not None
                and grade.auto_score == _shown(report.earned)
                and rows.comments[name].auto_comment == sentence(verdict, name)
                for name, report in verdict.reports.items()
            )

    def _transact(self, batch: list[tuple[str, Job, Verdict]]) -> None:
        db = self.gradebook.db
        try:
            with quiet():
                for student, job, verdict in batch:
                    self._enter(student, job, verdict)
                db.commit()
        except BaseException:
            db.rollback()
            raise
        finally:
            db.expunge_all()  # memory stays flat
        self._done |= {student: key(job) for student, job, _ in batch}
        write(self._done_path, json.dumps(self._done, indent=0))

    def _enter(self, student: str, job: Job, verdict: Verdict) -> None:
        """What nbgrader's Autograde does, step by step, with the same preprocessors."""
        db = self.gradebook.db
        nb = read(job.submission, job.release, job.notes).nb
        for step in (self._clear, self._unique):
            nb, _ = step.preprocess(nb, {})
        if kernelspec := self._cells.gradebook.kernelspec:
            nb.metadata["kernelspec"] = kernelspec
        nb, _ = NbGraderPreprocessor.preprocess(self._cells, nb, {})
        fill(nb, verdict)
        nb, _ = self._limit.preprocess(nb, {})

        submission = self._submission(student) or self._new(student)
        try:
            submission.timestamp = _timestamp(self._source_folder(student)) or submission.timestamp
        except ValueError as error:
            self.troubles[student] = f"{error}; entered without it"
        self._save.gradebook = rows = _Rows(submission, self.unit)
        NbGraderPreprocessor.preprocess(self._save, nb, {})
        for cell in nb.cells:
            if is_solution(cell) and (name := cell.metadata.nbgrader.grade_id) in verdict.reports:
                rows.comments[name].auto_comment = sentence(verdict, name)
        db.flush()
        self._penalise(submission, rows.notebook)
        self._write(student, nbformat.writes(nb).rstrip("\n") + "\n")

    def _penalise(
        self, submission: api.SubmittedAssignment, notebook: api.SubmittedNotebook
    ) -> None:
        notebook.late_submission_penalty = None
        if submission.total_seconds_late > 0:
            self.gradebook.db.expire(notebook, ["score"])  # it is a sum in the database
            penalty = self._late.plugin_inst.late_submission_penalty(
                submission.student_id, notebook.score, submission.total_seconds_late
            )
            if penalty is not None:
                penalty = self._late._check_late_penalty(notebook, penalty)
                notebook.late_submission_penalty = penalty

    def _submission(self, student: str) -> api.SubmittedAssignment | None:
        return self.gradebook.db.scalars(
            select(api.SubmittedAssignment).where(
                api.SubmittedAssignment.assignment_id == self._cells.gradebook.assignment_id,
                api.SubmittedAssignment.student_id == student,
            )
        ).one_or_none()

    def _new(self, student: str) -> api.SubmittedAssignment:
        """An empty submission, as `Gradebook.add_submission` makes it, but not yet committed."""
        db = self.gradebook.db
        if db.get(api.Student, student) is None:
            db.add(api.Student(id=student))
        assignment = self.gradebook.find_assignment(self.unit)
        submission = api.SubmittedAssignment(assignment=assignment, student_id=student)
        for notebook in assignment.notebooks:
            mine = api.SubmittedNotebook(notebook=notebook, assignment=submission)
            for cell in [*notebook.grade_cells, *notebook.task_cells]:
                api.Grade(cell=cell, notebook=mine)
            for cell in [*notebook.solution_cells, *notebook.task_cells]:
                api.Comment(cell=cell, notebook=mine)
        db.add(submission)
        db.flush()
        return submission

    def _source_folder(self, student: str) -> Path:
        return self.course.submitted(self.unit, student)

    def _target(self, student: str) -> Path:
        return self.course.folder / "autograded" / student / self.unit / f"{self.unit}.ipynb"

    def _write(self, student: str, text: str) -> None:
        """The autograded folder: the notebook and the time stamp, and nothing else."""
        target = self._target(student)
        folder = target.parent
        folder.mkdir(parents=True, exist_ok=True)
        files = {target: text.encode()}
        if (stamp := regular(self._source_folder(student) / "timestamp.txt", 1 << 10)) is not None:
            files[folder / "timestamp.txt"] = stamp
        for path in folder.rglob("*"):
            if path not in files and (path.is_symlink() or not path.is_dir()):
                path.unlink()
        for path, data in files.items():
            fileno, temporary = tempfile.mkstemp(dir=folder, prefix=".")
            with open(fileno, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o444)
            os.replace(temporary, path)


@contextlib.contextmanager
def opened(course: Course, units: list[str]) -> Iterator[dict[str, Importer]]:
    """The way into the gradebook for each of these units, which are entered in it if need be."""
    with course.gradebook() as gradebook:
        known = set(gradebook.db.scalars(select(api.Assignment.name)))
        gradebook.db.rollback()  # nothing stays locked while nbgrader writes
        for unit in set(units) - known:
            release(course, unit, database=True)
        yield {unit: Importer(gradebook, course, unit) for unit in units}


class _Rows:
    """One submission's rows, found in memory where `SaveAutoGrades` asks for them."""

    def __init__(self, submission: api.SubmittedAssignment, unit: str):
        self.notebook = next(n for n in submission.notebooks if n.name == unit)
        self.grades = {grade.name: grade for grade in self.notebook.grades}
        self.comments = {comment.name: comment for comment in self.notebook.comments}
        self.db = self

    def find_grade(self, name: str, *_: str) -> api.Grade:
        return self.grades[name]

    def find_comment(self, name: str, *_: str) -> api.Comment:
        return self.comments[name]

    def commit(self) -> None:
        """Nothing: the batch is one transaction."""


def _source(gradebook: api.Gradebook, unit: str) -> SimpleNamespace:
    """The unit's cells as the gradebook has them, found in memory where `OverwriteCells` asks."""
    notebook = gradebook.find_notebook(unit, unit)
    cells = {
        c.name: SimpleNamespace(
            name=c.name,
            cell_type=c.cell_type,
            locked=c.locked,
            checksum=c.checksum,
            source=c.source,
        )
        for c in notebook.source_cells
    }
    graded = {
        c.name: SimpleNamespace(max_score=c.max_score)
        for c in [*notebook.grade_cells, *notebook.task_cells]
    }

    def find(found: dict[str, SimpleNamespace], name: str) -> SimpleNamespace:
        if name not in found:
            raise api.MissingEntry(f"No such cell: {name}")
        return found[name]

    source = SimpleNamespace(
        assignment_id=notebook.assignment_id,
        kernelspec=json.loads(notebook.kernelspec) if notebook.kernelspec else None,
        find_source_cell=lambda name, *_: find(cells, name),
        find_graded_cell=lambda name, *_: find(graded, name),
    )
    gradebook.db.rollback()
    return source


def _timestamp(folder: Path) -> datetime | None:
    """When the submission was handed in, if `timestamp.txt` says so.

    Raises:
        ValueError: if it says something else.
    """
    text = (regular(folder / "timestamp.txt", 1 << 10) or b"").decode(errors="replace").strip()
    try:
        return parse_utc(text) if text else None
    except (ValueError, OverflowError, TypeError):
        raise ValueError(f"timestamp.txt says {text[:40]!r}, which is no time") from None


def _shown(points: float) -> float:
    """Points as nbgrader reads them from the report."""
    return float(f"{points:g}")


def _load(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return {}
