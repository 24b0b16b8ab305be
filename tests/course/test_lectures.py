"""The contract of a lecture (DESIGN: idea, formula, code, picture, try it), for every unit."""

import dis
import re
from types import CodeType

import pytest

from lectures.execute import VIEW
from tests.course.notebooks import ROOT, UNITS, code_cells, lecture, must, read

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


def test_moves_when_it_is_touched_and_stands_alone_until_then(unit):
    """At least two pictures have controls; what is stored holds no address of a kernel long gone."""
    notebook = read(lecture(unit))
    assert "widgets" not in notebook.metadata, "run it with make lectures"
    moving = 0
    for cell in code_cells(notebook):
        views = [o.data[VIEW] for o in cell.outputs if VIEW in o.get("data", {})]
        if views:
            moving += 1
            assert any("image/png" in o.get("data", {}) for o in cell.outputs), (
                "a control without a picture"
            )
        assert all(view.model_id == "" for view in views), "run it with make lectures"
    must(
        moving >= 2,
        f"lectures/{unit}: {moving} of at least 2 pictures have controls; dgm_lib.controls has explore "
        "for a picture with a knob, and film for a run.",
    )


def stored(code):
    """The global names that a cell gives a value."""
    return {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_NAME"}


def functions(code):
    """The functions that a piece of code defines, in whatever depth, and the names each looks up."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found = dis.get_instructions(constant)
            yield constant.co_name, {i.argval for i in found if i.opname == "LOAD_GLOBAL"}
            yield from functions(constant)


def test_controls_still_work_when_the_whole_lecture_has_run(unit):
    """What draws looks up global names when it is touched: no later cell may reuse one of them."""
    cells = [c for c in code_cells(read(lecture(unit))) if not c.source.startswith("%")]
    codes = [compile(cell.source, cell.id, "exec") for cell in cells]
    looked_up: dict[str, set[str]] = {}
    for i, (cell, code) in enumerate(zip(cells, codes, strict=True)):
        looked_up |= functions(code)
        if not re.search(r"^(explore|film)\(", cell.source, re.MULTILINE):
            continue
        wanted = set().union(*(names for _, names in functions(code)))
        for name in list(wanted):  # and what is called from there
            wanted |= looked_up.get(name, set())
        reused = {name for later in codes[i + 1 :] for name in stored(later)} & wanted
        assert not reused, f"{cell.id}: a later cell gives {sorted(reused)} other values"


def test_explains_before_it_computes(unit):
    """Never a wall of code: short cells, and words before each pair of them."""
    notebook = read(lecture(unit))
    run = 0
    for cell in notebook.cells:
        run = run + 1 if cell.cell_type == "code" else 0
        assert run <= 2, f"three code cells in a row, the last one: {cell.source[:80]}"
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= 30, cell.source[:80]


def words(unit):
    """All that the lecture says, without its code."""
    return "\n\n".join(c.source for c in read(lecture(unit)).cells if c.cell_type == "markdown")


def test_has_a_picture_for_each_idea(unit):
    cells = code_cells(read(lecture(unit)))
    figures = sum("image/png" in output.get("data", {}) for output in outputs(cells))
    ideas = len(re.findall(r"(?m)^## ", words(unit))) - 2  # the closing table and the references
    must(
        figures >= max(ideas, 8),
        f"lectures/{unit}: {figures} of at least {max(ideas, 8)} figures are stored (8, and one for "
        "each section that begins with ##); make lectures stores them.",
    )


def test_has_formulas(unit):
    marks = words(unit).count("$$")
    assert marks % 2 == 0
    must(marks >= 10, f"lectures/{unit}: {marks // 2} of at least 5 formulas are set apart by $$.")


def test_has_prompts_to_try_things(unit):
    prompts = words(unit).lower().count("try it")
    must(
        prompts >= 5,
        f"lectures/{unit}: {prompts} of at least 5 prompts say **Try it.**, one for each idea.",
    )


def test_closes_with_a_table_and_references(unit):
    told = words(unit)
    must(
        bool(re.search(r"(?m)^\|.*\|$", told)),
        f"lectures/{unit}: no closing table; want one that says what each thing is and when to use it.",
    )
    must(
        bool(re.search(r"(?mi)^## references", told) and re.search(r"arxiv", told, re.IGNORECASE)),
        f"lectures/{unit}: no section ## References with arXiv numbers; want the original papers.",
    )


def test_uses_the_library_and_real_data(unit):
    source = "\n".join(cell.source for cell in code_cells(read(lecture(unit))))
    assert "dgm_lib" in source
    assert re.search(r"\b(digits|iris|wine)\(", source)


def test_is_small_enough_to_download(unit):
    assert lecture(unit).stat().st_size < 2_000_000
