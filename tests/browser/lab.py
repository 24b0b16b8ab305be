"""A notebook in JupyterLab, by the ids of its cells, and what can be seen of a page."""

import re
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect

_NUMBER = re.compile(r"\[\d+\]:")


class Notebook:
    """The open notebook; `path` is the file that it was opened from, for the order of its cells."""

    def __init__(self, page: Page, path: Path):
        self.page = page
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
        expect(self.cells).to_have_count(len(self.ids))

    @property
    def cells(self) -> Locator:
        return self.panel.locator(".jp-Notebook .jp-Cell")

    def cell(self, name: str) -> Locator:
        return self.cells.nth(self.ids.index(name))

    def output(self, name: str) -> Locator:
        return self.cell(name).locator(".jp-Cell-outputWrapper")

    def ready(self) -> None:
        """Wait until the kernel has started."""
        expect(self.panel.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle"
        )

    def run(self, name: str) -> Locator:
        """Run a cell as people do, with Shift+Enter; its outputs, once it has finished."""
        prompt = self.cell(name).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.edit(name)
        self.page.keyboard.press("Shift+Enter")
        try:
            expect(prompt).not_to_have_text(before, timeout=5_000)
        except AssertionError:  # JupyterLab forgets what is run while it connects to the kernel
            self.edit(name)
            self.page.keyboard.press("Shift+Enter")
            expect(prompt).not_to_have_text(before)
        expect(prompt).to_have_text(_NUMBER)
        return self.output(name)

    def edit(self, name: str) -> None:
        editor = self.cell(name).locator(".cm-content").first
        editor.scroll_into_view_if_needed()
        editor.click()

    def write(self, name: str, source: str) -> None:
        """Replace what stands in a cell."""
        self.edit(name)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(source)

    def add_last(self, name: str, source: str) -> None:
        """A new cell at the end."""
        self.cells.last.scroll_into_view_if_needed()
        self.cells.last.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        self.ids.append(name)
        expect(self.cells).to_have_count(len(self.ids))
        self.write(name, source)


def expect_figure(output: Locator) -> None:
    """There is a picture, it has loaded, and it takes up room."""
    picture = output.locator("img").first
    picture.scroll_into_view_if_needed()
    expect(picture).to_be_visible()
    assert picture.evaluate("img => img.complete && img.naturalWidth > 100")
    box = picture.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) > 100


def raw_maths(page: Page) -> list[str]:
    """Formulas that are seen as they were typed, outside of code."""
    return re.findall(r"\$[^$\n]+\$|\\[a-zA-Z]{2,}", page.evaluate(_PROSE))


_PROSE = """() => {
  const page = (document.querySelector('article') ?? document.body).cloneNode(true);
  const rest = page.querySelectorAll('pre, code, .katex, math, textarea, script, style');
  rest.forEach(part => part.remove());
  return page.textContent;
}"""


def contrast(element: Locator) -> float:
    """How much an element's text stands out against what lies behind it: WCAG asks for 4.5."""
    return element.evaluate(_CONTRAST)


_CONTRAST = """element => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const paint = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(v => {
      v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  };
  const light = ([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
  const behind = [];
  for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
  const paper = light(paint(['white', ...behind]));
  const ink = light(paint(['white', ...behind, getComputedStyle(element).color]));
  return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
}"""
