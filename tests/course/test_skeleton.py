"""`make unit`: the skeleton lacks what only a person can write, and says so; then the unit is whole."""

import copy
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import nbformat
import pytest

from grading.course import Course
from grading.release import release
from tests.course.notebooks import ROOT, lecture, solution
from tests.course.skeleton import FILES, LISTS, MARK, Unfit, __main__, listed, write

UNIT = "97_trial"
LEFT = {
    "test_has_functions_and_points_enough": "1 of at least 5 functions are graded, for 4 of at least",
    "test_moves_when_it_is_touched_and_stands_alone_until_then": "1 of at least 2 pictures have",
    "test_has_a_picture_for_each_idea": "1 of at least 8 figures are stored",
    "test_has_formulas": "2 of at least 5 formulas are set apart",
    "test_has_prompts_to_try_things": "1 of at least 5 prompts say",
    "test_nothing_is_left_to_write": "Write here: a paragraph that makes a reader curious",
    "test_the_start_page_says_what_it_is_about_and_how_long_it_takes": "add up to 10; want 30",
}
"""The tests of the contract that only a person can satisfy, and what each says."""
PARTS = ("dgm_lib", "grading", "lectures", "solutions", "exercises", "tests/course")
OWN = ("submitted", "autograded", "feedback", "results", "demo", "gradebook.*", "__pycache__")


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A copy of this course, without anybody's class."""
    root = tmp_path_factory.mktemp("a course") / "copy"
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns(*OWN))
    for path in [*ROOT.glob("*.*"), *ROOT.glob("tests/*.py")]:
        if path.is_file():
            shutil.copy(path, root / path.relative_to(ROOT))
    return root


@pytest.fixture(scope="module")
def skeleton(course) -> tuple[list[str], list[str]]:
    return write(course, UNIT)


def ask(root: Path, *command: str) -> subprocess.CompletedProcess:
    """Run a Python module in the copy, with the copy's library."""
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    program = [sys.executable, "-m", *command]
    return subprocess.run(program, cwd=root, env=environment, capture_output=True, text=True)


def contract(root: Path) -> dict[str, str]:
    """What the course's tests, and the unit's own, say of the unit: by test, "" if it passes."""
    tests = ["tests/course", "tests/trial", "dgm_lib/trial", "-k", f"{UNIT} or laplace"]
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=", "--junitxml=said.xml"]
    done = ask(root, "pytest", *options, "--doctest-modules", *tests)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    said: dict[str, str] = {}
    for case in ET.parse(root / "said.xml").iter("testcase"):
        name = re.sub(r"\[.*", "", case.get("name"))
        said[name] = said.get(name, "") + "".join(f.get("message") for f in case)
    return said


def test_a_fresh_skeleton_lacks_what_only_a_person_can_write(course, skeleton):
    new, lined = skeleton
    assert all((course / path).is_file() for path in new)
    assert ask(course, "ruff", "check", *new, *LISTS).stdout == "All checks passed!\n"
    assert ask(course, "ruff", "format", "--check", *new).returncode == 0
    for path in lined:
        before = (ROOT / path).read_text().split("\n")
        after = (course / path).read_text().split("\n")
        (line,) = [line for line in after if line not in before]
        assert [n for n in after if n != line] == before
        assert "trial" in line
    said = contract(course)
    assert {test for test, told in said.items() if told} == set(LEFT)
    for test, words in LEFT.items():
        assert words in said[test]
        assert "Traceback" not in said[test]
    assert "test_is_scipy_s_coordinate_by_coordinate" in said
    assert "dgm_lib.trial.laplace.laplace_log_prob" in said
    marks = sum((course / path).read_text().count(MARK) for path in (*new, *lined))
    marks -= (course / new[-1]).read_text().count(MARK)  # the exercise says what its source says
    assert f"{UNIT} has {marks} places to write" in said["test_nothing_is_left_to_write"]


def test_a_unit_that_is_written_is_whole(course, skeleton, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(course, root)
    for path in (path for paths in skeleton for path in paths):
        text = (root / path).read_text()
        (root / path).write_text(text.replace(MARK, "Written:"))
    for name in ("second", "third", "fourth", "fifth"):
        again(root, f"{name}_log_prob")
    sections(root / lecture(UNIT).relative_to(ROOT))
    release(Course(root), UNIT)
    said = contract(root)
    assert set(LEFT) < set(said)
    assert {test: told for test, told in said.items() if told} == {}


def again(root: Path, name: str) -> None:
    """Write the skeleton's function once more under another name, with its check and its cells."""
    library, checks = root / "dgm_lib/trial/laplace.py", root / "dgm_lib/checks/trial.py"
    for path, start, end in (
        (library, "def laplace_log_prob", "$"),
        (checks, "laplace_log_prob = ", "# Written:"),
    ):
        text = path.read_text()
        one = re.search(rf"(?s){start}.*?(?={end}\Z|{end} )", text)[0]
        path.write_text(f"{text}\n\n{one.replace('laplace_log_prob', name)}")
    path = root / solution(UNIT).relative_to(ROOT)
    notebook = nbformat.read(path, as_version=4)
    for cell in [cell for cell in notebook.cells if "laplace_log_prob" in cell.id]:
        twin = copy.deepcopy(cell)
        twin.id = cell.id.replace("laplace_log_prob", name)
        twin.source = cell.source.replace("laplace_log_prob", name)
        if "nbgrader" in twin.metadata:
            twin.metadata.nbgrader.grade_id = twin.id
        notebook.cells.insert(-1, twin)
    nbformat.write(notebook, path)


def sections(path: Path) -> None:
    """Repeat the lecture's section, outputs and all, until there are eight, and nothing to come."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id != "more"]
    section = [cell for cell in notebook.cells if cell.id.startswith("laplace")]
    first = notebook.cells.index(section[0])
    for number in range(7):
        for cell in reversed(section):
            twin = copy.deepcopy(cell)
            twin.id = f"{cell.id}_{number}"
            notebook.cells.insert(first, twin)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, start=1):
        cell.execution_count = count
    nbformat.write(notebook, path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Say what the new unit is called: make unit NAME="),
        ("something", "NAME: got 'something'; want two digits, an underscore and a name"),
        ("9_something", "want two digits"),
        ("97-something", "want two digits"),
        ("97_Something", "want two digits"),
        ("97_some thing", "want two digits"),
        ("97_something_", "want two digits"),
        ("97__something", "want two digits"),
        ("97_../something", "want two digits"),
        ("٩٧_something", "want two digits"),
        ("98_lambda", "NAME: lambda is a word of Python"),
        ("98_density", "NAME: density is a part of dgm_lib already"),
        ("98_progress", "NAME: progress is a part of dgm_lib already"),
        ("98_validate", "NAME: there is dgm_lib/validate.py already"),
        ("98_rbm", "NAME: there is dgm_lib/checks/rbm.py already"),
        ("98_course", "NAME: there is tests/course already"),
        ("08_something", "NAME: the number 08 is taken, by 08_variational"),
        (f"97_{'x' * 99}", "NAME: got a name of 102 characters; want at most 40"),
    ],
)
def test_a_name_that_cannot_be_is_said_in_a_sentence(course, monkeypatch, capsys, name, sentence):
    def files():
        return {p: p.stat().st_mtime_ns for p in course.rglob("*") if "__pycache__" not in p.parts}

    monkeypatch.setattr(__main__, "ROOT", course)
    before = files()
    assert __main__.main(name) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert sentence in told.err
    assert told.err.endswith("\nNothing was written.\n")
    assert files() == before


def test_nothing_is_overwritten(course, skeleton):
    before = [(course / path).read_bytes() for path in skeleton[0]]
    with pytest.raises(Unfit, match=f"the number 97 is taken, by {UNIT}"):
        write(course, UNIT)
    with pytest.raises(Unfit, match="there is dgm_lib/trial already"):
        write(course, "96_trial")
    assert [(course / path).read_bytes() for path in skeleton[0]] == before


def test_a_list_that_has_moved_is_said():
    with pytest.raises(Unfit, match=r"x\.py has no line 'X = \(' any more"):
        listed("Y = (\n)", "x.py", "X = (", "    'a',")


def test_a_run_says_what_was_written_and_what_to_do(monkeypatch, capsys):
    paths = [path.replace("@unit@", UNIT).replace("@package@", "trial") for path in FILES.values()]
    monkeypatch.setattr(__main__, "write", lambda root, unit: (paths, list(LISTS)))
    assert __main__.main(UNIT) == 0
    told = capsys.readouterr().out
    for path in (*paths, *LISTS, f"make lectures LECTURE={UNIT}", f"tests/course -k {UNIT}"):
        assert path in told
