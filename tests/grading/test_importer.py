"""The fast way into the gradebook gives what nbgrader's own Autograde gives, row by row."""

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbgrader.api import Base
from nbgrader.converters import Autograde, GenerateFeedback
from sqlalchemy import create_engine, select, text

from grading import importer, results
from grading.course import Course
from grading.release import release, run
from tests.grading.conftest import RIGHT, UNIT, answers, hand_in, make_course
from tests.grading.unit.fake_grade import grade

LOUD = RIGHT["double"] + "\nprint('hello')\n" * 2
CLASS = {
    "ada": answers(),
    "bob": answers(double="def double(x):\n    return x  # WRONG double"),
    "cyd": answers(apply="# WRONG apply WRONG square_sum", double=LOUD),
    "dee": b"{oops",
    "eve": None,
    "late": answers(double="# WRONG double"),
    "fay two": answers(),
}
LATE = "2026-03-02 12:00:00 UTC"


def rows(course: Course) -> dict[str, list]:
    """Every row of every table; in the place of each random id stands what it stands for."""
    engine, names, found = create_engine(course.database), {}, {}
    with engine.connect() as db:
        for table in Base.metadata.sorted_tables:
            found[table.name] = []
            for row in db.execute(select(table)).mappings():
                values = {c: names.get(v, v) for c, v in row.items() if c != "id" or not new(v)}
                names[row.get("id")] = (table.name, *sorted(map(str, values.items())))
                found[table.name].append(sorted(map(str, values.items())))
            found[table.name].sort()
    engine.dispose()
    return found


def new(value: object) -> bool:
    return isinstance(value, str) and len(value) == 32


def files(course: Course, folder: str = "autograded") -> dict[str, tuple[int, object]]:
    """What lies in the folder, with permissions."""
    top = course.folder / folder
    return {
        str(path.relative_to(top)): (
            path.stat().st_mode,
            json.loads(path.read_text()) if path.suffix == ".ipynb" else path.read_text(),
        )
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class whose verdicts are there, and whose gradebook has no grades yet."""
    course = make_course(tmp_path_factory.mktemp("class"))
    for student, data in CLASS.items():
        hand_in(course, student, data)
    (course.submitted(UNIT, "late") / "timestamp.txt").write_text(LATE)
    (course.submitted(UNIT, "ada") / "timestamp.txt").write_text("2026-02-01 12:00:00 UTC")
    (course.submitted(UNIT, "ada") / "notes.txt").write_text("mine")
    for student in CLASS:
        verdict_of(course, student)
    set_up(course)
    return course


def set_up(course: Course) -> None:
    """Enter the unit, and one student, in an empty gradebook."""
    release(course, UNIT, database=True)
    with course.gradebook() as gradebook:
        gradebook.update_or_create_assignment(UNIT, duedate="2026-03-01 12:00:00 UTC")
        gradebook.add_student("bob", first_name="Bob")


def copy_of(course: Course, root: Path, url: str = "") -> Course:
    shutil.copytree(course.root, root, symlinks=True, dirs_exist_ok=True)
    if url:
        (root / "grading" / "gradebook.url").write_text(url + "\n")
    return Course(root)


@pytest.fixture
def course(original: Course, tmp_path: Path) -> Course:
    return copy_of(original, tmp_path)


def verdict_of(course: Course, student: str) -> tuple:
    job = results.job(course, UNIT, student)
    verdict = grade(job)
    results.save(course, student, job, verdict)
    return job, verdict


def fast(course: Course, *students: str) -> dict[str, str]:
    with importer.opened(course, [UNIT]) as into:
        for student in students or CLASS:
            job = results.job(course, UNIT, student)
            into[UNIT].add(student, job, results.load(course, student, job))
        into[UNIT].flush()
        return into[UNIT].troubles


def stock(course: Course) -> None:
    """What `nbgrader autograde UNIT --force` runs."""
    convert(Autograde, course)


def convert(converter: type, course: Course) -> None:
    config = course.config()
    config.BaseConverter.force = True
    config.CourseDirectory.assignment_id = UNIT
    run(converter, config)


def touch_up(course: Course) -> None:
    """What an instructor does by hand, and a student who hands in again."""
    with course.gradebook() as gradebook:
        grade = gradebook.find_grade("check_double", UNIT, UNIT, "bob")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 3.5, 0.5, False
        gradebook.find_comment("double", UNIT, UNIT, "bob").manual_comment = "see me"
        gradebook.grant_extension(UNIT, "late", hours=2)
        gradebook.db.commit()
    hand_in(course, "cyd", answers())
    (course.submitted(UNIT, "cyd") / "timestamp.txt").write_text("2026-03-05 12:00:00 UTC")
    verdict_of(course, "cyd")


@pytest.fixture(scope="module")
def twins(original: Course, tmp_path_factory: pytest.TempPathFactory) -> tuple[Course, Course]:
    """The same class twice: one for nbgrader, one for the fast way."""
    root = tmp_path_factory.mktemp("twins")
    return copy_of(original, root / "a"), copy_of(original, root / "b")


def test_all_rows_files_and_feedback_are_those_of_nbgrader(twins):
    slow, quick = twins
    assert rows(slow) == rows(quick)
    for change in (None, touch_up):
        for course in twins:
            if change:
                change(course)
        stock(slow)
        assert fast(quick) == {}
        assert rows(quick) == rows(slow)
        assert files(quick) == files(slow)
    found = rows(quick)
    assert len(found["submitted_assignment"]) == len(CLASS)
    assert len(found["grade"]) == len(found["comment"]) == 3 * len(CLASS)
    with quick.gradebook() as gradebook:
        assert str(gradebook.find_submission(UNIT, "late").timestamp) == "2026-03-02 12:00:00"
    for course in twins:
        convert(GenerateFeedback, course)
    assert files(quick, "feedback") == files(slow, "feedback")


def test_late_penalties_are_those_of_nbgrader(twins, monkeypatch):
    slow, quick = twins
    before = Course.config

    def config(self):
        c = before(self)
        c.LateSubmissionPlugin.penalty_method = "zero"
        return c

    monkeypatch.setattr(Course, "config", config)
    stock(slow)
    assert fast(quick) == {}
    assert rows(quick) == rows(slow)
    with quick.gradebook() as gradebook:
        late = gradebook.find_submission(UNIT, "late")
        assert late.late_submission_penalty == late.score > 0


def test_entering_twice_changes_nothing(course):
    fast(course)
    once, notebooks = rows(course), files(course)
    fast(course)
    assert rows(course) == once
    assert files(course) == notebooks
    with importer.opened(course, [UNIT]) as into:
        job, verdict = verdict_of(course, "bob")
        assert into[UNIT].holds("bob", job, verdict)
        other = verdict_of(course, "ada")[1]
        assert not into[UNIT].holds("bob", job, other)
    with course.gradebook() as gradebook:
        gradebook.find_grade("check_double", UNIT, UNIT, "bob").auto_score = 4
        gradebook.db.commit()
    with importer.opened(course, [UNIT]) as into:
        assert not into[UNIT].holds("bob", job, verdict)


def test_a_unit_that_is_not_in_the_gradebook_is_entered(course):
    (course.folder / "gradebook.db").unlink()
    assert fast(course, "ada") == {}
    with course.gradebook() as gradebook:
        assert gradebook.find_submission(UNIT, "ada").score == 10


def test_one_that_cannot_be_entered_is_said_and_the_others_are(course):
    target = course.folder / "autograded" / "cyd" / UNIT
    target.parent.mkdir(parents=True)
    target.write_text("a file where a folder should be")
    (course.submitted(UNIT, "ada") / "timestamp.txt").write_text("next week")
    troubles = fast(course)
    assert "not entered: FileExistsError" in troubles.pop("cyd")
    said = "timestamp.txt says 'next week', which is no time; entered without it"
    assert troubles == {"ada": said}
    with course.gradebook() as gradebook:
        names = {s.student_id for s in gradebook.assignment_submissions(UNIT)}
    assert names == set(CLASS) - {"cyd"}


def test_a_locked_gradebook_is_said_and_can_be_entered_later(original, tmp_path):
    url = f"sqlite:///{tmp_path}/grading/gradebook.db?timeout=0.1"
    course = copy_of(original, tmp_path, url)
    engine = create_engine(course.database)
    with engine.connect() as db:
        db.execute(text("BEGIN IMMEDIATE"))
        troubles = fast(course)
    engine.dispose()
    assert troubles.keys() == CLASS.keys()
    assert "database is locked" in troubles["ada"]
    assert fast(course) == {}


def test_a_link_to_a_timestamp_is_not_followed(course, tmp_path):
    stamp = course.submitted(UNIT, "ada") / "timestamp.txt"
    stamp.rename(tmp_path / "elsewhere.txt")
    stamp.symlink_to(tmp_path / "elsewhere.txt")
    assert fast(course, "ada") == {}
    assert list(files(course)) == [f"ada/{UNIT}/{UNIT}.ipynb"]


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of an empty database, on a PostgreSQL server of our own without a network."""
    pytest.importorskip("psycopg", reason="PostgreSQL's driver is missing: psycopg")
    places = [os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    if (initdb := shutil.which("initdb", path=os.pathsep.join(places))) is None:
        pytest.skip("there is no PostgreSQL server: initdb is not on PATH")
    programs, who = Path(initdb).resolve().parent, None
    if os.geteuid() == 0:
        try:
            who = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("a PostgreSQL server does not run as root, and there is no user postgres")

    def call(program: str, *words: str) -> None:
        ids = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}
        with (folder / "log").open("a") as log:
            command = [str(programs / program), *words]
            subprocess.run(command, check=True, cwd=folder, stdout=log, stderr=log, **ids)

    with tempfile.TemporaryDirectory(dir="/tmp", prefix="pg") as name:  # a socket's path is short
        folder, data = Path(name), str(Path(name) / "data")
        if who:
            os.chown(folder, who.pw_uid, who.pw_gid)
        call("initdb", "-D", data, "-U", "me", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        call("pg_ctl", "-D", data, "-w", "-o", options, "start")
        try:
            call("createdb", "-h", name, "-U", "me", "grades")
            yield f"postgresql+psycopg://me@/grades?host={name}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "stop")


def test_a_gradebook_in_postgresql_has_the_same_rows(original, course, tmp_path, postgres):
    remote = copy_of(original, tmp_path / "remote", postgres)
    set_up(remote)
    assert fast(remote) == fast(course) == {}
    assert rows(remote) == rows(course)
    stock(remote)  # nbgrader finds it by the same address
    assert rows(remote) == rows(course)
