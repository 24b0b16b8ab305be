"""A class of made-up students, graded with nbgrader, and compared with what they deserve."""

import shutil
import time
from itertools import product
from pathlib import Path

from grading import driver, report, students
from grading.course import ROOT, Course
from grading.limits import Limits
from grading.report import Row
from grading.results import write

UNITS = ("04_boltzmann", "08_variational", "10_coupling_flows")
LIMITS = Limits(call_seconds=3, cell_seconds=8)
"""Tight, for the infinite loops' sake: a check's call takes milliseconds."""

_MARK = "This class is made up: python -m grading demo deletes and rebuilds this folder.\n"
_CONFIG = '''"""nbgrader's settings for the demo class."""

import sys
from pathlib import Path

sys.path.append({package!r})  # nbgrader looks in this class first, where grading/ is no package

from grading.course import Course

c = get_config()
c.merge(Course(Path({root!r})).config())
'''


def main(
    folder: Path,
    jobs: int | None = None,
    source: Course | None = None,
    units: tuple[str, ...] = UNITS,
    *,
    sandbox: bool = True,
) -> int:
    """Build, grade and compare; the exit status is 0 if every grade is as it should be.

    Args:
        folder: where the class is built; it must be new, or an earlier demo.
        source: the course whose exercises are taken.
        units: which of them; by default three, so that the demo stays short as the course grows.

    Raises:
        ValueError: if the folder holds something else.
    """
    started = time.monotonic()
    source, course = source or Course(), Course(folder.resolve())
    _clear(course.root)
    with driver.executor(jobs) as pool:
        for part, unit in product(("solutions", "exercises"), units):
            shutil.copytree(source.root / part / unit, course.root / part / unit)
        papers = students.enrol(course, pool)
        _hand_in(course, papers)
        count = f"{len(papers)} students, {len(course.units())} units"
        print(f"A class of {count}, in {course.folder}")
        verdicts = driver.autograde(
            course, course.units(), pool=pool, limits=LIMITS, sandbox=sandbox
        )
        driver.feedback(course, verdicts, pool=pool)
    rows = report.rows(course, verdicts)
    print("\n" + report.table(rows) + "\n")
    questions, grades = report.save(course, rows)
    print(f"questions  {questions}\ngrades     {grades}")
    print(f"feedback   {course.folder / 'feedback'}/STUDENT/UNIT/UNIT.html")
    differences = compare(course, papers, rows, Path(grades))
    seconds = time.monotonic() - started
    if differences:
        print(f"\n{len(differences)} DIFFERENCES from what was expected:", *differences, sep="\n  ")
        return 1
    print(f"\nAll {len(rows)} grades and words are as expected ({seconds:.0f} s).")
    return 0


def compare(
    course: Course, papers: dict[str, dict[str, students.Paper]], rows: list[Row], grades: Path
) -> list[str]:
    """Every way in which the outcome differs from what the students deserve."""
    wanted = {
        (student, unit, function): grade
        for student, mine in papers.items()
        for unit, paper in mine.items()
        for function, grade in paper.expected.items()
    }
    came = {(row.student, row.unit, row.function): (row.earned, row.word) for row in rows}
    found = [
        f"{' '.join(name)}: got {came.get(name)}; want {wanted.get(name)}"
        for name in sorted(wanted.keys() | came.keys())
        if came.get(name) != wanted.get(name)
    ]
    sums = report.totals(grades)
    for student, mine in papers.items():
        for unit, paper in mine.items():
            total = sum(points for points, _ in paper.expected.values())
            if sums.get((student, unit)) != total:
                found.append(
                    f"{student} {unit}: grades.csv says {sums.get((student, unit))}; want {total}"
                )
            html = course.feedback(unit, student)
            text = html.read_text() if html.is_file() else ""
            found += [
                f"{student} {unit}: the feedback does not say “{function}: {points:g} of …”"
                for function, (points, _) in paper.expected.items()
                if f"{function}: {points:g} of {paper.unit.checks[function].points:g} points"
                not in text
            ]
    return found


def _clear(root: Path) -> None:
    mark = root / "DEMO"
    if root.exists() and any(root.iterdir()) and not mark.is_file():
        raise ValueError(f"folder: got {root}, which holds other things; want a new one")
    shutil.rmtree(root, ignore_errors=True)
    (root / "grading").mkdir(parents=True)
    mark.write_text(_MARK)
    (root / "grading" / "nbgrader_config.py").write_text(
        _CONFIG.format(root=str(root), package=str(ROOT))
    )


def _hand_in(course: Course, papers: dict[str, dict[str, students.Paper]]) -> None:
    for unit in course.units():  # the same inputs on every run; a real class's seed is secret
        write(course.results / unit / "seed", "demo")
    for student, mine in papers.items():
        for unit, paper in mine.items():
            folder = course.submitted(unit, student)
            folder.mkdir(parents=True)
            if (data := paper.file()) is not None:
                (folder / f"{unit}.ipynb").write_bytes(data)
