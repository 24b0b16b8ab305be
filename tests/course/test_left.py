"""What only a person can write is written: no "Write here:" of a new unit's skeleton is left."""

import re
import sys
from pathlib import Path

import pytest

from dgm_lib import checks, lab
from tests.course.notebooks import ROOT, UNITS, lecture, must, read, solution
from tests.course.skeleton import MARK

pytestmark = pytest.mark.parametrize("unit", UNITS)


def test_nothing_is_left_to_write(unit):
    left = []
    for path in (lecture(unit), solution(unit)):
        for cell in read(path).cells:
            left += [f"{place(path)}, cell {cell.id}: {told}" for told in marked(cell.source)]
    for path in sources(unit):
        left += [f"{place(path)}: {told}" for told in marked(path.read_text())]
    readme = [
        row for row in (ROOT / "README.md").read_text().split("\n") if f"/{unit}.ipynb" in row
    ]
    left += [f"README.md, the row of {unit}: {told}" for told in marked("\n".join(readme))]
    must(not left, f"{unit} has {len(left)} places to write:\n  " + "\n  ".join(left))


def test_the_start_page_says_what_it_is_about_and_how_long_it_takes(unit):
    (entry,) = [entry for entry in lab.entries(ROOT) if entry.unit == unit]
    assert entry.about, f"README.md says nothing about {unit}"
    assert entry.points == {name: c.points for name, c in checks.load(unit).checks.items()}
    must(
        20 <= entry.reading <= 120,
        f"lectures/{unit}: its first cell says {entry.reading} minutes; want 20 to 120.",
    )
    must(
        30 <= entry.writing <= 240,
        f"solutions/{unit}: the minutes of its functions add up to {entry.writing}; want 30 to 240.",
    )


def sources(unit: str) -> list[Path]:
    """The unit's checks, and the packages that hold its functions."""
    group = checks.load(unit).checks.values()
    modules = {checks.UNITS[unit], *(check.reference.__module__ for check in group)}
    files = {Path(sys.modules[name].__file__) for name in modules}
    packages = {path.parent for path in files} - {ROOT / "dgm_lib" / "checks"}
    return sorted(files.union(*(package.glob("*.py") for package in packages)))


def marked(text: str) -> list[str]:
    """What is to be written, up to the end of the line, of the cell of a table, or of the emphasis."""
    return re.findall(rf"{MARK} [^*|\n]+", text)


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
