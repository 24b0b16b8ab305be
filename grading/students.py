"""The demo's class: what each student hands in, and what that deserves.

The grades expected are stated here from the checks' own points: full marks, none for what is broken
or not written, and for a misconception what the library's check gives to that very function, in
this process and with another seed. Nothing is taken from the grader.
"""

import ast
import copy
import importlib
import json
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice, zip_longest

import matplotlib
import nbformat

from dgm_lib import checks
from dgm_lib.checks.core import Check, Misconception, Unit
from grading.course import Course
from grading.sources import cell
from grading.submission import is_demo, is_solution, is_test

NAMES = [
    *("ada", "bernoulli", "boltzmann", "curie", "darwin", "euler", "fisher", "gauss"),
    *("gibbs", "hopper", "jensen", "kolmogorov", "laplace", "markov", "noether", "poincare"),
    *("rao", "shannon", "turing", "ulam", "vapnik", "wald", "young", "zariski"),
]

SLIPS = 10
"""So many misconceptions per unit are tried; most cost the same with every seed."""

Grade = tuple[float, str]
"""Points and the feedback in a word."""

_LOOP = """
def {name}(*args, **kwargs):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
_WARN = """
import sys, warnings

def _aloud(function):
    def wrapper(*args, **kwargs):
        warnings.warn("this may be slow")
        print("working on it", file=sys.stderr)
        return function(*args, **kwargs)
    return wrapper

{name} = _aloud({name})
print("defined", file=sys.stderr)
"""


@dataclass
class Paper:
    """One student's notebook for one unit, and the grade it deserves, function by function."""

    unit: Unit
    release: bytes
    right: dict[str, str]
    """Right answers: the source of each solution cell."""
    sources: dict[str, str] = field(default_factory=dict)
    expected: dict[str, Grade] = field(default_factory=dict)
    damage: Callable[[bytes], bytes | None] | None = None
    """What happens to the file before it is handed in; if it gives None, there is no file."""

    def __post_init__(self) -> None:
        for name in self.functions:
            self.answer(name, self.right[name], (self.unit.checks[name].points, "full"))

    @property
    def functions(self) -> list[str]:
        return list(self.unit.checks)

    def answer(self, name: str, source: str, grade: Grade) -> None:
        self.sources[name] = source.strip()
        self.expected[name] = grade

    def keep(self, *names: str) -> None:
        """Write only these functions and what they need; hand in the others' stubs."""
        kept = {*names}.union(*(self.needs(name) for name in names))
        for name in self.functions:
            if name not in kept:
                del self.sources[name]
                self.expected[name] = (0, "not written")

    def slip(self, slip: "Slip") -> None:
        """Make this mistake; what calls the function suffers with it."""
        self.sources[slip.function] = slip.source
        self.expected |= slip.expected

    def needs(self, name: str) -> set[str]:
        """The other graded functions that the right answer of this one calls, in the end."""
        found: set[str] = set()
        todo = [name]
        while todo:
            tree = ast.parse(self.right[todo.pop()])
            called = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
            fresh = called & set(self.functions) - found - {name}
            found |= fresh
            todo += fresh
        return found

    def users(self, name: str) -> list[str]:
        """The other graded functions whose right answers call this one."""
        return [other for other in self.functions if name in self.needs(other)]

    def lose(self, damage: Callable[[bytes], bytes | None], word: str) -> None:
        """Hand in something that cannot be graded at all."""
        self.damage = damage
        self.expected = dict.fromkeys(self.functions, (0, word))

    def file(self) -> bytes | None:
        """What lies in the student's folder."""
        nb = nbformat.reads(self.release.decode(), as_version=4)
        for c in nb.cells:
            if is_solution(c) and c.id in self.sources:
                c["source"] = self.sources[c.id]
        data = nbformat.writes(nb).encode()
        return self.damage(data) if self.damage else data


@dataclass
class Slip:
    """A misconception that the library's check names, and what it costs."""

    function: str
    source: str
    expected: dict[str, Grade]
    """For the function itself, and for those that call it."""


def enrol(course: Course, pool: Executor) -> dict[str, dict[str, Paper]]:
    """The class: student -> unit -> paper."""
    units = course.units()
    wanted = [_ask(_paper(course, unit), pool) for unit in units]
    slips = [_slips(tasks) for tasks in wanted]
    students: dict[str, dict[str, Paper]] = {name: {} for name in NAMES}
    for number, student in enumerate(NAMES):
        for place, unit in enumerate(units):
            paper = students[student][unit] = _paper(course, unit)
            _write(paper, number, place, slips[place])
    return students


def _paper(course: Course, unit: str) -> Paper:
    return Paper(checks.load(unit), course.release(unit).read_bytes(), answers(course, unit))


def answers(course: Course, unit: str) -> dict[str, str]:
    """The right answers, from the unit's source, without the marks around them."""
    path = course.root / "solutions" / unit / f"{unit}.ipynb"
    return {
        c.id: "\n".join(
            line for line in c.source.split("\n") if not line.strip().startswith("### ")
        )
        for c in nbformat.read(path, as_version=4).cells
        if is_solution(c)
    }


def _write(paper: Paper, number: int, place: int, slips: list[Slip]) -> None:
    """What student `number` does with the unit in this `place`."""
    *_, last = paper.functions
    free = [name for name in paper.functions if not paper.users(name)]
    one = free[(number + place) % len(free)]
    match number:
        case 0 | 1 | 2:
            pass  # full marks
        case 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10:
            paper.slip(slips[(number - 3) % len(slips)])
        case 11:  # two slips in one notebook
            paper.slip(slips[0])
            apart = [slip for slip in slips if not slip.expected.keys() & slips[0].expected.keys()]
            paper.slip(apart[-1])
        case 12:  # partial work
            paper.keep(*paper.functions[:2])
        case 13:
            paper.keep(last)
        case 14:  # blank
            paper.keep()
        case 15:  # an exception in the function, or in its cell
            fault = [
                f"def {one}(*args, **kwargs):\n    return undefined_name",
                f"def {one}(*args, **kwargs)\n    return 1",
                f"{one} = 1 / 0",
            ]
            paper.answer(one, fault[place % 3], (0, "error"))
        case 16:  # an infinite loop, in the function or in its cell
            fault = [_LOOP.format(name=one), "while True:\n    pass", None][place % 3]
            if fault:
                paper.answer(one, fault, (0, "timeout"))
        case 17:  # a dead kernel
            body = ["os._exit(3)", "os.kill(os.getpid(), 11)", "os.abort()"][place % 3]
            source = f"import os\n\ndef {one}(*args, **kwargs):\n    {body}"
            paper.answer(one, source, (0, "died"))
        case 18:
            paper.answer(one, "import os\nos._exit(0)", (0, "died"))
        case 19:  # a corrupt file
            damage = [lambda d: d[: len(d) // 2], lambda d: b"\xff\xfe" + d, lambda d: b"[]"]
            paper.lose(damage[place % 3], "corrupt file")
        case 20:  # right, and loud about it
            for name in paper.functions:
                paper.answer(
                    name, paper.right[name] + _WARN.format(name=name), paper.expected[name]
                )
        case 21:  # the notebook was forgotten, once
            if place == 0:
                paper.lose(lambda data: None, "no notebook")
        case 22:  # cells deleted and doubled
            double = next(name for name in paper.functions if name != one)
            paper.damage = lambda data: _shuffle(data, one, double)
            paper.expected[one] = (0, "error")
        case _:  # prints and draws a lot, and answers rightly
            paper.answer(
                last,
                paper.right[last] + "\nfor i in range(50_000):\n    print(i, 'x' * 20)",
                paper.expected[last],
            )


def _shuffle(data: bytes, gone: str, double: str) -> bytes:
    """Delete one answer and its test, and hand in another answer twice."""
    nb = json.loads(data)
    kept = [c for c in nb["cells"] if c["id"] not in (gone, f"check_{gone}")]
    twice = copy.deepcopy(next(c for c in kept if c["id"] == double))
    nb["cells"] = [*kept, twice]
    return json.dumps(nb).encode()


def _ask(paper: Paper, pool: Executor) -> list[tuple[str, str, list[Future]]]:
    """Have the library grade misconceptions of all functions in turn."""
    found = []
    answers = [a for check in paper.unit.checks.values() for a in check.answers]
    nb = nbformat.reads(paper.release.decode(), as_version=4)
    for check, slip in _in_turn(list(paper.unit.checks.values())):
        source = cell(slip.function, check.name, answers)
        sources = {**paper.right, check.name: source}
        users = paper.users(check.name)
        runs = [c for c in nb.cells if c.cell_type == "code" and not is_test(c) and not is_demo(c)]
        cells = [sources.get(c.id, c.source) for c in runs] if users else []
        place = checks.UNITS[paper.unit.name], check.name, check.misconceptions.index(slip)
        asked = [pool.submit(_library, *place, cells, users, seed) for seed in "abcd"]
        found.append((check.name, source, asked))
    return found


def _slips(asked: list[tuple[str, str, list[Future]]]) -> list[Slip]:
    """The slips that cost the same with every seed: anything else is no fair expectation."""
    slips = []
    for name, source, futures in asked:
        grades = [future.result() for future in futures]
        if all(grade == grades[0] for grade in grades):
            slips.append(Slip(name, source, grades[0]))
    return slips


def _library(
    module: str, function: str, index: int, cells: list[str], users: list[str], seed: str
) -> dict[str, Grade]:
    """What the library's own checks give to a misconception, and to those that call it.

    The latter come from the notebook's cells, run in this process.
    """
    unit: Unit = importlib.import_module(module).unit
    matplotlib.use("agg")
    namespace: dict = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for source in cells:
            exec(source, namespace)
    check = unit.checks[function]
    reports = [check.run(check.misconceptions[index].function, seed)]
    reports += [unit.checks[name].run(namespace[name], seed) for name in users]
    return {report.function: (report.earned, report.word) for report in reports}


def _in_turn(group: list[Check]) -> Iterator[tuple[Check, Misconception]]:
    """The first misconception of each function, then the second of each, and so on; `SLIPS`."""
    turns = zip_longest(*([(check, slip) for slip in check.misconceptions] for check in group))
    return islice((pair for turn in turns for pair in turn if pair), SLIPS)
