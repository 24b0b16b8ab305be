"""The same submissions in stock nbgrader, for comparison: `python -m tests.grading.stock`.

Prints a markdown table: what a submission deserves, what stock nbgrader gives, and what this grader
gives. Only attacks that are safe without a sandbox are tried. The test cells hold asserts, as they
do in most courses, and are hidden from nobody.
"""

import contextlib
import importlib.metadata
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.converters import Autograde, GenerateAssignment
from traitlets.config import Config

from grading.course import Course
from grading.release import run
from tests.grading.arena import Arena, descendants, know_the_unit
from tests.grading.attacks import ATTACKS, FAKE, Attack
from tests.grading.conftest import POINTS, RIGHT, write_notebook

TESTS = {
    "double": """
x = torch.tensor([1.0, -2.0, 3.5, 0.25])
assert torch.allclose(double(x), torch.tensor([2.0, -4.0, 7.0, 0.5]))
assert torch.allclose(double(torch.tensor(-1.5)), torch.tensor(-3.0))
""",
    "square_sum": """
import numpy.testing
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
numpy.testing.assert_allclose(square_sum(x), [5.0, 25.0])
numpy.testing.assert_allclose(square_sum(x, scale=2.0), [10.0, 50.0])
""",
    "apply": """
network = torch.nn.Linear(2, 3)
y, extra = apply(network, torch.ones(4, 2))
torch.testing.assert_close(y, network(torch.ones(4, 2)))
assert extra == {"shape": [4, 3]}
""",
}
SECONDS = 60.0
"""For one submission; a cell has ten."""
UNSAFE = {"pipe_for_a_notebook": "waits for ever"}


def notebook(sources: dict[str, str]) -> bytes:
    """The unit's notebook with asserts for tests."""
    nb = nbformat.reads(write_notebook(sources).decode(), as_version=4)
    for cell in nb.cells:
        if cell.id == "setup":
            cell.source = "import torch"
        elif cell.id.startswith("check_"):
            cell.source = TESTS[cell.id.removeprefix("check_")].strip()
    return nbformat.writes(nb).encode()


def config(course: Course) -> Config:
    """nbgrader's own way of grading."""
    c = Config()
    for name in ("CourseDirectory", "ClearSolutions"):
        c[name] = course.config()[name]
    c.CourseDirectory.assignment_id = FAKE
    c.BaseConverter.force = True
    c.ExecutePreprocessor.timeout = c.Execute.timeout = 10
    return c


def attempt(arena: Arena, attack: Attack) -> str:
    """What stock nbgrader makes of an attack, in a word or two."""
    right = notebook(RIGHT)
    attack.hand_in(arena.course.submitted(FAKE, attack.name), right, arena.target)
    c = config(arena.course)
    c.CourseDirectory.student_id = attack.name
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for fileno in (0, 1, 2):
            os.dup2(null, fileno)
        status = 1
        try:
            run(Autograde, c)
            status = 0
        finally:
            os._exit(status)
    until = time.monotonic() + SECONDS
    while os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if time.monotonic() > until:
            break
        time.sleep(0.05)
    late = time.monotonic() > until
    for pid in descendants():
        if pid != arena.sentinel.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    os.waitpid(child, 0)
    with arena.course.gradebook() as gradebook:
        try:
            book = gradebook.find_submission_notebook(FAKE, FAKE, attack.name)
            words = f"{sum(grade.auto_score or 0 for grade in book.grades):g}"
        except MissingEntry:
            words = "not graded"
    words += ", hangs" if late else ""
    out = arena.course.folder / "autograded" / attack.name
    files = [p for p in out.rglob("*") if p.is_file()]
    texts = [p.read_text(errors="replace") for p in files if p.stat().st_size < 8 << 20]
    leaks = [n for n, c in arena.canaries.items() if any(c in text for text in texts)]
    words += "".join(f", leaks the {name}" for name in leaks)
    largest = max((p.stat().st_size for p in files), default=0)
    if largest > 4 << 20:
        words += f", {largest >> 20} MB"
    harm = arena.harm()
    return words + (", breaks out" if harm else "")


def _some(names: list[str]) -> dict[str, str]:
    """A worker: its own course, and its share of the attacks."""
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as home:
        os.environ.update(HOME=home, JUPYTER_PLATFORM_DIRS="1")
        arena = Arena(Path(root), Path(home))
        solution = arena.course.root / "solutions" / FAKE / f"{FAKE}.ipynb"
        canary = arena.canaries["solutions"]
        marked = {
            n: s.replace("SOLUTION\n", f"SOLUTION\n    # {canary}\n", 1) for n, s in RIGHT.items()
        }
        solution.write_bytes(notebook(marked))
        (arena.course.folder / "nbgrader_config.py").unlink()
        run(GenerateAssignment, config(arena.course))
        found = {}
        for attack in ATTACKS:
            if attack.name in names:
                found[attack.name] = attempt(arena, attack)
                print(f"{attack.name}: {found[attack.name]}", file=sys.stderr, flush=True)
        arena.close()
    return found


def here(attacks: list[Attack]) -> dict[str, str]:
    """The points that this grader gives."""
    found = {}
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as home:
        arena = Arena(Path(root), Path(home))
        for attack in attacks:
            verdict, _ = arena.grade(attack)
            found[attack.name] = f"{verdict.earned:g}"
        arena.close()
    return found


def main() -> int:
    know_the_unit()
    tried = [a for a in ATTACKS if a.unit == FAKE and not a.heavy and a.name not in UNSAFE]
    tried = [a for a in tried if not sys.argv[1:] or a.name in sys.argv[1:]]
    shares = [[a.name for a in tried[i::2]] for i in range(2)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        stock = {name: words for some in pool.map(_some, shares) for name, words in some.items()}
    ours = here(tried)
    version = importlib.metadata.version("nbgrader")
    print(f"| submission | what it tries | deserves | nbgrader {version} | here |")
    print("|---|---|---|---|---|")
    for attack in tried:
        says = attack.says.splitlines()[0]
        deserves = sum((POINTS | attack.deserves).values())
        print(
            f"| `{attack.name}` | {says} | {deserves:g} | {stock[attack.name]} | {ours[attack.name]} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
