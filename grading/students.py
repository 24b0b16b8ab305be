"""The demo's class: what each student hands in, and what that deserves.

The grades expected are stated here from the checks' own points: full marks, none for what is broken
or not written, and for a misconception what the library's check gives to that very function, in
this process and with another seed. Nothing is taken from the grader.
"""

import copy
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field

import nbformat

from dgm_lib import checks
from dgm_lib.checks.core import Check, Misconception, Unit
from grading.course import Course
from grading.sources import cell
from grading.submission import is_solution

NAMES = [
    *("ada", "bernoulli", "boltzmann", "curie", "darwin", "euler", "fisher", "gauss"),
    *("gibbs", "hopper", "jensen", "kolmogorov", "laplace", "markov", "noether", "poincare"),
    *("rao", "shannon", "turing", "ulam", "vapnik", "wald", "young", "zariski"),
]

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

    def __post_init__(self):
        for name in self.functions:
            self.answer(name, self.right[name], (self.unit.checks[name].points, "full"))

    @property
    def functions(self) -> list[str]:
        return list(self.unit.checks)

    def answer(self, name: str, source: str, grade: Grade) -> None:
        self.sources[name] = source.strip()
        self.expected[name] = grade

    def leave(self, name: str) -> None:
        """Hand in the stub."""
        del self.sources[name]
        self.expected[name] = (0, "not written")

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


def enrol(course: Course, pool: Executor) -> dict[str, dict[str, Paper]]:
    """The class: student -> unit -> paper."""
    units = {name: checks.load(name) for name in course.units()}
    slips = {name: _slips(unit, pool) for name, unit in units.items()}
    students = {}
    for number, student in enumerate(NAMES):
        students[student] = {}
        for place, name in enumerate(units):
            paper = Paper(units[name], course.release(name).read_bytes(), answers(course, name))
            _write(paper, number, place, slips[name])
            students[student][name] = paper
    return students


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


def _write(paper: Paper, number: int, place: int, slips: list[tuple[str, str, Grade]]) -> None:
    """What student `number` does with the unit in this `place`."""
    first, *_, last = paper.functions
    one = paper.functions[(number + place) % len(paper.functions)]
    match number:
        case 0 | 1 | 2:
            pass  # full marks
        case 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10:
            paper.answer(*slips[(number - 3) % len(slips)])
        case 11:  # two slips in one notebook
            paper.answer(*slips[0])
            paper.answer(*next(slip for slip in reversed(slips) if slip[0] != slips[0][0]))
        case 12:  # partial work
            for name in paper.functions[2:]:
                paper.leave(name)
        case 13:
            for name in paper.functions[:-1]:
                paper.leave(name)
        case 14:  # blank
            for name in paper.functions:
                paper.leave(name)
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
            paper.damage = lambda data: _shuffle(data, first, last)
            paper.expected[first] = (0, "error")
        case _:  # prints and draws a lot, and answers rightly
            paper.answer(
                last,
                paper.right[last] + "\nfor i in range(200_000):\n    print(i, 'x' * 20)",
                paper.expected[last],
            )


def _shuffle(data: bytes, first: str, last: str) -> bytes:
    """Delete the first answer and the first test, and hand in the last answer twice."""
    nb = json.loads(data)
    gone = {first, f"check_{first}"}
    kept = [c for c in nb["cells"] if c["id"] not in gone]
    twice = copy.deepcopy(next(c for c in kept if c["id"] == last))
    nb["cells"] = [*kept, twice]
    return json.dumps(nb).encode()


def _slips(unit: Unit, pool: Executor) -> list[tuple[str, str, Grade]]:
    """Misconceptions of all functions in turn: (function, source, what the library gives)."""
    found = []
    for check, slip in _in_turn(list(unit.checks.values())):
        try:
            source = cell(slip.function, check.name, check.reference)
        except (ValueError, OSError):
            continue
        index = check.misconceptions.index(slip)
        tasks = [(checks.UNITS[unit.name], check.name, index, seed) for seed in ("one", "two")]
        found.append((check.name, source, [pool.submit(_library, *task) for task in tasks]))
    # Points that depend on the seed are no fair expectation.
    graded = [(name, source, {f.result() for f in futures}) for name, source, futures in found]
    return [(name, source, grades.pop()) for name, source, grades in graded if len(grades) == 1]


def _library(module: str, function: str, index: int, seed: str) -> Grade:
    """What the library's own check gives to a misconception, in this process."""
    import importlib

    check: Check = importlib.import_module(module).unit.checks[function]
    report = check.run(check.misconceptions[index].function, seed)
    return report.earned, report.word


def _in_turn(group: list[Check]) -> Iterator[tuple[Check, Misconception]]:
    for i in range(max(len(check.misconceptions) for check in group)):
        for check in group:
            if i < len(check.misconceptions):
                yield check, check.misconceptions[i]
