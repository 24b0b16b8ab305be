"""The contract of a lecture (DESIGN: idea, formula, code, picture, try it), for every unit."""

import re

import pytest

from tests.course.notebooks import ROOT, UNITS, code_cells, lecture, read

pytestmark = pytest.mark.parametrize("unit", UNITS)


def outputs(cells):
    return [output for cell in cells for output in cell.outputs]


def test_opens_with_what_for_whom_and_how_long(unit):
    first = read(lecture(unit)).cells[0]
    assert first.cell_type == "markdown"
    text = first.source.lower()
    assert text.startswith("# ")
    assert "you will be able to" in text
    assert "you need" in text
    assert "minutes" in text or "hour" in text


def test_stored_outputs_are_of_one_clean_run(unit):
    cells = code_cells(read(lecture(unit)))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for output in outputs(cells):
        assert output.output_type != "error"
        assert output.get("name") != "stderr", output.text
        text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        assert not re.search(r" at 0x[0-9a-f]{6,}", text), text
        assert "/home/" not in text
        assert str(ROOT) not in text, "the path of this checkout"


def test_explains_before_it_computes(unit):
    """Never a wall of code: short cells, and words before each pair of them."""
    notebook = read(lecture(unit))
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 2, f"three code cells in a row, the last one: {cell.source[:80]}"
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30, cell.source[:80]


def test_has_pictures_formulas_prompts_and_references(unit):
    notebook = read(lecture(unit))
    words = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    figures = [o for o in outputs(code_cells(notebook)) if "image/png" in o.get("data", {})]
    ideas = len(re.findall(r"(?m)^## ", words)) - 2  # the closing table and the references
    assert len(figures) >= max(ideas, 8), f"{len(figures)} figures for {ideas} ideas"
    assert words.lower().count("try it") >= 5
    assert words.count("$$") >= 10
    assert words.count("$$") % 2 == 0
    assert re.search(r"(?mi)^## references", words)
    assert re.search(r"(?m)^\|.*\|$", words), "no closing table"
    assert re.search(r"arxiv", words, re.IGNORECASE)


def test_uses_the_library_and_real_data(unit):
    source = "\n".join(cell.source for cell in code_cells(read(lecture(unit))))
    assert "dgm_lib" in source
    assert re.search(r"\b(digits|iris|wine)\(", source)


def test_is_small_enough_to_download(unit):
    assert lecture(unit).stat().st_size < 2_000_000
