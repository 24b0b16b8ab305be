"""Lectures move: a control redraws its picture, a film plays, and neither shows before it is run."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Window, server
from tests.browser.lab import Notebook, expect_figure

STORED = Path(__file__).resolve().parents[2] / "lectures" / "01_density.ipynb"
CELLS = {
    "imports": """
import matplotlib.pyplot as plt
from dgm_lib.controls import choice, explore, film, slider
""",
    "knob": """
def draw(height, style):
    fig, ax = plt.subplots(figsize=(5, 3))
    ax.plot([0, height], style)
    ax.set(ylim=(0, 1), title=f"slope {1 / (height - 0.5):.1f}")
    return fig

explore(draw, height=slider(0.8, 0.0, 1.0, 0.1), style=choice("-", {"solid": "-", "dots": ":"}))
""",
    "film": """
def step(ax, i):
    ax.bar([0], [i])
    ax.set(ylim=(0, 10), title=f"step {i}")

film(step, 10)
""",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lectures")
    cells = [new_code_cell(source.strip(), id=name) for name, source in CELLS.items()]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / "moving.ipynb")
    shutil.copy(STORED, folder)
    return folder


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[str]:
    with server(["jupyterlab"], folder) as address:
        yield address


@pytest.fixture
def moving(lab: str, folder: Path, window: Window, request: pytest.FixtureRequest) -> Notebook:
    """The small notebook, alone in a workspace of its own and with its imports done."""
    window.page.goto(f"{lab}/lab/workspaces/{request.node.name}/tree/moving.ipynb")
    notebook = Notebook(window.page, folder / "moving.ipynb")
    notebook.ready()
    notebook.run("imports")
    return notebook


def picture(output: Locator) -> str:
    return output.locator("img").first.get_attribute("src")


def expect_another_picture(output: Locator, old: str) -> str:
    expect(output.locator("img").first).not_to_have_attribute("src", old)
    expect(output.locator("img")).to_have_count(1)
    expect_figure(output)
    return picture(output)


def test_a_lecture_opens_with_its_pictures_and_without_dead_controls(lab, window: Window):
    window.page.goto(f"{lab}/lab/tree/01_density.ipynb")
    notebook = Notebook(window.page, STORED)
    notebook.ready()
    output = notebook.output("choose_move")
    output.scroll_into_view_if_needed()
    expect_figure(output)
    expect(output.locator(".jupyter-widgets:visible")).to_have_count(0)
    expect(window.page.get_by_text("model not found")).to_have_count(0)


def test_controls_redraw_the_picture_in_its_place(moving: Notebook, window: Window):
    page = moving.page
    output = moving.run("knob")
    expect_figure(output)
    first = picture(output)
    handle = output.get_by_role("slider")
    expect(output.get_by_text("height", exact=True)).to_be_visible()
    handle.focus()
    page.keyboard.press("ArrowRight")
    second = expect_another_picture(output, first)
    output.get_by_role("button", name="dots").click()
    third = expect_another_picture(output, second)
    window.shot("knob")

    handle.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    trouble = output.get_by_text("No picture for this: ZeroDivisionError")
    expect(trouble).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(trouble).to_have_count(0)
    assert picture(output) != third


def test_a_film_plays_what_the_strip_shows(moving: Notebook, window: Window):
    output = moving.run("film")
    expect_figure(output)
    strip = output.locator("img").first.bounding_box()
    first = picture(output)
    play = output.locator(".widget-play button").first
    play.click()
    expect(output.locator("img").first).not_to_have_attribute("src", first)
    place = output.get_by_role("slider")
    expect(place).not_to_have_attribute("aria-valuenow", re.compile(r"^[01](\.0*)?$"))
    play.click()  # pause
    window.page.wait_for_function(
        """([output, height]) => {
            const img = output.querySelector("img");
            return img && img.complete && img.getBoundingClientRect().height > height;
        }""",
        arg=[output.element_handle(), 1.5 * strip["height"]],
    )
    window.shot("film")
