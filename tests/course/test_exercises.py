"""The contract of an exercise, for every unit: its source, its release, and how both run."""

import ast
import builtins
import inspect
import re
import symtable
import textwrap

import pytest

from dgm_lib import checks
from tests.course.notebooks import (
    UNITS,
    code_cells,
    definition,
    execute,
    exercise,
    graded,
    must,
    read,
    solution,
)

pytestmark = pytest.mark.parametrize("unit", UNITS)


def test_has_functions_and_points_enough(unit):
    cells = graded(read(solution(unit)))
    points = sum(cell.metadata.nbgrader.points for cell in cells)
    must(
        len(cells) >= 5 and points >= 10,
        f"solutions/{unit}: {len(cells)} of at least 5 functions are graded, for {points:g} of at "
        "least 10 points; each has its text, solution, hint, check and see-it-work cells.",
    )


def test_each_check_cell_is_one_line_and_worth_its_check(unit):
    reference = checks.load(unit)
    cells = graded(read(solution(unit)))
    names = [re.fullmatch(r"check\((\w+)\)", cell.source).group(1) for cell in cells]
    assert names == list(reference.checks)
    for name, cell in zip(names, cells, strict=True):
        assert cell.metadata.nbgrader.grade_id == f"check_{name}"
        assert cell.metadata.nbgrader.points == reference.checks[name].points
        assert cell.id == cell.metadata.nbgrader.grade_id


def test_stubs_are_the_library_s_own_signature_and_docstring(unit):
    cells = {cell.id: cell for cell in code_cells(read(exercise(unit)))}
    for name, check in checks.load(unit).checks.items():
        stub = definition(cells[name].source, name)
        wanted = ast.parse(textwrap.dedent(inspect.getsource(check.reference))).body[0]
        assert ast.unparse(stub.args) == ast.unparse(wanted.args), name
        assert ast.unparse(stub.returns) == ast.unparse(wanted.returns), name
        assert ast.get_docstring(stub) == ast.get_docstring(wanted), name


def test_each_function_is_introduced_hinted_and_seen_at_work(unit):
    notebook = read(exercise(unit))
    ids = [cell.id for cell in notebook.cells]
    position = {cell_id: i for i, cell_id in enumerate(ids)}
    names = list(checks.load(unit).checks)
    for name in names:
        assert position[name] < position[f"check_{name}"] < position[f"see_{name}"]
        around = notebook.cells[max(0, position[name] - 2) : position[f"check_{name}"]]
        words = "\n".join(cell.source for cell in around if cell.cell_type == "markdown")
        assert re.search(r"Difficulty:? *(\*\*)? *[●○]{5}", words), f"{name}: no difficulty"
        assert re.search(r"\d+ minutes", words), f"{name}: no minutes"
        points = f"{checks.load(unit).checks[name].points:g} points"
        assert points in words, f"{name}: does not say {points}"
        assert "<details>" in words, f"{name}: no hint"
        seen = notebook.cells[position[f"see_{name}"]]
        assert "demo" in seen.metadata.tags
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "fresh inputs" in text
    assert "BEGIN SOLUTION" not in text


def test_see_it_work_stands_alone(unit):
    """It needs the given cells and its own function; other functions only if its words name them.

    Demo cells in a row, with no function to write between them, go together.
    """
    notebook = read(solution(unit))
    functions = set(checks.load(unit).checks)
    made, before, words, own = set(), set(), "", set()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = cell.source
            continue
        wanted, found = names(cell.source)
        if cell.id in functions:
            own, before = found, set()
        elif own and "demo" in cell.metadata.get("tags", []):
            told = {name for name in functions if f"`{name}`" in words}
            lacks = wanted - made - own - before - told
            must(
                not lacks,
                f"solutions/{unit}, cell {cell.id}: it must run when only the cells above that are "
                f"given and its own function's were run, or its words name what it needs: {lacks}",
            )
            before |= found
        else:
            made |= found


def names(source):
    """The global names that a cell reads before it makes them itself, and those that it makes."""
    table = symtable.symtable(source, "cell", "exec")
    top = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    tables, read_ = [table], set()
    for part in tables:
        tables += part.get_children()
        seen = [s for s in part.get_symbols() if s.is_referenced()]
        read_ |= {s.get_name() for s in seen if part is table or s.is_global()}
    return read_ - top - set(dir(builtins)), top


def test_solution_earns_every_point_and_shows_figures(unit):
    notebook = execute(solution(unit))
    for cell in graded(notebook):
        [output] = [o for o in cell.outputs if o.output_type == "execute_result"]
        assert float(output.data["text/plain"]) == cell.metadata.nbgrader.points, cell.source
    for cell in code_cells(notebook):
        told = "".join(o.text for o in cell.outputs if o.get("name") == "stderr")
        assert not told, f"{cell.id} writes to stderr: {told}"
        if "demo" in cell.metadata.get("tags", []):
            assert cell.outputs, f"{cell.id} shows nothing"


def test_release_fails_only_by_its_stubs_and_kindly(unit):
    notebook = execute(exercise(unit), allow_errors=True)
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                assert output.ename == "NotImplementedError", f"{cell.id}: {output.evalue}"
    for cell in graded(notebook):
        [output] = cell.outputs
        assert "Not written yet" in output.data["text/html"]
        assert output.data["text/plain"] == "0"
