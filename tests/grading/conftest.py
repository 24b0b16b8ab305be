"""A tiny course in a temporary folder: one made-up unit, its source, its release, its config."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dgm_lib import checks
from grading import zygote
from grading.caller import Cell, RemoteCaller, Session
from grading.course import Course
from grading.limits import Limits
from grading.release import release
from grading.verdict import Job

UNIT = "99_fake"
HERE = Path(__file__).parent / "unit"
RIGHT = {
    "double": "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION",
    "square_sum": (
        "def square_sum(x, scale=1.0):\n    ### BEGIN SOLUTION\n"
        "    return scale * (x**2).sum(-1)\n    ### END SOLUTION"
    ),
    "apply": (
        "def apply(network, x):\n    ### BEGIN SOLUTION\n    y = network(x)\n"
        "    return y, {'shape': list(y.shape)}\n    ### END SOLUTION"
    ),
}
POINTS = {"double": 4, "square_sum": 4, "apply": 2}
LIMITS = Limits(call_seconds=2, cell_seconds=3, total_seconds=60)


@pytest.fixture(scope="session", autouse=True)
def _fake_unit() -> Iterator[None]:
    """Make the unit known here, and importable in every process that is started from here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(checks.UNITS, UNIT, "fake_checks")
        patch.syspath_prepend(HERE)
        paths = [str(HERE), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
        yield
        zygote.close_shared()


def write_notebook(sources: dict[str, str], *extra: nbformat.NotebookNode) -> bytes:
    """A notebook of the unit with these solution cells."""
    cells = [_cell("setup", "import torch\nfrom fake_checks import check")]
    for name, points in POINTS.items():
        mark = {"schema_version": 3, "task": False}
        own = {**mark, "grade_id": name, "grade": False, "solution": True, "locked": False}
        test = {**mark, "grade_id": f"check_{name}", "grade": True, "solution": False}
        cells.append(_cell(name, sources[name], nbgrader=own))
        cells.append(
            _cell(
                f"check_{name}",
                f"check({name})",
                nbgrader={**test, "locked": True, "points": points},
            )
        )
    cells.append(_cell("see_double", "raise RuntimeError('a demo is not run')", tags=["demo"]))
    nb = new_notebook(cells=[*cells, *extra])
    nb["nbformat_minor"] = 5
    return nbformat.writes(nb).encode()


def _cell(name: str, source: str, **metadata: object) -> nbformat.NotebookNode:
    cell = new_code_cell(source, metadata=metadata)
    cell["id"] = name
    return cell


def answers(**changed: str) -> bytes:
    """A student's notebook: right answers, some of them changed."""
    return write_notebook({**RIGHT, **changed})


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The released notebook."""
    course = make_course(tmp_path_factory.mktemp("blank"))
    return course.release(UNIT).read_bytes()


@pytest.fixture
def course(tmp_path: Path) -> Course:
    return make_course(tmp_path)


def make_course(root: Path) -> Course:
    course = Course(root)
    (root / "solutions" / UNIT).mkdir(parents=True)
    (root / "solutions" / UNIT / f"{UNIT}.ipynb").write_bytes(write_notebook(RIGHT))
    (root / "grading").mkdir()
    (root / "grading" / "nbgrader_config.py").write_text(
        "from pathlib import Path\n"
        "from dgm_lib import checks\n"
        "from grading.course import Course\n"
        f"checks.UNITS[{UNIT!r}] = 'fake_checks'\n"
        f"c = get_config()\nc.merge(Course(Path({str(root)!r})).config())\n"
        "import warnings\n"
        "warnings.filterwarnings('ignore', message='Object of type .* not in session')\n"
    )
    release(course, UNIT)
    return course


def hand_in(course: Course, student: str, data: bytes | None) -> None:
    folder = course.submitted(UNIT, student)
    folder.mkdir(parents=True, exist_ok=True)
    if data is not None:
        (folder / f"{UNIT}.ipynb").write_bytes(data)


@pytest.fixture
def job(blank: bytes) -> Callable[..., Job]:
    """A job whose submission is right but for the cells given."""

    def make(data: bytes | None = None, **changed: str) -> Job:
        submission = answers(**changed) if data is None else data
        return Job(UNIT, "fake_checks", blank, submission, "secret", LIMITS)

    return make


@pytest.fixture
def remote() -> Iterator[Callable[..., RemoteCaller]]:
    """A caller of the function `f` that some source defines, in another process."""
    sessions = []

    def make(source: str, limits: Limits = LIMITS) -> RemoteCaller:
        cell = Cell("f", source)
        sessions.append(Session([cell], limits, seed=1, checks="fake_checks"))
        return RemoteCaller(sessions[-1], "f", cell)

    yield make
    for session in sessions:
        session.stop()
