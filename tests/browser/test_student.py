"""A student's evening: from `make lab` to a solved exercise."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect

from dgm_lib.checks.boltzmann import unit
from tests.browser.conftest import ROOT, Window, recipe, server
from tests.browser.lab import Notebook, contrast, expect_figure

UNIT = "04_boltzmann"
EXERCISE = f"exercises/{UNIT}/{UNIT}.ipynb"
SUMMED = """
def bm_gradients(x, W, b, units=(0, 1)):
    states = all_states(len(b), units, b.dtype)
    p = (-energy(states, W, b)).softmax(0)
    dW = x.T @ x - states.T @ (p[:, None] * states)
    return dW.fill_diagonal_(0), x.sum(0) - p @ states
"""
"""Sums over the data where means are asked."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a student has: the notebooks and the README."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "exercises", folder / "exercises")
    (folder / "lectures").mkdir()
    for path in (ROOT / "lectures").glob("*.ipynb"):
        shutil.copy(path, folder / "lectures")
    shutil.copy(ROOT / "README.md", folder)
    return folder


@pytest.fixture(scope="module")
def lab(course: Path) -> Iterator[str]:
    points = str(course / "points.json")
    with server(recipe("lab", course), course, DGM_PROGRESS=points) as address:
        yield address


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """The right functions, by the ids of their cells."""
    source = nbformat.read(ROOT / "solutions" / UNIT / f"{UNIT}.ipynb", as_version=4)
    return {cell.id: cell.source for cell in source.cells if cell.id in unit.checks}


def test_start_page_leads_to_the_units(lab: str, window: Window) -> None:
    page = window.page
    page.goto(lab)
    start = page.locator(".jp-MarkdownViewer")
    expect(start.get_by_role("heading", name="Deep generative models")).to_be_visible()
    titles = start.locator("tbody tr td:first-child").all_inner_texts()
    assert titles == sorted(titles)
    assert len(titles) == len(list((ROOT / "exercises").glob("*/*.ipynb")))
    row = start.get_by_role("row", name="04 Boltzmann machines")
    expect(row).to_contain_text("partition function")
    expect(row).to_contain_text(re.compile(r"read\s·\s\d+\smin"))
    expect(row).to_contain_text(re.compile(r"solve\s·\s\d+\smin"))
    expect(row).to_contain_text(re.compile(r"0\sof\s20"))
    expect(start).to_contain_text("Begin with 01")
    expect(page.get_by_text("get notified about official Jupyter news")).to_have_count(0)
    window.shot("student-1-start")
    row.get_by_role("link", name="solve").click()
    title = page.get_by_role("heading", name="Exercise 04 · The Boltzmann machine")
    expect(title).to_be_visible()


def test_a_student_solves_an_exercise(
    lab: str, course: Path, answers: dict[str, str], window: Window
) -> None:
    page = window.page
    page.goto(f"{lab}/lab/workspaces/exercise/tree/{EXERCISE}")
    notebook = Notebook(page, course / EXERCISE)
    notebook.ready()
    expect_figure(notebook.run("setup"))

    # every stub fails, kindly
    for name, check in unit.checks.items():
        notebook.run(name)
        said = notebook.run(f"check_{name}")
        expect(said).to_contain_text(f"{name}: 0 of {check.points:g} points")
        expect(said).to_contain_text(
            f"Not written yet. Replace the raise NotImplementedError in {name}"
        )
        assert "Traceback" not in said.inner_text()
    window.shot("student-2-not-written")
    expect(notebook.run("see_energy")).to_contain_text(
        "NotImplementedError: replace this line with your code"
    )

    # a wrong answer is named
    notebook.write("energy", answers["energy"])
    notebook.run("energy")
    notebook.write("bm_gradients", SUMMED)
    notebook.run("bm_gradients")
    said = notebook.run("check_bm_gradients")
    expect(said).to_contain_text("known slip, “sum over the batch instead of the mean”")
    table = said.get_by_role("table", name=re.compile(r"bm_gradients: [\d.]+ of 5 points"))
    rows = table.get_by_role("row")
    expect(rows).to_have_count(1 + len(unit.checks["bm_gradients"].properties))
    expect(table.get_by_role("columnheader")).to_have_text(["holds", "property", "points"])
    hints = table.get_by_role("group")
    expect(hints).to_have_count(rows.filter(has=page.get_by_role("img", name="no")).count())
    assert hints.first.bounding_box()["height"] < 30, "hints are folded away"
    notebook.cell("check_bm_gradients").scroll_into_view_if_needed()
    window.shot("student-3-wrong")
    said.get_by_text("hint", exact=True).first.click()
    assert hints.first.bounding_box()["height"] > 40, "a click unfolds one"
    for theme in ("Light", "Dark"):
        choose_theme(page, theme)
        for text in (table.locator("caption p"), rows.last.get_by_role("rowheader")):
            assert contrast(text) > 4.5
    notebook.cell("check_bm_gradients").scroll_into_view_if_needed()
    window.shot("student-3-wrong-dark")

    # the right one is right
    notebook.write("bm_gradients", answers["bm_gradients"])
    notebook.run("bm_gradients")
    said = notebook.run("check_bm_gradients")
    expect(said).to_contain_text("✓ bm_gradients: 5 of 5 points")
    expect(said.get_by_role("img", name="no")).to_have_count(0)
    window.shot("student-4-right")

    # the rest, and everything at work
    for name in ("log_partition", "conditional", "gibbs_step"):
        notebook.write(name, answers[name])
    page.get_by_title("Restart the kernel and run all cells").click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    for name, check in unit.checks.items():
        expect(notebook.output(f"check_{name}")).to_contain_text(f"✓ {name}: {check.points:g} of")
        expect_figure(notebook.output(f"see_{name}"))
    window.shot("student-5-see-it-work")

    # progress, here and in the file
    notebook.add_last("progress", "import dgm_lib\n\ndgm_lib.progress()")
    table = notebook.run("progress").get_by_role("table", name="Your progress")
    row = table.get_by_role("row", name=UNIT)
    expect(row).to_contain_text("20 / 20")
    expect(row).to_contain_text("complete")
    expect(table.get_by_role("row", name="01_density")).to_contain_text("gaussian_mle")
    assert contrast(row.get_by_role("rowheader")) > 4.5
    window.shot("student-6-progress-dark")
    choose_theme(page, "Light")
    assert contrast(row.get_by_role("rowheader")) > 4.5
    kept = json.loads((course / "points.json").read_text())
    assert kept == {UNIT: {name: check.points for name, check in unit.checks.items()}}

    # nbgrader's own opinion
    page.get_by_title("Validate Assignment").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Success! Your notebook passes all the tests.")
    window.shot("student-7-validated")


def choose_theme(page: Page, name: str) -> None:
    """By the menu, and see it arrive."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    for label in ("Theme", f"JupyterLab {name}"):
        page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{label}$")).click()
    light = "true" if name == "Light" else "false"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light)
    expect(page.locator("body")).to_have_attribute("data-jp-theme-name", f"JupyterLab {name}")
