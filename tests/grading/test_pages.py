"""A hostile class, graded by nbgrader's own commands: what instructors open is harmless."""

import collections
import os
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader import handlers

from grading.course import Course
from tests.grading.conftest import POINTS, RIGHT, UNIT, answers, hand_in, make_course
from tests.grading.test_hygiene import EVIL, Page
from tests.grading.test_nbgrader import grades, nbgrader

CANARY = "canary-in-a-system-file"
SHOW = """
import sys
from IPython.display import HTML, SVG, Image, Javascript, Latex, Markdown, display

evil = {evil!r}
for text in evil:
    print(text)
    print(text, file=sys.stderr)
    for kind in (HTML, Javascript, Latex, Markdown):
        display(kind(text))
    display({{"text/html": text, "image/png": text, "text/plain": text}}, raw=True)
    display({{"image/svg+xml": "<svg onload='alert(1)'/>", "image/jpeg": text}}, raw=True)

class Loud:
    def __repr__(self):
        return "".join(evil)

def square_sum(x, scale=1.0):
    raise ValueError("".join(evil))

def apply(network, x):
    import warnings
    warnings.warn("".join(evil))
    return "".join(evil)

Loud()
"""
SOURCE = (
    RIGHT["double"] + "".join(f"\n# {text}" for text in EVIL) + '\n"""</script><img onerror=1>"""'
)


def evil() -> bytes:
    nb = nbformat.reads(
        answers(
            double=SOURCE,
            square_sum=SHOW.format(evil=EVIL),
            apply="raise ValueError('<script>alert(1)</script>')",
        ).decode(),
        as_version=4,
    )
    for text in EVIL:
        nb.cells.insert(0, nbformat.v4.new_markdown_cell(text))
        nb.cells.insert(0, nbformat.v4.new_raw_cell(text, metadata={"raw_mimetype": "text/html"}))
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"x": "</script>"}}
    nb.metadata["title"] = EVIL[0]
    for cell in nb.cells:
        cell.metadata["tags"] = ['"><script>alert(1)</script>']
        cell.metadata["alt"] = '"><script>'
    return nbformat.writes(nb).encode()


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("system") / "passwd"
    path.write_text(CANARY)
    return path


@pytest.fixture(scope="module")
def graded(
    tmp_path_factory: pytest.TempPathFactory, secret: Path
) -> tuple[Course, subprocess.CompletedProcess]:
    """A class in which everybody but one means ill, after autograde and generate_feedback."""
    course = make_course(tmp_path_factory.mktemp("class"))
    for student in ("honest", "evil", "files", "late", "linked", "renamed", "named", "empty"):
        hand_in(course, student, {"evil": evil(), "empty": None}.get(student, answers()))
    files = course.submitted(UNIT, "files")
    for name in ("torch.py", "sitecustomize.py", "second.ipynb", "page.html"):
        (files / name).write_text("raise SystemExit  # <script>alert(1)</script>")
    (files / "passwd").symlink_to(secret)
    (files / "folder").symlink_to(secret.parent)
    (files / "endless").symlink_to("/dev/zero")
    os.mkfifo(files / "pipe")
    os.mkfifo(course.submitted(UNIT, "late") / "timestamp.txt")
    (course.submitted(UNIT, "honest") / "timestamp.txt").write_text("2030-01-01 00:00:00 UTC")
    linked = course.submitted(UNIT, "linked") / f"{UNIT}.ipynb"
    linked.unlink()
    linked.symlink_to(secret)
    renamed = course.submitted(UNIT, "renamed")
    (renamed / f"{UNIT}.ipynb").rename(renamed / "`<script>alert(1)<script>`.ipynb")
    for name in ("<img src=x onerror=alert(1)>", "a\nb", "[!a]*", "=cmd", "\x1b[31mred"):
        hand_in(course, name, answers())
    for words in (["generate_assignment"], ["autograde"], ["generate_feedback"]):
        done = nbgrader(course, *words, UNIT, "--force")
        assert done.returncode == 0, done.stderr
        if words == ["autograde"]:
            said = done
    return course, said


def dangers(html: str) -> collections.Counter:
    """What of a page may act: elements, and attributes that run or fetch something."""
    page = Page(html)
    return collections.Counter(
        [
            t
            for t in page.tags
            if t in ("script", "svg", "iframe", "object", "style", "link", "form")
        ]
    ) + collections.Counter(
        f"{name}={value}"
        for name, value in page.attributes
        if name.startswith("on")
        or (name in ("src", "href", "data", "action") and not f"{value}".startswith(("data:", "#")))
    )


def test_every_plain_name_has_its_grade_and_no_other(graded):
    course, said = graded
    full = dict(POINTS)
    zero = dict.fromkeys(POINTS, 0)
    assert grades(course) == {
        "honest": full,
        "files": full,
        "late": full,
        "renamed": full,
        "named": full,
        "evil": {**zero, "double": 4},
        "linked": zero,
        "empty": zero,
    }
    assert said.stderr.count("Not graded: nobody can be called") == 5
    assert "\x1b[31mred" not in said.stderr


def test_nothing_but_our_own_files_comes_out(graded):
    course, _ = graded
    for step, kind in (("autograded", "ipynb"), ("feedback", "html")):
        found = {
            str(path.relative_to(course.folder / step))
            for path in (course.folder / step).rglob("*")
            if not path.is_dir() or path.is_symlink()
        }
        want = {f"{student}/{UNIT}/{UNIT}.{kind}" for student in grades(course)}
        assert found == want | {f"honest/{UNIT}/timestamp.txt"}
        for path in found:
            assert CANARY not in (course.folder / step / path).read_text()


@pytest.mark.parametrize("student", ["evil", "files", "linked", "renamed", "empty"])
def test_feedback_does_what_an_honest_student_s_does(graded, student):
    course, _ = graded
    honest = course.feedback(UNIT, "honest").read_text()
    html = course.feedback(UNIT, student).read_text()
    assert dangers(html) == dangers(honest)
    body = Page(html[html.index("<body") :])
    assert not set("$\\") & set(body.maths)
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_feedback_shows_evil_as_text(graded):
    course, _ = graded
    html = course.feedback(UNIT, "evil").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert html.count("alert(1)") > 10


def test_the_formgrader_s_page_does_what_an_honest_student_s_does(graded):
    course, _ = graded
    exporter = HTMLExporter(
        config=course.config(),
        template_name="formgrade",
        extra_template_basedirs=[handlers.template_path],
    )
    names = (
        "submission_id",
        "notebook_id",
        "assignment_id",
        "base_url",
        "notebook_path",
        "student",
    )
    resources = {**dict.fromkeys(names, "x"), "index": 0, "total": 1, "last_name": ""}

    def page(student: str) -> str:
        path = course.folder / "autograded" / student / UNIT / f"{UNIT}.ipynb"
        return exporter.from_filename(str(path), resources=dict(resources))[0]

    assert "alert(1)" in page("evil")
    assert dangers(page("evil")) == dangers(page("honest"))


def test_comments_in_the_gradebook_are_plain(graded):
    course, _ = graded
    with course.gradebook() as gradebook:

        def comment(student: str) -> str:
            return gradebook.find_comment("double", UNIT, UNIT, student).comment

        assert comment("linked") == (
            "no notebook: the notebook is a link, which is not followed; hand in the file itself"
        )
        assert comment("files").endswith("Other files in the folder (8) were not looked at.")
        assert "`'<script>alert(1)<script>'.ipynb`" in comment("renamed")
        assert comment("empty").startswith("no notebook: no notebook was handed in; want")


def test_the_feedback_says_what_became_of_the_submission(graded):
    course, _ = graded
    html = course.feedback(UNIT, "files").read_text()
    assert "Other files in the folder (8) were not looked at." in html
    html = course.feedback(UNIT, "linked").read_text()
    assert "<strong>Not graded: no notebook.</strong>" in html
    assert "About your submission" not in course.feedback(UNIT, "honest").read_text()


def test_a_new_submission_is_seen_by_its_time(graded):
    """As with nbgrader alone: without --force, what is newer than what was graded is graded."""
    course, _ = graded
    hand_in(course, "honest", answers(double="def double(x):\n    return x"))
    stamp = course.submitted(UNIT, "honest") / "timestamp.txt"
    stamp.write_text("2031-01-01 00:00:00 UTC")
    done = nbgrader(course, "autograde", UNIT)
    assert done.returncode == 0, done.stderr
    assert grades(course)["honest"]["double"] < POINTS["double"]
    assert grades(course)["files"] == POINTS
