"""What a class got right and wrong, question by question: what to know before the next lecture.

Made of the verdicts that are kept in `results/UNIT/`, whatever the gradebook says by now. Nobody's
name is in it.
"""

import csv
import io
import json
from collections import Counter
from dataclasses import dataclass, field
from statistics import StatisticsError, correlation, fmean, median

from dgm_lib import checks
from grading import page, results
from grading.course import Course
from grading.hygiene import line
from grading.verdict import Verdict

STATES = ("full", "partial", "wrong", "not written", "error", "stopped")
"""What can become of a question; what took too long, or took its process down, was stopped."""

ANSWERED = ("full", "partial", "wrong")
"""The states of a function that ran, and gave something to look at."""


@dataclass
class Slip:
    """A misconception, and how often it was recognised."""

    name: str
    count: int
    advice: str
    example: str
    """What the check said to one of those who had it."""


@dataclass
class Question:
    """One graded function, over all readable notebooks."""

    function: str
    points: float
    mean: float
    """Points earned, on average."""
    states: dict[str, int]
    discrimination: float | None
    """How the points here go with the points elsewhere in the unit: a correlation; None if all
    have the same."""
    slips: list[Slip] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)
    """How many of those whose function ran missed which property."""


@dataclass
class Statistics:
    """A unit."""

    unit: str
    points: float
    totals: list[float]
    """The points of each readable notebook, in ascending order."""
    unreadable: dict[str, int]
    """How many could not be graded at all, by the reason in a word."""
    outdated: int
    """So many verdicts are on older submissions or checks."""
    questions: list[Question]

    @property
    def summary(self) -> list[str]:
        """The unit in a few sentences."""
        said = [f"{len(self.totals)} notebooks graded."]
        if self.totals:
            said.append(
                f"Mean {fmean(self.totals):.1f} and median {median(self.totals):g} of "
                f"{self.points:g} points."
            )
        said += [f"Not counted: {n} × {word}." for word, n in self.unreadable.items()]
        if self.outdated:
            said.append(
                f"{self.outdated} verdicts are out of date; run python -m grading autograde "
                f"{self.unit}."
            )
        return said


def collect(course: Course, unit: str) -> Statistics:
    """The statistics of a unit, from the kept verdicts.

    Raises:
        ValueError: for a unit without checks, release or verdicts.
    """
    results.ready(course, unit)
    verdicts, outdated = [], 0
    for path in sorted((course.results / unit).glob("*.json")):
        try:
            kept = json.loads(path.read_text())
            verdict = Verdict.from_json(kept["verdict"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        verdict.outputs = {}
        verdicts.append(verdict)
        outdated += kept["key"] != results.key(results.job(course, unit, path.stem))
    if not verdicts:
        raise ValueError(
            f"unit: got {unit!r}, which was not graded; run python -m grading autograde {unit}"
        )
    readable = [v for v in verdicts if not v.word]
    names = [n for n in checks.load(unit).checks if all(n in v.reports for v in readable)]
    return Statistics(
        unit,
        float(sum(check.points for check in checks.load(unit).checks.values())),
        sorted(float(v.earned) for v in readable),
        dict(Counter(v.word for v in verdicts if v.word)),
        outdated,
        [_question(name, readable) for name in names] if readable else [],
    )


def _question(name: str, verdicts: list[Verdict]) -> Question:
    reports = [v.reports[name] for v in verdicts]
    states = Counter("stopped" if r.state in ("timeout", "died") else r.state for r in reports)
    earned = [float(r.earned) for r in reports]
    rest = [float(v.earned) - e for v, e in zip(verdicts, earned, strict=True)]
    try:
        discrimination = correlation(earned, rest)
    except StatisticsError:  # all the same, or only one
        discrimination = None
    slips = []
    for slip, count in Counter(r.misconception for r in reports if r.misconception).most_common():
        one = next(r for r in reports if r.misconception == slip)
        said = next((o.message for o in one.outcomes if not o.passed and o.message), "")
        slips.append(Slip(slip, count, one.advice, line(said, 300)))
    answered = [r for r in reports if r.state in ANSWERED]
    missed = Counter(o.name for r in answered for o in r.outcomes if not o.passed)
    return Question(
        name,
        float(reports[0].points),
        fmean(earned),
        {state: states[state] for state in STATES},
        discrimination,
        slips,
        dict(missed.most_common()),
    )


def table(found: Statistics) -> str:
    """The statistics for the terminal."""
    width = max([len(q.function) for q in found.questions] + [8])
    head = f"{'question':<{width}}  {'mean':>10}" + "".join(f"{s:>13}" for s in STATES)
    lines = [" ".join(found.summary), "", head + f"{'discriminates':>15}"]
    for q in found.questions:
        counts = "".join(f"{q.states[state] or '·':>13}" for state in STATES)
        power = "·" if q.discrimination is None else f"{q.discrimination:.2f}"
        mean = f"{q.mean:.1f} / {q.points:g}"
        lines.append(f"{q.function:<{width}}  {mean:>10}{counts}{power:>15}")
    slips = [(q.function, s) for q in found.questions for s in q.slips]
    if slips:
        lines += ["", "Misconceptions seen:"]
        for function, slip in sorted(slips, key=lambda pair: -pair[1].count):
            lines.append(f"{slip.count:>4} × {function}: {slip.name}. {slip.advice}")
    return "\n".join(lines)


def to_csv(found: Statistics) -> str:
    """A line for each question, and one for each of its misconceptions and missed properties."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    states = [state.replace(" ", "_") for state in STATES]
    writer.writerow(
        ["question", "kind", "name", "count", "points", "mean", *states, "discrimination"]
    )
    for q in found.questions:
        power = "" if q.discrimination is None else round(q.discrimination, 3)
        counts = [q.states[state] for state in STATES]
        row = [q.function, "question", q.function, sum(counts), q.points, round(q.mean, 3)]
        writer.writerow([*row, *counts, power])
        for slip in q.slips:
            writer.writerow([q.function, "misconception", slip.name, slip.count])
        for name, count in q.missed.items():
            writer.writerow([q.function, "missed property", name, count])
    return text.getvalue()


def save(course: Course, found: Statistics) -> list[str]:
    """Write the table as CSV, and the page with the plots."""
    folder = course.results / found.unit
    results.write(folder / "report.csv", to_csv(found))
    results.write(folder / "report.html", page.html(found))
    return [str(folder / "report.csv"), str(folder / "report.html")]
