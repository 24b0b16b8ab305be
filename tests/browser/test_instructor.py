"""An instructor's evening: formgrader with a small class, one of whom means ill."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from grading import driver
from grading.course import Course
from grading.students import answers
from tests.browser.conftest import ROOT, Window, recipe, server
from tests.browser.lab import expect_figure, raw_maths
from tests.browser.test_student import SUMMED

UNIT, OTHER = "04_boltzmann", "02_graphs"
ATTACK = "<script>alert('own')</script><img src=x onerror=\"alert('own')\">"
HOSTILE = f'''
from IPython.display import HTML, Javascript, Markdown, display

attack = """{ATTACK}"""
for kind in (HTML, Javascript, Markdown):
    display(kind(attack))
display({{"text/html": attack, "image/svg+xml": "<svg onload=alert(1)>"}}, raw=True)
print(attack)


def gibbs_step(x, uniforms, W, b, units=(0, 1)):  # {ATTACK}
    """</script>{ATTACK}"""
    raise ValueError(attack)
'''
DRAWN = """
import matplotlib.pyplot as plt

plt.plot([1, 2, 4])
plt.show()
print("drawn by ada")
"""
STILL = "$.support.transition = false"
"""A dialog of formgrader's that is told to close while it still fades in stays open."""
ROSTER = """id,first_name,last_name,email
ada,Ada,Lovelace,ada@uni.example
euler,Leonhard,Euler,euler@uni.example
mallory,Mallory,Malice,mallory@uni.example
"""
CONFIG = """import sys
import warnings
from pathlib import Path

sys.path.append({package!r})
from grading.course import Course

c = get_config()
c.merge(Course(Path({root!r})).config())
warnings.filterwarnings("ignore", message="Object of type .* not in session")
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Two units. In one, ada is right, euler has one slip, both are graded; mallory is not yet."""
    course = Course(tmp_path_factory.mktemp("class"))
    for unit in (UNIT, OTHER):
        for part in ("solutions", "exercises"):
            shutil.copytree(ROOT / part / unit, course.root / part / unit)
    course.folder.mkdir()
    (course.folder / "nbgrader_config.py").write_text(
        CONFIG.format(root=str(course.root), package=str(ROOT))
    )
    (course.folder / "roster.csv").write_text(ROSTER)
    right = answers(course, UNIT)
    hand_in(course, "ada", {**right, "energy": right["energy"] + DRAWN})
    hand_in(course, "euler", {**right, "bm_gradients": SUMMED})
    nbgrader = [str(Path(sys.executable).parent / "nbgrader"), "db", "student", "import"]
    subprocess.run([*nbgrader, "roster.csv"], cwd=course.folder, check=True, capture_output=True)
    with driver.executor(1) as pool:
        driver.autograde(course, [UNIT], pool=pool, progress=False)
    hand_in(course, "mallory", {**right, "gibbs_step": HOSTILE})
    return course


def hand_in(course: Course, student: str, sources: dict[str, str]) -> None:
    nb = nbformat.read(course.release(UNIT), as_version=4)
    for cell in nb.cells:
        cell.source = sources.get(cell.id, cell.source)
    nb.cells.append(nbformat.v4.new_markdown_cell(ATTACK if student == "mallory" else "Thanks!"))
    folder = course.submitted(UNIT, student)
    folder.mkdir(parents=True)
    nbformat.write(nb, folder / f"{UNIT}.ipynb")


@pytest.fixture(scope="module")
def lab(course: Course) -> Iterator[str]:
    with server(recipe("formgrader", course.root), course.root) as address:
        yield address


def test_formgrader_from_submission_to_feedback(lab: str, course: Course, window: Window) -> None:
    page = window.page
    page.goto(lab)
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Formgrader", exact=True).click()
    frame = page.frame_locator("iframe[src*=formgrader]")
    expect(frame.get_by_role("link", name=UNIT)).to_be_visible()
    window.shot("instructor-1-lab")

    # the units
    page.goto(f"{lab}/formgrader/manage_assignments")
    unit = page.get_by_role("row", name=UNIT)
    expect(page.get_by_role("row", name=OTHER)).to_be_visible()
    expect(unit.locator(".num-submissions")).to_have_text("3")
    window.shot("instructor-2-units")

    # the submissions and their scores
    unit.locator(".num-submissions a").click()
    expect(row(page, "ada")).to_contain_text("Lovelace, Ada")
    page.evaluate(STILL)
    expect(row(page, "ada").locator(".score")).to_have_text("20 / 20")
    expect(row(page, "euler").locator(".score")).to_have_text("15.5 / 20")
    expect(row(page, "mallory")).to_contain_text("needs autograding")

    # grade one by its button
    row(page, "mallory").locator(".autograde a").click()
    modal = page.locator("#success-modal")
    expect(modal).to_contain_text(f"Successfully autograded '{UNIT}' for student 'mallory'")
    window.shot("instructor-3-autograded")
    modal.get_by_role("button", name="Close").last.click()
    expect(modal).not_to_be_visible()
    expect(row(page, "mallory").locator(".score")).to_have_text("15 / 20")
    window.shot("instructor-4-submissions")

    # one notebook with its outputs and feedback
    for student in ("ada", "euler", "mallory"):
        open_submission(page, lab, student)
        expect(page.get_by_text("bm_gradients: ").first).to_be_visible()
        expect_formulas(page)
        if student == "ada":
            expect(page.get_by_text("✓ bm_gradients: 5 of 5 points")).to_be_visible()
            expect(page.get_by_text("drawn by ada", exact=True)).to_be_visible()
            expect_figure(
                page.locator(".output_png, .jp-RenderedImage, .output")
                .filter(has=page.locator("img"))
                .first
            )
        if student == "euler":
            slip = page.get_by_text("sum over the batch instead of the mean").first
            slip.scroll_into_view_if_needed()
            expect(slip).to_be_visible()
        if student == "mallory":
            expect(page.get_by_text("<script>alert('own')</script>").first).to_be_visible()
            assert page.locator("img[src=x]").count() == 0
        window.shot(f"instructor-5-{student}")

    # feedback, by its button, and as the student gets it
    page.goto(f"{lab}/formgrader/manage_submissions/{UNIT}")
    page.evaluate(STILL)
    for student in ("euler", "mallory"):
        row(page, student).locator(".generate-feedback a").click()
        modal = page.locator("#success-modal")
        expect(modal).to_contain_text(f"Successfully generated feedback for '{UNIT}'")
        modal.get_by_role("button", name="Close").last.click()
        expect(modal).not_to_be_visible()
    for student, points in (("euler", "15.5"), ("mallory", "15.0")):
        page.goto(course.feedback(UNIT, student).as_uri())
        expect(page.get_by_role("heading").filter(has_text=f"Score: {points} / 20")).to_be_visible()
        expect_formulas(page)
        window.shot(f"instructor-6-feedback-{student}")
    page.goto(course.feedback(UNIT, "euler").as_uri())
    slip = page.get_by_text("sum over the batch instead of the mean").first
    slip.scroll_into_view_if_needed()
    window.shot("instructor-7-feedback-slip")


def test_report_shows_how_the_class_did(course: Course, window: Window) -> None:
    command = [sys.executable, "-c", REPORT.format(root=str(course.root), unit=UNIT)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    page = window.page
    page.goto((course.results / UNIT / "report.html").as_uri())
    expect(page.get_by_role("heading", name=f"{UNIT}: how the class did")).to_be_visible()
    plots = page.get_by_role("img")
    expect(plots).to_have_count(2)
    for plot in plots.all():
        box = plot.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 80
        assert plot.locator("rect").count() > 0
        assert len(plot.get_attribute("aria-label") or "") > 30
    expect(page.get_by_text("sum over the batch instead of the mean")).to_be_visible()
    window.shot("instructor-8-report")


REPORT = """
from pathlib import Path
from grading import insights
from grading.course import Course

course = Course(Path({root!r}))
insights.save(course, insights.collect(course, {unit!r}))
"""


def expect_formulas(page: Page) -> None:
    """They are set, without network, and none is left as it was typed."""
    assert raw_maths(page) == []
    formula = page.locator("math[display=block]").first
    formula.scroll_into_view_if_needed()
    expect(formula.locator("mi").first).to_be_visible()
    box = formula.bounding_box()
    assert box is not None
    assert box["height"] > 15


def row(page: Page, student: str):
    return page.locator("tr").filter(has=page.locator(".student-id", has_text=student))


def open_submission(page: Page, lab: str, student: str) -> None:
    """Through the gradebook, as nbgrader has it: by unit, notebook and student."""
    page.goto(f"{lab}/formgrader/manage_students/{student}/{UNIT}")
    page.get_by_role("link", name=UNIT, exact=True).last.click()
    expect(page.get_by_text(re.compile(rf"\b{UNIT}\b")).first).to_be_visible()
