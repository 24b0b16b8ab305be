"""`make lectures`: what is stored is the same after every run, and a failed run changes nothing."""

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

from lectures.execute import VIEW, execute, main

MOVES = """
import matplotlib.pyplot as plt
from dgm_lib.controls import explore, slider
explore(lambda h: plt.subplots(figsize=(h, 1))[0], h=slider(2, 1, 4))
"""


@pytest.fixture
def lecture(tmp_path):
    def write(*sources):
        cells = [new_code_cell(source.strip(), id=f"c{i}") for i, source in enumerate(sources)]
        nbformat.write(new_notebook(cells=cells), tmp_path / "99_unit.ipynb")
        return tmp_path / "99_unit.ipynb"

    return write


def test_a_second_run_stores_the_same_bytes(lecture):
    path = lecture(MOVES, "print(open('99_unit.ipynb').name)")
    execute(path)
    once = path.read_bytes()
    execute(path)
    assert path.read_bytes() == once
    notebook = nbformat.read(path, as_version=4)
    picture, control = notebook.cells[0].outputs
    assert "image/png" in picture.data
    assert control.data[VIEW].model_id == ""
    assert "widgets" not in notebook.metadata
    assert "execution" not in notebook.cells[0].metadata
    assert notebook.cells[1].outputs[0].text == "99_unit.ipynb\n", "it runs in its own folder"


def test_a_lecture_that_fails_stays_as_it_was(lecture):
    path = lecture("print(1)", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before


def test_a_lecture_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(SystemExit, match="no lecture is called 99_none; there are 01_density"):
        main(["99_none"])
