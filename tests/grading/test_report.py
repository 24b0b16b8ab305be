"""What a class got right and wrong: counts, a table, a CSV file and a page that loads nothing."""

import csv
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from dgm_lib.checks.report import Outcome, Report
from grading import __main__, insights, page, results
from grading.course import Course
from grading.insights import Question, Slip, Statistics
from grading.verdict import Verdict
from tests.grading.conftest import UNIT, answers, hand_in, make_course

FULL = {"double": "full", "square_sum": "full", "apply": "full"}
CLASS = {
    **{f"good{i}": FULL for i in range(4)},
    "anna": {**FULL, "double": "squares"},
    "bert": {**FULL, "double": "squares", "apply": "error"},
    "cora": {**FULL, "double": "forgets the sign", "square_sum": "timeout"},
    "dirk": {**FULL, "apply": "died", "square_sum": "not written"},
    "none": {},
}
ADVICE = {"squares": "You multiplied x by itself.", "forgets the sign": "You took |x|."}


def report(name: str, word: str) -> Report:
    passed = [True, True] if word == "full" else [word in ADVICE, False]
    outcomes = [
        Outcome("first", 1, passed[0]),
        Outcome("second", 2, passed[1], "" if passed[1] else f"<i>got</i> {word}"),
    ]
    state = "partial" if word in ADVICE else word
    more = (word, ADVICE[word]) if word in ADVICE else ()
    return Report(name, outcomes, state, *more)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    course = make_course(tmp_path_factory.mktemp("class"))
    for student, words in CLASS.items():
        hand_in(course, student, answers() if words else None)
        reports = {name: report(name, word) for name, word in (words or FULL).items()}
        verdict = Verdict(UNIT, reports, {}, *(() if words else ("no notebook", "none came")))
        results.save(course, student, results.job(course, UNIT, student), verdict)
    return course


@pytest.fixture(scope="module")
def found(course: Course) -> Statistics:
    return insights.collect(course, UNIT)


def test_counts(found):
    double, square_sum, apply = found.questions
    assert double.states == {**zero(), "full": 5, "partial": 3}
    assert square_sum.states == {**zero(), "full": 6, "stopped": 1, "not written": 1}
    assert apply.states == {**zero(), "full": 6, "error": 1, "stopped": 1}
    assert double.mean == (5 * 3 + 3 * 1) / 8
    assert found.totals == [3, 4, 4, 7, 9, 9, 9, 9]
    assert found.unreadable == {"no notebook": 1}
    assert double.missed == {"second": 3}
    assert square_sum.missed == {}, "a function that gave nothing says nothing on a property"


def zero() -> dict[str, int]:
    return dict.fromkeys(insights.STATES, 0)


def test_misconceptions_have_counts_advice_and_an_example_without_a_name(found):
    squares, sign = found.questions[0].slips
    assert (squares.name, squares.count) == ("squares", 2)
    assert squares.advice == "You multiplied x by itself."
    assert squares.example == "<i>got</i> squares"
    assert (sign.name, sign.count) == ("forgets the sign", 1)


def test_discrimination_is_the_correlation_with_the_rest(found):
    double = [3, 3, 3, 3, 1, 1, 1, 3]
    rest = [6, 6, 6, 6, 6, 3, 3, 0]
    mean = [sum(v) / 8 for v in (double, rest)]
    a, b = ([x - m for x in v] for v, m in zip((double, rest), mean, strict=True))
    want = sum(x * y for x, y in zip(a, b, strict=True))
    want /= (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
    assert found.questions[0].discrimination == pytest.approx(want)


def test_the_command_prints_and_writes(course, capsys, monkeypatch):
    monkeypatch.setattr(__main__, "Course", lambda: course)
    assert __main__.main(["report", UNIT]) == 0
    said = capsys.readouterr().out
    assert "8 notebooks graded. Mean 6.8 and median 8 of 10 points." in said
    assert "Not counted: 1 × no notebook." in said
    assert re.search(r"double +2\.2 / 3 +5 +3 +· +· +· +· ", said)
    assert "   2 × double: squares. You multiplied x by itself." in said
    assert "out of date" not in said
    text = (course.results / UNIT / "report.csv").read_text()
    lines = list(csv.DictReader(io.StringIO(text)))
    assert {k: v for k, v in lines[1].items() if v} == {
        "question": "double",
        "kind": "misconception",
        "name": "squares",
        "count": "2",
    }
    assert (course.results / UNIT / "report.html").is_file()


def test_an_older_submission_s_verdict_is_counted_and_said(tmp_path, course):
    other = make_course(tmp_path)
    hand_in(other, "anna", answers())
    verdict = Verdict(UNIT, {name: report(name, "full") for name in FULL}, {})
    results.save(other, "anna", results.job(other, UNIT, "anna"), verdict)
    hand_in(other, "anna", answers(double="def double(x):\n    return x"))
    (other.results / UNIT / "bob.json").write_text("{damaged")
    found = insights.collect(other, UNIT)
    assert (len(found.totals), found.outdated) == (1, 1)
    assert "1 verdicts are out of date" in insights.table(found)
    assert found.questions[0].discrimination is None
    page.html(found)


def test_nobody_s_name_is_in_it(course, found):
    for text in (insights.table(found), insights.to_csv(found), page.html(found)):
        assert not any(student in text for student in CLASS if student != "none")


class Reader(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_the_page_loads_nothing_runs_nothing_and_can_be_read_aloud(found):
    text = page.html(found)
    tags = Reader(text).tags
    names = {tag for tag, _ in tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "i"}
    assert not any(key in ("src", "href") or key.startswith("on") for _, a in tags for key in a)
    assert "default-src 'none'" in text
    drawings = [a for tag, a in tags if tag == "svg"]
    assert len(drawings) == 2
    assert all(a["role"] == "img" for a in drawings)
    assert "double: 5 full, 3 partial, mean 2.2 / 3 points" in drawings[0]["aria-label"]
    assert "4 with 9" in drawings[1]["aria-label"]
    assert "prefers-color-scheme: dark" in text
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ElementTree.fromstring(svg)  # well-formed
    assert "&lt;i&gt;got&lt;/i&gt; squares" in text


def test_numbers_on_bars_can_be_read():
    """Contrast of at least 4.5 between each bar's colour and the number on it (WCAG AA)."""
    for colour, ink in page._STATES.values():
        light, dark = sorted((luminance(colour), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (colour, ink)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("points", [0.5, 10, 300])
def test_extremes_are_drawn(points):
    many = [Slip("a", 3, "<b>", ""), Slip("b" * 80, 1, "", "x")]
    states = {**zero(), "wrong": 1000}
    question = Question("q" * 40, points, 0.0, states, None, many, {"all": 1000})
    nothing = Question("r", points, 0.0, {**zero(), "not written": 1000}, -1.0)
    text = page.html(Statistics("u", points, [0.0] * 1000, {}, 0, [question, nothing]))
    for svg in re.findall(r"<svg.*?</svg>", text, re.S):
        ElementTree.fromstring(svg)
    assert "<b></p>" not in text
    page.html(Statistics("u", points, [], {"corrupt file": 2}, 0, []))


def test_csv_is_no_formula(found):
    rows = list(csv.reader(io.StringIO(insights.to_csv(found))))
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
