"""The class at a glance: student × question, with points and the feedback in a word."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from nbgrader.plugins import CsvExportPlugin

from grading.course import Course
from grading.preprocessor import PREFIX
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


def rows(course: Course, verdicts: dict[tuple[str, str], Verdict]) -> list[Row]:
    """All questions of these submissions, by unit, student and function."""
    found = []
    with course.gradebook() as gradebook:
        for (unit, student), verdict in sorted(verdicts.items()):
            notebook = gradebook.find_submission_notebook(unit, unit, student)
            scores = {g.name: g.score for g in notebook.grades}
            for name, report in verdict.reports.items():
                row = (student, unit, name, scores[PREFIX + name], float(report.points))
                found.append(Row(*row, verdict.word_of(name), verdict.reason or report.advice))
    return found


def to_csv(rows: Iterable[Row]) -> str:
    """One line per student and question."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
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
