"""nbgrader's own commands, gradebook, feedback and formgrader work on what the grader finds."""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from grading import driver, report, results
from grading.course import Course
from grading.release import release
from grading.verdict import Verdict
from tests.grading.conftest import LIMITS, POINTS, RIGHT, UNIT, answers, hand_in, make_course

LOUD = "import warnings\ndef double(x):\n    warnings.warn('careful')\n    return 2 * x"
CLASS = {
    "full": answers(),
    "loud": answers(double=LOUD),
    "slip": answers(double="def double(x):\n    return x * x"),
    "corrupt": b"{oops",
    "nothing": None,
}
EARNED = {
    "full": {"double": 4, "square_sum": 4, "apply": 2},
    "loud": {"double": 4, "square_sum": 4, "apply": 2},
    "slip": {"double": 1, "square_sum": 4, "apply": 2},
    "corrupt": {"double": 0, "square_sum": 0, "apply": 0},
    "nothing": {"double": 0, "square_sum": 0, "apply": 0},
}


def nbgrader(course: Course, *words: str) -> subprocess.CompletedProcess:
    """Run one of nbgrader's commands as an instructor does: in the grading folder."""
    program = str(Path(sys.executable).parent / "nbgrader")
    return subprocess.run(
        [program, *words], cwd=course.folder, capture_output=True, text=True, check=False
    )


def grades(course: Course) -> dict[str, dict[str, float]]:
    with course.gradebook() as gradebook:
        return {
            submission.student.id: {
                grade.name.removeprefix("check_"): grade.score
                for grade in submission.notebooks[0].grades
            }
            for submission in gradebook.assignment_submissions(UNIT)
        }


def autograde(course: Course, **options: object) -> dict[tuple[str, str], Verdict]:
    with ThreadPoolExecutor(1) as pool:
        return driver.autograde(course, [UNIT], pool=pool, progress=False, limits=LIMITS, **options)


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, dict]:
    """A class that the driver has graded, with feedback."""
    course = make_course(tmp_path_factory.mktemp("class"))
    for student, data in CLASS.items():
        hand_in(course, student, data)
    verdicts = autograde(course)
    with ThreadPoolExecutor(1) as pool:
        driver.feedback(course, verdicts, pool=pool, progress=False)
    return course, verdicts


def test_partial_credit_reaches_the_gradebook(graded):
    course, _ = graded
    assert grades(course) == EARNED


def test_nothing_waits_for_manual_grading(graded):
    course, _ = graded
    with course.gradebook() as gradebook:
        for submission in gradebook.assignment_submissions(UNIT):
            assert not submission.needs_manual_grade
            assert submission.max_score == sum(POINTS.values())


def test_the_gradebook_says_why(graded):
    course, _ = graded
    with course.gradebook() as gradebook:

        def comment(student: str) -> str:
            return gradebook.find_comment("double", UNIT, UNIT, student).comment

        assert comment("full") == "double: 4 of 4 points: full"
        assert comment("slip").startswith("double: 1 of 4 points: squares. You multiplied x by")
        assert comment("corrupt").startswith("corrupt file: the file is not a readable notebook")
        assert comment("nothing").startswith("no notebook: ")


def test_feedback_holds_the_report(graded):
    course, verdicts = graded
    for student in CLASS:
        html = course.feedback(UNIT, student).read_text()
        for name, rep in verdicts[UNIT, student].reports.items():
            assert f"{name}: {rep.earned:g} of {rep.points:g} points" in html
    slip = course.feedback(UNIT, "slip").read_text()
    assert "You multiplied x by itself." in slip
    assert "<table" in slip
    assert "not a readable notebook" in course.feedback(UNIT, "corrupt").read_text()


def test_the_autograded_notebook_has_outputs_but_no_demo(graded):
    course, _ = graded
    path = course.folder / "autograded" / "loud" / UNIT / f"{UNIT}.ipynb"
    cells = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    assert cells["check_double"].outputs[0].data["text/plain"] == "4"
    assert "careful" in cells["check_double"].outputs[0].data["text/html"]
    assert cells["see_double"].outputs == []


def test_export_has_the_totals(graded):
    course, verdicts = graded
    done = nbgrader(course, "export", "--to", "exported.csv")
    assert done.returncode == 0, done.stderr
    totals = report.totals(course.folder / "exported.csv")
    assert totals == {(s, UNIT): sum(points.values()) for s, points in EARNED.items()}
    rows = report.rows(course, verdicts)
    assert report.totals(report.save(course, rows)[1]) == totals


def test_an_archive_is_collected_as_the_guide_says(course):
    """grading/README.md, step 5: the regular expression there, on the name there."""
    guide = (Path(__file__).resolve().parents[2] / "grading" / "README.md").read_text()
    name = re.search(r"For\n +`(ada_attempt_[\w.-]+)`", guide)[1].replace("04_boltzmann", UNIT)
    pattern = re.search(r'named_regexp = \(\n +r"(.+)"', guide)[1]
    archive = course.folder / "downloaded" / UNIT / "archive" / "class.zip"
    archive.parent.mkdir(parents=True)
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr(name, answers())
    option = f"--FileNameCollectorPlugin.named_regexp={pattern}"
    done = nbgrader(course, "zip_collect", UNIT, option)
    assert done.returncode == 0, done.stderr
    folder = course.submitted(UNIT, "ada")
    assert (folder / f"{UNIT}.ipynb").read_bytes() == answers()
    assert (folder / "timestamp.txt").read_text() == "2027-03-02 10:00:00"


def test_table_and_csv_show_points_and_words(graded):
    course, verdicts = graded
    rows = report.rows(course, verdicts)
    lines = report.table(rows).splitlines()
    assert lines[0].split() == [UNIT, "double", "/4", "square_sum", "/4", "apply", "/2", "sum"]
    slip = next(line for line in lines if line.startswith("slip"))
    assert slip.split() == ["slip", "1", "squares", "4", "full", "2", "full", "7/10"]
    assert f"slip,{UNIT},double,1.0,4.0,squares,You multiplied x by itself." in report.to_csv(rows)


def test_autograde_and_feedback_by_the_command_line_alone(graded):
    course, _ = graded
    for student in ("full", "corrupt"):
        (course.results / UNIT / f"{student}.json").unlink()
    done = nbgrader(course, "autograde", UNIT, "--force")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert grades(course) == EARNED
    assert (course.results / UNIT / "full.json").is_file()
    course.feedback(UNIT, "slip").unlink()
    done = nbgrader(course, "generate_feedback", UNIT, "--force")
    assert done.returncode == 0, done.stderr
    assert "squares" in course.feedback(UNIT, "slip").read_text()


def test_generate_assignment_by_the_command_line(course):
    before = course.release(UNIT).read_bytes()
    done = nbgrader(course, "generate_assignment", UNIT, "--force")
    assert done.returncode == 0, done.stderr
    assert course.release(UNIT).read_bytes() == before


def test_the_release_is_the_same_every_time_and_holds_no_answer(course):
    before = course.release(UNIT).read_bytes()
    source = course.root / "solutions" / UNIT / f"{UNIT}.ipynb"
    nb = nbformat.read(source, as_version=4)
    for cell in nb.cells:
        cell["execution_count"] = 7
        cell["outputs"] = [nbformat.v4.new_output("stream", text="an old output\n")]
    nbformat.write(nb, source)
    release(course, UNIT)
    assert course.release(UNIT).read_bytes() == before
    assert b"an old output" not in before
    assert b"2 * x" not in before
    assert b"replace this line with your code" in before


def test_validate_tells_solved_from_unsolved(course):
    unsolved = nbgrader(course, "validate", str(course.release(UNIT)))
    assert "VALIDATION FAILED ON 3 CELL(S)" in unsolved.stdout
    sources = {
        name: text.replace("    ### BEGIN SOLUTION\n", "").replace("    ### END SOLUTION", "")
        for name, text in RIGHT.items()
    }
    nb = nbformat.read(course.release(UNIT), as_version=4)
    for cell in nb.cells:
        cell["source"] = sources.get(cell.id, cell.source)
    nbformat.write(nb, course.root / "solved.ipynb")
    solved = nbgrader(course, "validate", str(course.root / "solved.ipynb"))
    assert "Success! Your notebook passes all the tests." in solved.stdout, solved.stderr


def test_nothing_is_graded_twice(course, monkeypatch):
    hand_in(course, "ada", answers())
    first = autograde(course)
    monkeypatch.setattr(driver, "grade", None)  # whoever grades now, fails
    assert autograde(course) == first
    hand_in(course, "ada", answers(double="def double(x):\n    return x"))
    (why,) = autograde(course).attention.values()
    assert why.startswith("not graded, after 3 attempts: TypeError")


def test_force_grades_again_with_the_same_seed(course):
    hand_in(course, "ada", answers())
    first = autograde(course)[UNIT, "ada"]
    again = autograde(course, force=True)[UNIT, "ada"]
    assert again.seed == first.seed == results.seed(course, UNIT)
    assert len(first.seed) == 32
    assert (course.results / UNIT / "seed").stat().st_mode & 0o077 == 0


def test_a_verdict_is_kept_for_its_very_job(course):
    hand_in(course, "ada", answers())
    job = results.job(course, UNIT, "ada")
    verdict = Verdict(UNIT, {}, {}, "word", "reason")
    results.save(course, "ada", job, verdict)
    assert results.load(course, "ada", job) == verdict
    assert [p.name for p in (course.results / UNIT).iterdir() if p.name.startswith(".")] == []
    course.release(UNIT).write_bytes(course.release(UNIT).read_bytes() + b"\n")
    assert results.load(course, "ada", results.job(course, UNIT, "ada")) is None
    (course.results / UNIT / "ada.json").write_text('{"key": "ha')  # a damaged file is no verdict
    assert results.load(course, "ada", job) is None


def test_what_cannot_be_graded_is_said(course):
    with pytest.raises(ValueError, match="unit: got '99_fake', for which nothing lies in"):
        autograde(course)
    hand_in(course, "ada", answers())
    with pytest.raises(ValueError, match="student: got bob, who handed in no 99_fake"):
        autograde(course, students=["ada", "bob"])
    with pytest.raises(ValueError, match="unit: got '98_none'; want one of"):
        results.job(course, "98_none", "ada")
    course.release(UNIT).unlink()
    with pytest.raises(ValueError, match="which has no release"):
        autograde(course)


@pytest.fixture
def server(graded: tuple[Course, dict]) -> Iterator[str]:
    """The address of a Jupyter server in the class's folder."""
    course, _ = graded
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    words = [sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}"]
    words += [
        f"--ServerApp.root_dir={course.root}",
        "--IdentityProvider.token=open",
        "--allow-root",
    ]
    log = course.folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(words, cwd=course.folder, stdout=output, stderr=output)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while True:
            try:
                ask(f"{address}/api/status")
                break
            except (urllib.error.URLError, ConnectionError):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def ask(url: str, method: str = "GET") -> str:
    request = urllib.request.Request(url, method=method, headers={"Authorization": "token open"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def test_formgrader_shows_the_class_and_grades(graded, server):
    course, _ = graded
    assert "formgrader" in ask(f"{server}/formgrader/manage_assignments")
    (assignment,) = json.loads(ask(f"{server}/formgrader/api/assignments"))
    assert assignment["name"] == UNIT
    assert assignment["max_score"] == sum(POINTS.values())
    submissions = json.loads(ask(f"{server}/formgrader/api/submissions/{UNIT}"))
    scores = {s["student"]: s["score"] for s in submissions if s["autograded"]}
    assert scores == {s: sum(points.values()) for s, points in EARNED.items()}
    answer = json.loads(ask(f"{server}/formgrader/api/submission/{UNIT}/slip/autograde", "POST"))
    assert answer["success"], answer
    assert grades(course) == EARNED
