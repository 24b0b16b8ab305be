"""How verdicts enter nbgrader: two preprocessors for `c.Autograde.autograde_preprocessors`."""

from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from grading.course import Course
from grading.submission import grade_id_of, is_solution, is_test

PREFIX = "check_"
"""The test cell of a function `f` has the grade_id `check_f`; its solution cell, `f`."""


class WriteVerdict(NbGraderPreprocessor):
    """In the place of `Execute`: fills in outputs from the verdict, graded now if need be.

    A test cell's output is the function's report, whose plain form is the number of points, as
    nbgrader expects partial credit; the student's own cells get the outputs that they had.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        from grading.results import load_or_grade  # torch, only when there is something to grade

        names = resources["nbgrader"]
        course = Course(Path(CourseDirectory(parent=self).root))
        verdict = load_or_grade(course, names["assignment"], names["student"])
        resources["verdict"] = verdict
        fill(nb, verdict)
        return nb, resources


class SaveFeedback(NbGraderPreprocessor):
    """After `SaveAutoGrades`: the feedback in a sentence, as the comment in the gradebook."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names, verdict = resources["nbgrader"], resources["verdict"]
        with Gradebook(names["db_url"]) as gradebook:
            for cell in nb.cells:
                if is_solution(cell) and grade_id_of(cell) in verdict.reports:
                    comment = gradebook.find_comment(
                        grade_id_of(cell), names["notebook"], names["assignment"], names["student"]
                    )
                    comment.auto_comment = sentence(verdict, grade_id_of(cell))
            gradebook.db.commit()
        return nb, resources


def fill(nb: NotebookNode, verdict: Any) -> None:
    """Put a verdict's reports, outputs and notes into the notebook, in place."""
    if about := remarks(verdict):
        cell = nbformat.v4.new_markdown_cell(about)
        cell["id"] = "about-this-submission"
        nb.cells.insert(0, cell)
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        if is_test(cell):
            report = verdict.reports[grade_id_of(cell).removeprefix(PREFIX)]
            data = {"text/html": report.html(), "text/plain": f"{report.earned:g}"}
            result = nbformat.v4.new_output("execute_result", data, execution_count=None)
            cell["outputs"] = [result]
        else:
            cell["outputs"] = [
                nbformat.from_dict(output) for output in verdict.outputs.get(cell.id, [])
            ]


def remarks(verdict: Any) -> str:
    """What stands above the graded notebook, in markdown; empty if there is nothing to say."""
    lead = f"**Not graded: {verdict.word}.** Why: {verdict.reason}." if verdict.word else ""
    notes = "\n".join(f"- {note}" for note in verdict.notes)
    return "\n\n".join(filter(None, [lead, notes and "**About your submission**", notes]))


def sentence(verdict: Any, function: str) -> str:
    """What the gradebook says about one function; the first has the notes on the whole."""
    report = verdict.reports[function]
    if verdict.word:
        text = f"{verdict.word}: {verdict.reason}"
    else:
        text = f"{report.headline}: {report.word}"
        text = f"{text}. {report.advice}" if report.advice else text
    notes = verdict.notes if function == next(iter(verdict.reports)) else []
    return " ".join([text.rstrip(".") + "." if notes else text, *notes])
