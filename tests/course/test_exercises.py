"""The contract of an exercise, for every unit: its source, its release, and how both run."""

import ast
import inspect
import re
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
    read,
    solution,
)

pytestmark = pytest.mark.parametrize("unit", UNITS)


def test_has_functions_and_points_enough(unit):
    cells = graded(read(solution(unit)))
    assert len(cells) >= 5
    assert sum(cell.metadata.nbgrader.points for cell in cells) >= 10


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


def test_solution_earns_every_point_and_shows_figures(unit):
    notebook = execute(solution(unit))
    for cell in graded(notebook):
        [output] = [o for o in cell.outputs if o.output_type == "execute_result"]
        assert float(output.data["text/plain"]) == cell.metadata.nbgrader.points, cell.source
    for cell in code_cells(notebook):
        assert not [o for o in cell.outputs if o.get("name") == "stderr"], cell.source
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
