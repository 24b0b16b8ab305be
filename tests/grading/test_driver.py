"""A whole class is graded, whatever single submissions, processes and signals do to the run."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from grading import __main__, doctor, driver, results
from grading.course import ROOT, Course
from grading.release import release
from grading.sandbox import Finding, Unavailable
from grading.workers import Lost, Workers
from tests.grading.conftest import RIGHT, UNIT, answers, hand_in, make_course
from tests.grading.test_importer import copy_of, rows
from tests.grading.unit import fake_grade


def give(course: Course, student: str, *words: str) -> None:
    """Hand in what does these things to the process that grades it."""
    words = " ".join([f"ROOT={course.root}", student, *words])
    hand_in(course, student, answers(double=f"{RIGHT['double']}  # {words}"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course whose unit is in the gradebook."""
    course = make_course(tmp_path_factory.mktemp("course"))
    release(course, UNIT, database=True)
    return course


@pytest.fixture
def course(empty: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    course = copy_of(empty, tmp_path)
    monkeypatch.setattr(driver, "grade", fake_grade.grade)
    monkeypatch.setattr(__main__, "Course", lambda: course)
    return course


def times(course: Course) -> Counter:
    """How often each student's submission was graded."""
    log = course.root / "graded"
    marks = Counter(line.split()[0] for line in log.read_text().splitlines())
    return Counter(
        {
            s: marks[fake_grade.digest(results.job(course, UNIT, s).submission)]
            for s in course.students(UNIT)
        }
    )


def entered(course: Course) -> dict[str, float]:
    with course.gradebook() as gradebook:
        return {s.student_id: s.score for s in gradebook.assignment_submissions(UNIT)}


def test_what_takes_its_process_down_takes_nothing_else_with_it(course, capsys):
    good = [f"good{i}" for i in range(6)]
    for student in good:
        give(course, student, "SLOW")
    give(course, "poison", "POISON")
    give(course, "raises", "RAISES")
    give(course, "stumble", "STUMBLE WRONG double")
    give(course, "=cmd()")
    status = __main__.main(["autograde", UNIT, "--jobs", "2"])
    said = capsys.readouterr().out
    assert status == 3
    assert entered(course) == {**dict.fromkeys(good, 10), "stumble": 8}
    assert times(course) == {
        **dict.fromkeys(good, 1),
        **{"poison": 3, "raises": 3, "stumble": 2, "=cmd()": 0},
    }
    trouble = said[said.index("Needs attention:") :]
    assert "poison: not graded, after 3 attempts: Lost: its process ended (exit code 7)" in trouble
    assert "raises: not graded, after 3 attempts: ValueError: a fault of the grader's" in trouble
    assert "=cmd(): not graded: nobody can be called so" in trouble
    assert "good" not in trouble
    (course.submitted(UNIT, "=cmd()") / f"{UNIT}.ipynb").unlink()
    course.submitted(UNIT, "=cmd()").rmdir()
    give(course, "poison", "all well now")
    give(course, "raises", "all well")
    assert __main__.main(["autograde", UNIT, "--jobs", "1"]) == 0
    assert entered(course)["poison"] == 10
    assert times(course)["good0"] == 1


RUN = """
import sys
from pathlib import Path
from dgm_lib import checks
from grading import __main__, driver
from grading.course import Course
from tests.grading.unit import fake_grade

if __name__ == "__main__":
    checks.UNITS["99_fake"] = "fake_checks"
    driver.grade = fake_grade.grade
    __main__.Course = lambda: Course(Path(sys.argv[1]))
    sys.exit(__main__.main(["autograde", "99_fake", "--jobs", "2"]))
"""


@pytest.mark.parametrize(("end", "after"), [(signal.SIGKILL, 4), (signal.SIGINT, 9)])
def test_a_run_that_is_stopped_goes_on_where_it_was(course, tmp_path, monkeypatch, end, after):
    monkeypatch.setattr(driver.importer, "SECONDS", 0.0)
    students = [f"s{i:02}" for i in range(14)]
    for i, student in enumerate(students):
        give(course, student, "SLOW", "WRONG double" if i % 3 else "")
    (tmp_path / "run.py").write_text(RUN)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    command = [sys.executable, str(tmp_path / "run.py"), str(course.root)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    folder = course.results / UNIT
    while len(kept := list(folder.glob("*.json"))) < after:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    process.send_signal(end)
    process.communicate(timeout=60)
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[end]
    graders = {int(x.split()[1]) for x in (tmp_path / "graded").read_text().splitlines()}
    assert all(ends(pid) for pid in graders), "a grader outlives the run"
    kept = {path.stem for path in folder.glob("*.json")}
    assert after <= len(kept) < len(students)

    with Workers(1) as pool:
        graded = driver.autograde(course, [UNIT], pool=pool, progress=False)
    assert graded.attention == {}
    assert {s for _, s in graded} == set(students)
    assert all(times(course)[s] == 1 for s in kept), "what was finished is kept"
    assert entered(course) == {s: 8 if i % 3 else 10 for i, s in enumerate(students)}
    once = rows(course)
    assert len(once["submitted_assignment"]) == len(students)
    assert not list(folder.glob(".*.json"))
    with Workers(1) as pool:
        driver.autograde(course, [UNIT], pool=pool, progress=False)
    assert rows(course) == once
    assert max(times(course).values()) <= 2, "what was under way is graded once more, and not again"


def test_what_is_entered_stays_as_the_instructor_left_it(course):
    give(course, "ada", "WRONG double")
    with Workers(1) as pool:
        driver.autograde(course, [UNIT], pool=pool, progress=False)
        with course.gradebook() as gradebook:
            grade = gradebook.find_grade("check_double", UNIT, UNIT, "ada")
            grade.manual_score = 3
            gradebook.db.commit()
        driver.autograde(course, [UNIT], pool=pool, progress=False)
        with course.gradebook() as gradebook:  # not graded anew, so there is nothing to review
            assert not gradebook.find_submission(UNIT, "ada").needs_manual_grade
        driver.autograde(course, [UNIT], pool=pool, progress=False, force=True)
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(UNIT, "ada").needs_manual_grade
        assert gradebook.find_submission(UNIT, "ada").score == 9
    assert times(course)["ada"] == 2


def test_without_the_sandbox_it_is_loud_and_on_record(course, capsys):
    give(course, "ada")
    assert __main__.main(["autograde", UNIT, "--jobs", "1", "--no-sandbox"]) == 0
    err = capsys.readouterr().err
    assert err.count("WARNING: NO SANDBOX") == 2
    assert "1 graded without the sandbox" in err
    questions = (course.results / "questions.csv").read_text().splitlines()
    assert questions[0].endswith(",sandboxed")
    assert [line.rpartition(",")[2] for line in questions[1:]] == ["False"] * 3
    assert not results.load(course, "ada", results.job(course, UNIT, "ada")).sandboxed


def test_without_a_sandbox_nothing_is_graded_and_the_reason_is_said(course, capsys, monkeypatch):
    monkeypatch.setattr(driver, "grade", refuse)
    give(course, "ada")
    assert __main__.main(["autograde", UNIT, "--jobs", "1"]) == 2
    assert "bubblewrap is missing" in capsys.readouterr().err
    assert not list((course.results / UNIT).glob("*.json"))


def refuse(job: object) -> None:
    raise Unavailable("bubblewrap is missing")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["autograde", "98_none"], "unit: got '98_none'; want one of"),
        (["autograde", UNIT], "nothing lies in"),
        (["report", UNIT], "which was not graded"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(course, capsys, monkeypatch, words, says):
    assert __main__.main(words) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--jobs", "0"], ["--jobs", "2", "--scheduler", "x"], ["--x"]])
def test_usage(course, words):
    with pytest.raises(SystemExit) as end:
        __main__.main(["autograde", UNIT, *words])
    assert end.value.code == 2


def test_two_runs_at_once_are_refused(course):
    give(course, "ada")
    with (
        Workers(1) as pool,
        driver._alone(course),
        pytest.raises(RuntimeError, match="another run"),
    ):
        driver.autograde(course, [UNIT], pool=pool, progress=False)


def test_some_students_only(course):
    for student in ("ada", "bob", "cyd"):
        give(course, student)
    assert __main__.main(["autograde", UNIT, "--jobs", "1", "--student", "ada", "cyd"]) == 0
    assert entered(course) == {"ada": 10, "cyd": 10}


def test_a_lost_process_is_replaced_and_says_how_it_ended():
    with Workers(1) as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        first = pool.pids()
        with pytest.raises(Lost, match="exit code 3"):
            pool.submit(os._exit, 3).result()
        with pytest.raises(Lost, match="SIGKILL"):
            pool.submit(signal.raise_signal, signal.SIGKILL).result()
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result()
        with pytest.raises(RuntimeError, match="pickle"):
            pool.submit(eval, "lambda: 0").result()
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        last = pool.pids()
    assert first != last
    assert all(ends(pid) for pid in first + last)


def test_a_process_that_never_answers_is_killed():
    with Workers(1, patience=0.5) as pool:
        future = pool.submit(time.sleep, 600)
        with pytest.raises(Lost, match=r"no answer in 0\.5 seconds"):
            future.result()


def test_the_doctor_says_what_is_missing(course, capsys, monkeypatch):
    (course.folder / "gradebook.db").unlink()
    monkeypatch.setattr(doctor.probe, "findings", lambda: [Finding("bubblewrap", True, "0.8.0")])
    assert __main__.main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "✓  bubblewrap    0.8.0" in said
    assert "not there yet, will be made" in said
    assert not (course.folder / "gradebook.db").exists()
    (course.folder / "gradebook.db").write_text("this is no database, whatever it is called")
    monkeypatch.setattr(
        doctor.probe, "findings", lambda: [Finding("namespaces", False, "sysctl says no")]
    )
    assert __main__.main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert "✗  namespaces    sysctl says no" in said
    assert "✗  gradebook" in said
    assert "file is not a database" in said
    (course.folder / "gradebook.url").write_text("postgresql+nosuchdriver://host/grades")
    assert "nosuchdriver" in doctor._gradebook(course).says


def ends(pid: int) -> bool:
    """Whether the process is dead, or a zombie, within seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False
