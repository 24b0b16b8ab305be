"""The class at a glance: student × question, with points and the feedback in a word."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from nbgrader import api
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy import select

from grading.course import Course
from grading.hygiene import cell
from grading.preprocessor import PREFIX
from grading.release import quiet
from grading.results import write
from grading.verdict import Verdict


@dataclass(frozen=True)
class Row:
    """One student's answer to one question; the points are those in the gradebook."""

    student: str
    unit: str
    function: str
    earned: float
    points: float
    word: str
    advice: str = ""
    sandboxed: bool = True


def rows(course: Course, verdicts: dict[tuple[str, str], Verdict]) -> list[Row]:
    """All questions of these submissions that are in the gradebook, by unit, student, function."""
    found = []
    with course.gradebook() as gradebook, quiet():
        scores = {
            unit: _scores(gradebook, unit) for unit in dict.fromkeys(unit for unit, _ in verdicts)
        }
    for (unit, student), verdict in sorted(verdicts.items()):
        for name, report in verdict.reports.items():
            if (score := scores[unit].get((student, PREFIX + name))) is not None:
                row = (student, unit, name, score, float(report.points), verdict.word_of(name))
                found.append(Row(*row, verdict.reason or report.advice, verdict.sandboxed))
    return found


def _scores(gradebook: api.Gradebook, unit: str) -> dict[tuple[str, str], float]:
    """The points in the gradebook by student and cell: manual ones, if there are any."""
    query = (
        select(api.SubmittedAssignment.student_id, api.BaseCell.name, api.Grade.score)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.id == api.Grade.notebook_id)
        .join(
            api.SubmittedAssignment,
            api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id,
        )
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
        .where(api.Assignment.name == unit)
    )
    return {(student, cell): score for student, cell, score in gradebook.db.execute(query)}


def to_csv(rows: Iterable[Row]) -> str:
    """One line per student and question."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        line = asdict(row)
        writer.writerow({k: cell(v) if isinstance(v, str) else v for k, v in line.items()})
    return text.getvalue()


def save(course: Course, rows: Iterable[Row]) -> list[str]:
    """Write `questions.csv` (points and words) and `grades.csv` (nbgrader's totals)."""
    paths = [course.results / "questions.csv", course.results / "grades.csv"]
    write(paths[0], to_csv(rows))
    with course.gradebook() as gradebook:
        CsvExportPlugin(to=str(paths[1])).export(gradebook)
    return [str(path) for path in paths]


def totals(path: Path) -> dict[tuple[str, str], float]:
    """The sums in nbgrader's export, by (student, unit)."""
    with open(path, newline="") as file:
        return {
            (line["student_id"], line["assignment"]): float(line["score"])
            for line in csv.DictReader(file)
        }


def table(rows: list[Row], width: int = 160) -> str:
    """A table for the terminal: a block per unit, a line per student.

    >>> print(table([Row("ada", "04", "energy", 2, 3, "partial")], width=50))
    04        energy /3               sum
    ada       2 partial               2/3
    """
    blocks = []
    for unit in dict.fromkeys(row.unit for row in rows):
        mine = [row for row in rows if row.unit == unit]
        points = {row.function: row.points for row in mine}
        names = max(len(s) for s in [unit, "student", *(row.student for row in mine)]) + 3
        cell = max(min((width - names - 8) // len(points), 34), 12)
        head = "".join(_fit(f"{name} /{top:g}", cell) for name, top in points.items())
        lines = [f"{unit:<{names}}{head}{'sum':>5}"]
        for student in dict.fromkeys(row.student for row in mine):
            own = {row.function: row for row in mine if row.student == student}
            cells = "".join(_fit(f"{own[name].earned:g} {own[name].word}", cell) for name in points)
            total = sum(row.earned for row in own.values())
            lines.append(f"{student:<{names}}{cells}{f'{total:g}/{sum(points.values()):g}':>5}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _fit(text: str, width: int) -> str:
    text = text if len(text) < width else text[: width - 2] + "…"
    return f"{text:<{width}}"
