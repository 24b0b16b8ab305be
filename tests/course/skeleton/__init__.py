"""A new unit, finished but for what only a person can write: `make unit NAME=16_something`.

One function is done from end to end, so that each folder shows how it is meant; where a person must
write, the text says "Write here:" and what. The tests in tests/course say what is left, in sentences.

The files beside this one are the skeleton's, as plain text: @unit@, @number@, @package@ and @title@
are filled in, and notebooks are written as cells, each after a line that starts with %%:

    %% md ID            %% code ID [TAG]            %% solution ID            %% test ID POINTS
"""

import keyword
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import dgm_lib
from grading.course import Course
from grading.release import release

HERE = Path(__file__).parent
MARK = "Write here:"
LONGEST = 40
FILES = {
    "package.txt": "dgm_lib/@package@/__init__.py",
    "laplace.txt": "dgm_lib/@package@/laplace.py",
    "checks.txt": "dgm_lib/checks/@package@.py",
    "empty.txt": "tests/@package@/__init__.py",
    "test_laplace.txt": "tests/@package@/test_laplace.py",
    "solution.txt": "solutions/@unit@/@unit@.ipynb",
    "lecture.txt": "lectures/@unit@.ipynb",
}
RELEASED = "exercises/@unit@/@unit@.ipynb"
LISTS = {
    "dgm_lib/__init__.py": ("_LAZY = (", '    "@package@",'),
    "dgm_lib/checks/__init__.py": ("UNITS = {", '    "@unit@": "dgm_lib.checks.@package@",'),
    "README.md": (
        "|---|---|---|---|---|",
        "| @number@ @title@ | Write here: what it is about | [lecture](lectures/@unit@.ipynb) "
        "| [exercise](exercises/@unit@/@unit@.ipynb) | [`@package@`](dgm_lib/@package@) |",
    ),
}
"""Sorted lists that get a line: the line before the first entry, and the new one."""


class Unfit(Exception):
    """Why there is no such unit; nothing has been written."""


def write(root: Path, unit: str) -> tuple[list[str], list[str]]:
    """Add a unit to the course at `root`; return the new files, and those that got a line.

    All is made, run and formatted in a folder of its own first, so it is there as a whole or not at
    all.

    Raises:
        Unfit: if the name cannot be used, or the skeleton no longer fits the course.
    """
    words = placeholders(root, unit)
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)
        shutil.copy(root / "pyproject.toml", stage)
        put(stage / "lectures/execute.py", (root / "lectures/execute.py").read_text())
        shutil.copytree(
            root / "dgm_lib", stage / "dgm_lib", ignore=shutil.ignore_patterns("__pycache__")
        )
        new = [fill(path, words) for path in FILES.values()]
        for template, path in zip(FILES, new, strict=True):
            text = fill((HERE / template).read_text(), words)
            put(stage / path, cells(text) if path.endswith(".ipynb") else text)
        for path, (opening, line) in LISTS.items():
            put(stage / path, listed((root / path).read_text(), path, opening, fill(line, words)))
        run(stage, "ruff", "check", "--fix", "--quiet", *new)
        run(stage, "ruff", "format", "--quiet", *new)
        release(Course(stage), unit)
        run(stage, "lectures.execute", unit)
        new.append(fill(RELEASED, words))
        for path in (*new, *LISTS):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(stage / path, root / path)
    return new, list(LISTS)


def placeholders(root: Path, unit: str) -> dict[str, str]:
    """What is filled into the files, if the name is free and can be a name.

    Raises:
        Unfit: if not; the message is a sentence.
    """
    if not unit:
        raise Unfit("Say what the new unit is called: make unit NAME=16_something")
    if not re.fullmatch(r"[0-9]{2}(_[a-z][a-z0-9]*)(_[a-z0-9]+)*", unit):
        raise Unfit(
            f"NAME: got {unit!r}; want two digits, an underscore and a name of small letters and "
            "digits with underscores between its words, such as 16_something"
        )
    if len(unit) > LONGEST:
        raise Unfit(f"NAME: got a name of {len(unit)} characters; want at most {LONGEST}")
    number, package = unit.split("_", 1)
    units = [*root.glob("solutions/*"), *root.glob("exercises/*"), *root.glob("lectures/*.ipynb")]
    for taken in sorted({path.stem for path in units}):
        if taken.startswith(f"{number}_"):
            raise Unfit(f"NAME: the number {number} is taken, by {taken}")
    if keyword.iskeyword(package) or package in dir(dgm_lib):
        kind = "a word of Python" if keyword.iskeyword(package) else "a part of dgm_lib already"
        raise Unfit(f"NAME: {package} is {kind}, and cannot be a new package; want another name")
    words = {"unit": unit, "number": number, "package": package}
    words["title"] = package.replace("_", " ").capitalize()
    folders = ["dgm_lib/@package@", "dgm_lib/@package@.py", "tests/@package@"]
    for place in [*folders, *FILES.values(), RELEASED]:
        if (root / fill(place, words)).exists():
            raise Unfit(f"NAME: there is {fill(place, words)} already; want another name")
    return words


def fill(text: str, words: dict[str, str]) -> str:
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text


def put(path: Path, content: str | NotebookNode) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else nbformat.writes(content) + "\n")


def cells(text: str) -> NotebookNode:
    """The notebook that a text describes.

    >>> [cell.id for cell in cells("%% md title\\n# A title\\n\\n%% test check_f 4\\ncheck(f)").cells]
    ['title', 'check_f']
    """
    found = []
    _, *parts = re.split(r"(?m)^%% (.+)\n", text)
    for head, body in zip(parts[::2], parts[1::2], strict=True):
        kind, name, *more = head.split()
        new = new_markdown_cell if kind == "md" else new_code_cell
        cell = new(body.strip("\n"), id=name)
        if kind in ("solution", "test"):
            flags = {"grade": kind == "test", "locked": kind == "test", "task": False}
            flags |= {"solution": kind == "solution", "grade_id": name, "schema_version": 3}
            flags |= {"points": int(more[0])} if kind == "test" else {}
            cell.metadata["nbgrader"] = flags
        elif more:
            cell.metadata["tags"] = more
        found.append(cell)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return new_notebook(cells=found, metadata=metadata)


def listed(text: str, path: str, opening: str, line: str) -> str:
    """The text with the line at its place in the sorted list that follows the line `opening`.

    >>> listed("X = (\\n    'a',\\n    'c',\\n)", "x.py", "X = (", "    'b',").split("\\n")
    ['X = (', "    'a',", "    'b',", "    'c',", ')']
    """
    lines = text.split("\n")
    if opening not in lines:
        raise Unfit(
            f"{path} has no line {opening!r} any more: mend LISTS in tests/course/skeleton."
        )
    place = lines.index(opening) + 1
    start = re.match(r"\W*", line)[0]  # what all entries begin with
    while lines[place].startswith(start) and lines[place] < line:
        place += 1
    return "\n".join([*lines[:place], line, *lines[place:]])


def run(stage: Path, *command: str) -> None:
    """Run a Python module where the skeleton is being made, with the library that lies there."""
    path = os.pathsep.join(filter(None, [str(stage), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", *command]
    done = subprocess.run(program, cwd=stage, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Unfit(f"The skeleton needs mending: {done.stdout}{done.stderr}")
