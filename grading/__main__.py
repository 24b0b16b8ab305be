"""The instructor's verbs: autograde, report, doctor, release, demo.

`python -m grading VERB --help` says more. Exit status: 0 if all is well, 2 if the request makes no
sense, 3 if some submissions need attention; doctor gives 1 if something is missing.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grading.course import Course

_JOBS = "processes that grade at once (default: one per core)"
_TRUST = "run students' code with your own rights; only for code that you trust"
_LOUD = (
    "WARNING: NO SANDBOX. Students' code runs with your rights: it can read and change your files, "
    "reach the network, and leave processes behind."
)


def main(argv: list[str] | None = None) -> int:
    """Run one verb, and say how it went."""
    parser = argparse.ArgumentParser(
        prog="python -m grading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    verb = verbs.add_parser("autograde", help="grade a unit's submissions, in parallel")
    verb.add_argument("unit", help="for example 04_boltzmann")
    verb.add_argument("--student", nargs="+", action="extend", metavar="ID", help="only these")
    where = verb.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_number, help=_JOBS)
    where.add_argument(
        "--scheduler", metavar="ADDRESS", help="grade on this Dask cluster: tcp://host:8786"
    )
    verb.add_argument("--force", action="store_true", help="grade again what was graded before")
    verb.add_argument("--no-sandbox", action="store_true", help=_TRUST)
    verb.set_defaults(run=_autograde)

    verb = verbs.add_parser("report", help="what a class got right and wrong, question by question")
    verb.add_argument("unit", help="a unit that was graded")
    verb.set_defaults(run=_report)

    verb = verbs.add_parser("doctor", help="can this machine grade, and safely?")
    verb.set_defaults(run=_doctor)

    verb = verbs.add_parser("release", help="generate exercises/ from solutions/")
    verb.add_argument("unit", nargs="*", help="default: all")
    verb.set_defaults(run=_release)

    verb = verbs.add_parser("demo", help="grade a class of made-up students")
    verb.add_argument("--folder", type=Path, default=Course().folder / "demo")
    verb.add_argument("--jobs", type=_number, help=_JOBS)
    verb.add_argument("--no-sandbox", action="store_true", help=_TRUST)
    verb.set_defaults(run=_demo)

    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (ValueError, RuntimeError) as error:
        print(f"python -m grading: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. What was graded is kept; run it again to go on.", file=sys.stderr)
        return 130


def _autograde(args: argparse.Namespace) -> int:
    from grading import driver, report
    from grading.hygiene import line

    course = Course()
    if args.no_sandbox:
        print(_LOUD, file=sys.stderr)
    with _pool(args) as pool:
        graded = driver.autograde(
            course,
            [args.unit],
            args.student,
            pool=pool,
            force=args.force,
            sandbox=not args.no_sandbox,
            ahead=2 * pool.width + 8,
        )
    rows = report.rows(course, graded)
    if rows:
        print(report.table(rows, shutil.get_terminal_size((160, 24)).columns))
    noted = {s: v.notes for (_, s), v in sorted(graded.items()) if v.notes}
    _say("Out of the ordinary", (f"{s}: {line(' '.join(notes))}" for s, notes in noted.items()))
    _say("Written", report.save(course, rows))
    troubles = sorted(graded.attention.items())
    _say("Needs attention", (f"{line(student)}: {line(why)}" for (_, student), why in troubles))
    free = sum(not v.sandboxed for v in graded.values())
    if free:
        print(f"\n{free} graded without the sandbox.\n{_LOUD}", file=sys.stderr)
    return 3 if troubles else 0


def _pool(args: argparse.Namespace) -> Any:
    if args.scheduler:
        from grading.cluster import Cluster

        return Cluster(args.scheduler)
    from grading.workers import Workers

    return Workers(args.jobs)


def _say(title: str, lines: Iterable[str]) -> None:
    if lines := list(lines):
        print(f"\n{title}:", *lines, sep="\n  ")


def _report(args: argparse.Namespace) -> int:
    from grading import insights

    course = Course()
    found = insights.collect(course, args.unit)
    print(insights.table(found))
    _say("Written", insights.save(course, found))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from grading import doctor

    found = list(doctor.findings(Course()))
    print(doctor.table(found))
    if all(f.ok for f in found):
        print("\nThis machine can grade, and safely.")
        return 0
    print("\nThis machine cannot grade safely yet: see each ✗ above.")
    return 1


def _release(args: argparse.Namespace) -> int:
    from grading.release import release

    course = Course()
    for unit in args.unit or course.units():
        release(course, unit)
        print(course.release(unit).relative_to(course.root))
    return 0


def _demo(args: argparse.Namespace) -> int:
    from grading.demo import main

    if args.no_sandbox:
        print(_LOUD, file=sys.stderr)
    return main(args.folder, args.jobs, sandbox=not args.no_sandbox)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; want a whole number from 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
