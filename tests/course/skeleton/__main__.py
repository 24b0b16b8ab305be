"""python -m tests.course.skeleton NAME: what `make unit NAME=16_something` does."""

import sys
from pathlib import Path

from tests.course.skeleton import Unfit, write

ROOT = Path(__file__).resolve().parents[3]
NEXT = """
One function, laplace_log_prob, is done from end to end, so that each file shows how it is meant.
Where you must write, the files say "Write here:". In this order it goes well:

  1. the functions, in dgm_lib/{package}/, and what the package is, in its __init__.py
     (or in a package that is there already; then take the new one away, and mend the imports)
  2. their tests, in tests/{package}/
  3. their checks, in dgm_lib/checks/{package}.py
  4. the exercise, in {solution}, then: make exercises
  5. the lecture, in {lecture}, then: make lectures LECTURE={unit}
  6. the unit's row in README.md

What is left, in sentences, at any time (half a minute):

  .venv/bin/python -m pytest -q -rN tests/course -k {unit}

When that is green: make format, make test. CONTRIBUTING.md says the rest, on a page."""


def main(unit: str) -> int:
    try:
        new, lined = write(ROOT, unit)
    except Unfit as problem:
        print(f"{problem}\nNothing was written.", file=sys.stderr)
        return 2
    print("New:", *new, sep="\n  ")
    print("With a new line:", *lined, sep="\n  ")
    solution, lecture = (path for path in new if path.startswith(("solutions", "lectures")))
    package = unit.split("_", 1)[1]
    print(NEXT.format(unit=unit, package=package, solution=solution, lecture=lecture))
    return 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
