"""The built site: what a reader sees, in the light, in the dark and on a phone."""

import functools
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import ROOT, Window
from tests.browser.lab import raw_maths

pytest.importorskip("sphinx", reason="make .venv/site installs what builds the site")
LECTURES = sorted(path.stem for path in (ROOT / "lectures").glob("*.ipynb"))
EXERCISES = sorted(path.stem for path in (ROOT / "exercises").glob("*/*.ipynb"))

BRIGHTNESS = """() => {
    const shade = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3);
    return shade.reduce((sum, part) => sum + Number(part), 0) / (3 * 255);
}"""
SETTLED = "[...document.images].every(image => image.complete)"
EMPTY = "[...document.images].filter(image => !image.naturalWidth).map(image => image.src)"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, "-m", "lectures.website", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return out


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def wait_for_light(page: Page) -> None:
    page.wait_for_function(f"({BRIGHTNESS})() > 0.9")


def wait_for_dark(page: Page) -> None:
    page.wait_for_function(f"({BRIGHTNESS})() < 0.25")  # the change is gradual


def outputs(lecture: str) -> int:
    """The figures that a lecture holds."""
    cells = json.loads((ROOT / "lectures" / f"{lecture}.ipynb").read_text())["cells"]
    produced = [output for cell in cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in produced)


def everything(site: Path) -> list[str]:
    names = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return sorted(name for name in names if not name.startswith("_"))


def test_every_page_light_dark_and_on_a_phone(site: Path, address: str, window: Window) -> None:
    page = window.page
    names = everything(site)
    assert {f"lectures/{name}.html" for name in LECTURES} <= set(names)
    assert {f"exercises/{name}.html" for name in EXERCISES} <= set(names)
    for name in names:
        label = re.sub(r"\W", "_", name.removesuffix(".html"))
        page.set_viewport_size({"width": 1300, "height": 950})
        page.emulate_media(color_scheme="light")
        page.goto(f"{address}/{name}")
        page.wait_for_function(SETTLED)
        assert page.evaluate(EMPTY) == [], name
        assert page.title().strip(), name
        assert raw_maths(page) == [], name
        wait_for_light(page)
        window.shot(f"site-{label}-light")
        page.emulate_media(color_scheme="dark")
        wait_for_dark(page)
        window.shot(f"site-{label}-dark")
        page.set_viewport_size({"width": 390, "height": 844})
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{name}: {width} pixels wide on a phone"
        window.shot(f"site-{label}-phone")


@pytest.mark.parametrize("lecture", LECTURES)
def test_a_lecture_shows_its_figures_and_formulas(
    address: str, window: Window, lecture: str
) -> None:
    page = window.page
    page.goto(f"{address}/lectures/{lecture}.html")
    page.wait_for_function(SETTLED)
    figures = page.locator("article .cell_output img")
    assert figures.count() == outputs(lecture) > 0
    sizes = figures.evaluate_all("all => all.map(one => [one.width, one.height, one.alt.length])")
    assert all(width > 50 and height > 50 and alt > 20 for width, height, alt in sizes)
    formula = page.locator("article .katex-html").first
    assert formula.bounding_box()["height"] > 5
    fonts = page.evaluate(
        "[...document.fonts].filter(f => f.status == 'loaded').map(f => f.family)"
    )
    assert any("KaTeX" in family for family in fonts), "formulas are set in the wrong font"


@pytest.mark.parametrize("exercise", EXERCISES)
def test_an_exercise_can_be_downloaded_as_it_was_released(
    address: str, window: Window, exercise: str
) -> None:
    page = window.page
    page.goto(f"{address}/exercises/{exercise}.html")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the notebook").click()
    released = ROOT / "exercises" / exercise / f"{exercise}.ipynb"
    assert Path(waiting.value.path()).read_bytes() == released.read_bytes()
    assert waiting.value.suggested_filename == released.name


def test_no_page_holds_a_solution(site: Path) -> None:
    """The lines between BEGIN and END SOLUTION, wherever they are long enough to be telling."""
    text = {name: (site / name).read_text() for name in everything(site)}
    plain = {name: re.sub(r"<[^>]+>", "", html) for name, html in text.items()}
    telling = 0
    for path in (ROOT / "solutions").glob("*/*.ipynb"):
        exercise = plain[f"exercises/{path.stem}.html"]
        for cell in json.loads(path.read_text())["cells"]:
            code = "".join(cell["source"])
            for solution in re.findall(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", code, re.S):
                lines = [line.strip() for line in solution.splitlines() if len(line.strip()) > 24]
                telling += len(lines)
                # what the page shows before or after (a plot, a sentence) may share one line
                shown = [line for line in lines if re.sub("[<>&]", "", line) in exercise]
                assert len(shown) < max(2, len(lines)), (path.stem, shown)
    assert telling > 50


def test_search_finds_jacobian(address: str, window: Window) -> None:
    page = window.page
    page.goto(f"{address}/index.html")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input[type=search]").fill("Jacobian")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=Jacobian*")
    hits = page.locator("#search-results ul.search li")
    hits.first.wait_for()
    page.wait_for_function("/found|matching/i.test(document.body.innerText)")
    found = " ".join(hits.locator("a").evaluate_all("all => all.map(one => one.href)"))
    assert "lectures/10_coupling_flows.html" in found
    assert "api/flows.html" in found
    window.shot("site-search-jacobian")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_switch_turns_the_page_dark_and_it_stays_so(address: str, window: Window) -> None:
    page = window.page
    page.goto(f"{address}/index.html")
    page.locator("button.theme-switch-button:visible").first.click()
    page.get_by_role("button", name="Dark", exact=True).locator("visible=true").click()
    wait_for_dark(page)
    page.goto(f"{address}/notation.html")
    wait_for_dark(page)


def test_the_menu_opens_on_a_phone(address: str, window: Window) -> None:
    page = window.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/index.html")
    entry = page.locator("nav a", has_text="04 · The Boltzmann machine").first
    assert not entry.is_visible()
    page.locator("button.primary-toggle:visible").first.click()
    entry.wait_for(state="visible")
    window.shot("site-menu-phone")
    entry.click()
    page.wait_for_url("**/lectures/04_boltzmann.html")
