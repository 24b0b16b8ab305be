"""Reading what a student handed in: every fault becomes a reason or a note, and none an exception.

The graded notebook is the released one, cell by cell. Only the *source* of the solution cells comes
from the submission, by `grade_id`; its metadata, tags, ids, outputs and attachments, its other cells
and the other files of the folder count for nothing. A unit cannot ask for further files.
"""

import copy
import json
import os
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading import hygiene
from grading.caller import Cell

MISSING = "# This cell was missing from the submission."

_MOST_BYTES = 20 << 20
_MOST_PARTS = 2_000_000
_MOST_SOURCE = 100_000
_MOST_FILES = 1000
_MOST_NOTES = 20
_EXPECTED = ("timestamp.txt", ".ipynb_checkpoints")
"""What nbgrader and Jupyter leave beside a notebook."""
_FLAGS = ("grade", "solution", "locked", "task", "points")


@dataclass
class Submission:
    """A student's answers in the released notebook."""

    nb: NotebookNode
    word: str = ""
    """Why nothing of it could be graded, in a word or two; empty if it can be."""
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    """What was out of the ordinary, and what came of it; sentences for the student."""

    @property
    def cells(self) -> list[Cell]:
        """The code cells to run, in order: neither tests nor demonstrations."""
        return [
            Cell(cell.id, cell.source)
            for cell in self.nb.cells
            if cell.cell_type == "code" and not is_test(cell) and not is_demo(cell)
        ]

    def cell_id(self, grade_id: str) -> str | None:
        """The id of the cell with this `grade_id`."""
        return next((c.id for c in self.nb.cells if grade_id_of(c) == grade_id), None)


class Refused(Exception):
    """A file that is not read; the text says why."""


def find(folder: Path, unit: str) -> tuple[bytes | None, list[str]]:
    """The notebook in a student's folder, and notes; without a notebook, the note says why.

    Links are not followed, and nothing is opened but a regular file with a single name. A notebook
    under another name is taken if it is the only one.
    """
    wanted = f"{unit}.ipynb"
    notes: list[str] = []
    with ExitStack() as stack:
        try:
            place = None
            for part in (folder.parent, folder.name):  # a student's folder, and the unit's in it
                fileno = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                stack.callback(os.close, fileno)
                place = fileno
            with os.scandir(place) as entries:
                names = [entry.name for entry in islice(entries, _MOST_FILES)]
        except OSError:
            return None, ["the folder cannot be read, or is a link, which is not followed"]
        name = wanted
        if wanted not in names and not _exists(wanted, place):
            others = [n for n in names if n.endswith(".ipynb") and not n.startswith(".")]
            if len(others) > 1:
                return None, [f"{len(others)} notebooks were handed in, none of them as `{wanted}`"]
            if not others:
                return None, [f"no notebook was handed in; want `{wanted}`"]
            (name,) = others
            notes.append(
                f"The notebook was handed in as {hygiene.code(name)}; "
                f"please call it `{wanted}` the next time."
            )
        extra = len([n for n in names if n not in (name, *_EXPECTED)])
        if extra:
            count = f"{extra} or more" if len(names) == _MOST_FILES else f"{extra}"
            notes.append(f"Other files in the folder ({count}) were not looked at.")
        try:
            return _read(name, place), notes
        except Refused as refused:
            return None, [f"the notebook {refused}"]
        except OSError as error:
            return None, [f"the notebook cannot be read ({error.strerror})"]


def _exists(name: str, place: int) -> bool:
    try:
        os.lstat(name, dir_fd=place)
    except OSError:
        return False
    return True


def _read(name: str, place: int) -> bytes:
    """A file's bytes, up to one more than a notebook may have."""
    _check(os.lstat(name, dir_fd=place))  # devices may not even be opened
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    with open(os.open(name, flags, dir_fd=place), "rb") as file:
        _check(os.fstat(file.fileno()))
        return file.read(_MOST_BYTES + 1)


def _check(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise Refused("is a link, which is not followed; hand in the file itself")
    if not stat.S_ISREG(status.st_mode):
        raise Refused("is not a file but a folder, a device or a pipe")
    if status.st_nlink > 1:
        raise Refused("has a second name elsewhere (a hard link); hand in a copy")


def read(data: bytes | None, release: bytes, notes: Sequence[str] = ()) -> Submission:
    """The submission in the file `data` (None: no file) for the released notebook.

    Args:
        notes: what `find` said; if there is no file, why.
    """
    skeleton = parse(release)
    if data is None:
        reason = notes[0] if notes else "no notebook of this name was handed in"
        return Submission(skeleton, "no notebook", reason)
    if len(data) > _MOST_BYTES:
        reason = f"the file has more than {_MOST_BYTES >> 20} MB; delete some outputs"
        return Submission(skeleton, "too large", reason, list(notes))
    try:
        cells, more = _cells(data)
    except (ValueError, RecursionError) as error:
        reason = f"the file is not a readable notebook: {_fault(error)}"
        return Submission(skeleton, "corrupt file", reason, list(notes))
    more += _fill(skeleton, cells)
    return Submission(skeleton, notes=[*notes, *more][:_MOST_NOTES])


@lru_cache(4)
def _parsed(data: bytes) -> NotebookNode:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nbformat.reads(data.decode(), as_version=4)


def parse(release: bytes) -> NotebookNode:
    """The released notebook."""
    return copy.deepcopy(_parsed(release))


def is_test(cell: NotebookNode) -> bool:
    return bool(_mark(cell).get("grade"))


def is_solution(cell: NotebookNode) -> bool:
    return bool(_mark(cell).get("solution"))


def is_demo(cell: NotebookNode) -> bool:
    return not _mark(cell) and "demo" in cell.metadata.get("tags", [])


def grade_id_of(cell: dict) -> str | None:
    return _mark(cell).get("grade_id")


def _mark(cell: dict) -> dict:
    metadata = cell.get("metadata")
    mark = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return mark if isinstance(mark, dict) else {}


def _cells(data: bytes) -> tuple[list[dict], list[str]]:
    """The cells of a file, and notes. Raises ValueError or RecursionError."""
    if data.count(b"[") + data.count(b"{") > _MOST_PARTS:
        raise ValueError("it has too many parts")
    twice = False

    def build(pairs: list[tuple[str, object]]) -> dict:
        nonlocal twice
        made = dict(pairs)
        twice = twice or len(made) < len(pairs)
        return made

    nb = json.loads(data.decode("utf-8-sig"), object_pairs_hook=build)
    nb = nb if isinstance(nb, dict) else {}
    notes = []
    if twice:
        notes.append("The file names some things twice; the last of each counts.")
    cells = nb.get("cells")
    if cells is None and isinstance(nb.get("worksheets"), list):
        notes.append("The notebook is in an old format; please save it with a newer Jupyter.")
        cells = [c for sheet in nb["worksheets"] for c in _list(sheet)]
    elif isinstance(cells, list) and (nb.get("nbformat"), nb.get("nbformat_minor")) != (4, 5):
        notes.append("The notebook is in another format than the one handed out; it was read.")
    if not isinstance(cells, list):
        raise ValueError("it has no cells")
    kept = [cell for cell in cells if isinstance(cell, dict)]
    if len(kept) < len(cells):
        notes.append(_say(len(cells) - len(kept), "cells could not be read at all."))
    return kept, notes


def _list(sheet: object) -> list:
    cells = sheet.get("cells") if isinstance(sheet, dict) else None
    return cells if isinstance(cells, list) else []


def _fault(error: Exception) -> str:
    """What is wrong with a file, in words that quote nothing of it."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8 text"
    if isinstance(error, json.JSONDecodeError):
        return f"it stops making sense in line {error.lineno}, column {error.colno}"
    return str(error) if str(error).startswith("it ") else "one of its numbers is too long"


def _fill(skeleton: NotebookNode, cells: list[dict]) -> list[str]:
    """Put the answers among `cells` in their places, in place. What is to be said about them."""
    found: dict[str, list[int]] = {}
    for place, cell in enumerate(cells):
        if isinstance(name := grade_id_of(cell), str):
            found.setdefault(name, []).append(place)
    notes: dict[str, list[str]] = {}
    answers = [cell for cell in skeleton.cells if is_solution(cell)]
    for cell in answers:
        name = grade_id_of(cell)
        if name not in found:
            cell["source"] = MISSING
            notes.setdefault("were missing; their functions are not defined", []).append(name)
            continue
        given = cells[found[name][-1]]  # of cells with one name the last counts, as in nbgrader
        cell["source"], faults = _source(given)
        if len(found[name]) > 1:
            faults.append("were there more than once; the last one counts")
        if given.get("cell_type") != cell.cell_type:
            faults.append("had become cells of another kind; they were graded as code")
        for fault in faults:
            notes.setdefault(fault, []).append(name)
    said = [f"These cells {fault}: {_names(names)}." for fault, names in notes.items()]
    places = [found[grade_id_of(c)][-1] for c in answers if grade_id_of(c) in found]
    if places != sorted(places):
        said.append("The cells were in another order; they were run in the original one.")
    return said + list(_remarks(skeleton, cells, found))


def _source(cell: dict) -> tuple[str, list[str]]:
    """A solution cell's source, and its faults."""
    text = _text(cell)
    if text is None:
        return "# This cell could not be read.", ["held something else than text"]
    if len(text) > _MOST_SOURCE:
        fault = f"were too long (more than {_MOST_SOURCE} characters), and not run"
        return "# This cell was too long.", [fault]
    source = hygiene.source(text)
    unseen = source.count("\ufffd") > text.count("\ufffd")
    return source, ["held characters that cannot be seen, shown and run as �"] if unseen else []


def _text(cell: dict) -> str | None:
    text = cell.get("source", cell.get("input"))  # "input" in old formats
    if isinstance(text, list) and all(isinstance(line, str) for line in text):
        text = "".join(text)
    return text if isinstance(text, str) else None


def _remarks(skeleton: NotebookNode, cells: list[dict], found: dict) -> Iterator[str]:
    """What is to be said about the cells that are not answers."""
    marked = {grade_id_of(c): c for c in skeleton.cells if grade_id_of(c)}
    given = {c.id: c for c in skeleton.cells if not is_solution(c)}
    texts = {c.source.strip() for c in skeleton.cells} | {"", None}
    changed = edited = code = prose = 0
    for cell in cells:
        name, number, text = grade_id_of(cell), cell.get("id"), _text(cell)
        original = marked.get(name) if isinstance(name, str) else None
        if original is not None:
            mark, want = _mark(cell), _mark(original)
            changed += any(mark.get(flag) != want.get(flag) for flag in _FLAGS)
        elif isinstance(number, str):
            original = given.get(number)
        text = text and text.strip()
        if original is not None:
            edited += not is_solution(original) and text != original.source.strip()
        elif text not in texts:
            kind = cell.get("cell_type") == "code"
            code, prose = code + kind, prose + (not kind)
    gone = len([name for name, c in marked.items() if name not in found and not is_solution(c)])
    if gone:
        yield _say(gone, "given cells were deleted; the release's are used.")
    if changed:
        yield _say(changed, "cells were marked otherwise; the release's marks hold.")
    if edited:
        yield _say(edited, "given cells were edited; the release's text holds.")
    if code:
        yield _say(
            code,
            "cells of your own were not run: only the cells marked as yours are graded; put helper "
            "functions into them.",
        )
    if prose:
        yield _say(prose, "text cells of your own are not shown here.")


def _say(number: int, text: str) -> str:
    """A sentence about so many cells."""
    if number == 1:
        for many, one in (("cells ", "cell "), (" were ", " was "), (" are not", " is not")):
            text = text.replace(many, one, 1)
    return f"{number} {text}"


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
