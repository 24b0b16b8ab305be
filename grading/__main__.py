"""The instructor's verbs: `python -m grading autograde UNIT`, `release`, `demo`."""

import argparse
import shutil
import sys
from pathlib import Path

from grading.course import Course


def main(argv: list[str] | None = None) -> int:
    """Run one verb; the exit status is 0 if all is well."""
    parser = argparse.ArgumentParser(prog="python -m grading", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("autograde", help="grade a unit's submissions, in parallel")
    verb.add_argument("unit", help="for example 04_boltzmann")
    verb.add_argument("--student", action="append", help="only this one; may be repeated")
    verb.add_argument("--jobs", type=int, help="processes that grade at once (default: the cores)")
    verb.add_argument("--force", action="store_true", help="grade again what was graded before")
    verb.set_defaults(run=_autograde)

    verb = verbs.add_parser("release", help="generate exercises/ from solutions/")
    verb.add_argument("unit", nargs="*", help="default: all")
    verb.set_defaults(run=_release)

    verb = verbs.add_parser("demo", help="grade a class of made-up students")
    verb.add_argument("--folder", type=Path, default=Course().folder / "demo")
    verb.add_argument("--jobs", type=int, help="processes that grade at once (default: the cores)")
    verb.set_defaults(run=_demo)

    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, RuntimeError) as error:
        print(f"python -m grading: {error}", file=sys.stderr)
        return 2


def _autograde(args: argparse.Namespace) -> int:
    from grading import driver, report

    course = Course()
    with driver.executor(args.jobs) as pool:
        verdicts = driver.autograde(course, [args.unit], args.student, pool=pool, force=args.force)
    rows = report.rows(course, verdicts)
    print(report.table(rows, shutil.get_terminal_size((160, 24)).columns))
    print("\nwritten:", *report.save(course, rows), sep="\n  ")
    return 0


def _release(args: argparse.Namespace) -> int:
    from grading.release import release

    course = Course()
    for unit in args.unit or course.units():
        release(course, unit)
        print(course.release(unit).relative_to(course.root))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from grading.demo import main

    return main(args.folder, args.jobs)


if __name__ == "__main__":
    sys.exit(main())
