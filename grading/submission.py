"""Reading what a student handed in: every fault becomes a reason, and none an exception.

The result is always a notebook that nbgrader can digest. Graded and locked cells are matched with
the release by their `grade_id`; their kind, points and flags, and the source of locked cells, come
from the release. What is missing is put back, what is there twice counts once.
"""

import copy
import warnings
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode

from grading.caller import Cell

_MOST_BYTES = 20 << 20


@dataclass
class Submission:
    """A student's notebook, made to fit the release."""

    nb: NotebookNode
    word: str = ""
    """Why nothing of it could be graded, in a word or two; empty if it can be."""
    reason: str = ""

    @property
    def cells(self) -> list[Cell]:
        """The code cells to run, in order: the student's own, neither tests nor demonstrations."""
        return [
            Cell(cell.id, cell.source)
            for cell in self.nb.cells
            if cell.cell_type == "code" and not is_test(cell) and not is_demo(cell)
        ]

    def cell_id(self, grade_id: str) -> str | None:
        """The id of the cell with this `grade_id`."""
        return next((c.id for c in self.nb.cells if grade_id_of(c) == grade_id), None)


def read(data: bytes | None, release: bytes) -> Submission:
    """The submission in the file `data` (None: no file) for the released notebook."""
    skeleton = parse(release)
    if data is None:
        return _blank(skeleton, "no notebook", "no notebook of this name was handed in")
    if len(data) > _MOST_BYTES:
        size = f"the file has {len(data) >> 20} MB; want less than {_MOST_BYTES >> 20}"
        return _blank(skeleton, "too large", size)
    try:
        nb = parse(data)
    except Exception as error:  # anything at all may be in that file
        text = str(error).split("\n")[0][:200]
        reason = f"the file is not a readable notebook ({type(error).__name__}: {text})"
        return _blank(skeleton, "corrupt file", reason)
    _fit(nb, skeleton)
    return Submission(nb)


def parse(data: bytes) -> NotebookNode:
    """A valid notebook whose cells have unique ids. Raises whatever is wrong with the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nb = nbformat.reads(data.decode("utf-8-sig"), as_version=4)
        nb.nbformat, nb.nbformat_minor = 4, 5
        seen: set[str] = set()
        for i, cell in enumerate(nb.cells):
            if not isinstance(cell.get("id"), str) or not cell["id"] or cell["id"] in seen:
                cell["id"] = f"cell-{i}"
            seen.add(cell["id"])
        nbformat.validate(nb)
    return nb


def is_test(cell: NotebookNode) -> bool:
    return bool(_mark(cell).get("grade"))


def is_solution(cell: NotebookNode) -> bool:
    return bool(_mark(cell).get("solution"))


def is_demo(cell: NotebookNode) -> bool:
    return not _mark(cell) and "demo" in cell.metadata.get("tags", [])


def grade_id_of(cell: NotebookNode) -> str | None:
    return _mark(cell).get("grade_id")


def _mark(cell: NotebookNode) -> dict:
    mark = cell.metadata.get("nbgrader")
    return mark if isinstance(mark, dict) else {}


def _blank(skeleton: NotebookNode, word: str, reason: str) -> Submission:
    note = nbformat.v4.new_markdown_cell(f"**Not graded: {word}.** {_plain(reason)}")
    note["id"] = "not-graded"
    skeleton.cells.insert(0, note)
    return Submission(skeleton, word, reason)


def _plain(text: str) -> str:
    """Text that markdown shows as it is."""
    return "".join(f"&#{ord(c)};" if c in "<>&*_`[]()!#|\\$" else c for c in text)


def _fit(nb: NotebookNode, skeleton: NotebookNode) -> None:
    """Make the marked cells those of the release, each once; in place."""
    marked = {grade_id_of(cell): cell for cell in skeleton.cells if grade_id_of(cell)}
    demos = {cell.id for cell in skeleton.cells if is_demo(cell)}
    seen: set[str] = set()
    for cell in reversed(nb.cells):  # of two cells with one name the last counts, as in nbgrader
        name = grade_id_of(cell)
        cell.metadata.pop("nbgrader", None)
        if isinstance(name, str) and name in marked and name not in seen:
            seen.add(name)
            _restore(cell, marked[name])
        elif cell.id in demos:
            cell.metadata["tags"] = ["demo"]
    last = -1
    for name, cell in marked.items():
        if name in seen:
            last = next(i for i, c in enumerate(nb.cells) if grade_id_of(c) == name)
        else:
            last += 1
            missing = copy.deepcopy(cell)
            missing["id"] = f"restored-{last}"
            if is_solution(missing):
                missing["source"] = "# This cell was missing from the submission."
            nb.cells.insert(last, missing)


def _restore(cell: NotebookNode, original: NotebookNode) -> None:
    cell.metadata["nbgrader"] = copy.deepcopy(original.metadata["nbgrader"])
    if cell.cell_type != original.cell_type:
        cell["cell_type"] = original.cell_type
        cell.pop("attachments", None)
        if original.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
        else:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
    if not is_solution(cell):
        cell["source"] = original.source
