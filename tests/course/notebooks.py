"""What the course tests share: where the units are, and how a notebook is run."""

import ast
import tempfile
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from dgm_lib.checks import UNITS as CHECKED
from lectures.execute import run

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted(
    {path.stem for path in (ROOT / "lectures").glob("*.ipynb")}
    | {path.parent.name for path in (ROOT / "solutions").glob("*/*.ipynb")}
    | {path.parent.name for path in (ROOT / "exercises").glob("*/*.ipynb")}
    | set(CHECKED)
)


def lecture(unit: str) -> Path:
    return ROOT / "lectures" / f"{unit}.ipynb"


def solution(unit: str) -> Path:
    return ROOT / "solutions" / unit / f"{unit}.ipynb"


def exercise(unit: str) -> Path:
    return ROOT / "exercises" / unit / f"{unit}.ipynb"


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def graded(notebook: NotebookNode) -> list[NotebookNode]:
    """The test cells."""
    return [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]


def definition(source: str, name: str) -> ast.FunctionDef:
    """The function called `name` in a piece of source."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    raise AssertionError(f"no function {name} in:\n{source}")


def must(condition: bool, sentence: str) -> None:
    """Fail with this sentence alone, for whoever writes a unit, unless the condition holds."""
    if not condition:
        pytest.fail(sentence, pytrace=False)


def execute(path: Path, *, allow_errors: bool = False) -> NotebookNode:
    """Run a notebook from top to bottom in a fresh kernel, in an empty folder."""
    notebook = read(path)
    with tempfile.TemporaryDirectory() as folder:
        run(notebook, Path(folder), allow_errors=allow_errors)
    return notebook
