"""The demo in full, and what it is made of."""

import ast
import json
import subprocess
import sys

import pytest

from dgm_lib import checks
from grading import demo, sources, students
from grading.__main__ import main
from grading.course import Course
from grading.seal import seal

REAL = [unit for unit in checks.UNITS if unit != "99_fake"]


def test_every_grade_of_the_demo_s_class_is_as_expected(tmp_path, capfd):
    """Builds, grades and compares a class, as `make demo` does."""
    status = main(["demo", "--folder", str(tmp_path / "demo")])
    said = capfd.readouterr().out
    assert status == 0, said
    assert "grades and words are as expected" in said
    for student in students.NAMES:
        assert f"\n{student} " in said
    course = Course(tmp_path / "demo")
    assert (course.results / "questions.csv").is_file()
    assert (course.results / "grades.csv").is_file()


def test_the_class_is_large_and_varied():
    assert len(set(students.NAMES)) >= 24


def test_the_demo_leaves_other_folders_alone(tmp_path):
    (tmp_path / "thesis.tex").touch()
    assert main(["demo", "--folder", str(tmp_path)]) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_comparison_notices_a_wrong_grade(tmp_path):
    paper = students.Paper(
        checks.load("99_fake"), b"", dict.fromkeys(("double", "square_sum", "apply"), "")
    )
    course = Course(tmp_path)
    grades = tmp_path / "grades.csv"
    grades.write_text("student_id,assignment,score\nada,99_fake,9\n")
    rows = [
        demo.Row("ada", "99_fake", "double", 4, 4, "full"),
        demo.Row("ada", "99_fake", "square_sum", 3, 4, "partial"),
        demo.Row("ada", "99_fake", "apply", 2, 2, "full"),
    ]
    found = demo.compare(course, {"ada": {"99_fake": paper}}, rows, grades)
    assert "ada 99_fake square_sum: got (3, 'partial'); want (4, 'full')" in found
    assert "ada 99_fake: grades.csv says 9.0; want 10" in found
    assert any("the feedback does not say" in line for line in found)


@pytest.mark.parametrize("unit", REAL)
def test_a_misconception_s_source_is_that_misconception(unit):
    """The cell that a student hands in gives what the library's function gives."""
    group = checks.load(unit).checks.values()
    for check in group:
        slip = check.misconceptions[0]
        namespace: dict = {}
        source = sources.cell(slip.function, check.name, [a for c in group for a in c.answers])
        exec(source, namespace)
        here, there = check.run(slip.function, "seed"), check.run(namespace[check.name], "seed")
        assert (there.earned, there.word) == (here.earned, here.word)
        assert there.word == slip.name
        imports = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.ImportFrom)]
        assert check.name not in {alias.name for n in imports for alias in n.names}


@pytest.mark.parametrize("unit", REAL)
def test_a_misconception_s_source_runs_where_the_answers_are_sealed(unit, tmp_path):
    seal(checks.UNITS[unit], tmp_path)
    group = checks.load(unit).checks.values()
    cells = [
        sources.cell(slip.function, check.name, [a for c in group for a in c.answers])
        for check in group
        for slip in check.misconceptions
        if not slip.function.__code__.co_freevars  # made by a function; no student writes so
    ]
    (tmp_path / "cells.json").write_text(json.dumps(cells))
    program = "import json\nfor cell in json.load(open('cells.json')):\n    exec(cell, {})"
    environment = {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_what_needs_what_is_found():
    unit = checks.load("99_fake")
    right = {
        "double": "def double(x): return 2 * x",
        "square_sum": "def square_sum(x): return double(x).sum()",
        "apply": "def apply(f, x): return square_sum(f(x))",
    }
    paper = students.Paper(unit, b"", right)
    assert paper.needs("apply") == {"double", "square_sum"}
    assert paper.users("double") == ["square_sum", "apply"]
    paper.keep("square_sum")
    assert paper.expected["apply"] == (0, "not written")
    assert paper.expected["double"] == (4, "full")
