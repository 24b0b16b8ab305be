"""What each kind of submission deserves, and gets."""

import dataclasses
import json
import pickle

import nbformat
import pytest

from grading.limits import Limits
from grading.sandbox import Unavailable
from grading.submission import read
from grading.verdict import Verdict, grade
from grading.zygote import Gone, Zygote, close_shared
from tests.grading.conftest import POINTS, RIGHT, answers

FULL = {name: (points, "full") for name, points in POINTS.items()}
LOOP = "while True:\n    pass"


def grades(verdict: Verdict) -> dict[str, tuple[float, str]]:
    return {name: (r.earned, verdict.word_of(name)) for name, r in verdict.reports.items()}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, {}),
        ({"double": "def double(x):\n    return x * x"}, {"double": (1, "squares")}),
        (
            {
                "square_sum": "def square_sum(x, scale=1.0):\n    return scale * (x.detach() ** 2).sum(-1)"
            },
            {"square_sum": (2, "cuts the gradient")},
        ),
        ({"double": "def double(x):\n    return (2 * x).float()"}, {"double": (3, "partial")}),
        (
            {"double": "def double(x):\n    raise NotImplementedError"},
            {"double": (0, "not written")},
        ),
        ({"double": "def double(x):\n    return 2 * y"}, {"double": (0, "error")}),
        ({"double": "def double(x) return"}, {"double": (0, "error")}),
        ({"double": LOOP}, {"double": (0, "timeout")}),
        ({"double": "import os\nos._exit(1)"}, {"double": (0, "died")}),
        ({"double": "def double(x):\n    import os\n    os.abort()"}, {"double": (0, "died")}),
        ({"double": "def double(x):\n    return 'two x'"}, {"double": (0, "wrong")}),
    ],
)
def test_each_kind_of_answer(job, changed, expected):
    verdict = grade(job(**changed))
    assert grades(verdict) == {**FULL, **expected}
    assert verdict.earned == sum(points for points, _ in grades(verdict).values())


def test_blank(job, blank):
    verdict = grade(job(blank))
    assert grades(verdict) == dict.fromkeys(POINTS, (0, "not written"))
    assert verdict.points == sum(POINTS.values())


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"\xff\xfe\0", b"[]", b"null", b'{"cells": 3}', b'{"nbformat": 99}'),
        *(b"[" * 100_000, answers()[:900]),
    ],
)
def test_a_corrupt_file_gets_zero_and_a_reason(job, data):
    verdict = grade(job(data))
    assert grades(verdict) == dict.fromkeys(POINTS, (0, "corrupt file"))
    assert "not a readable notebook" in verdict.reason
    assert "not a readable notebook" in verdict.reports["double"].html()


def test_no_file_gets_zero_and_a_reason(job):
    verdict = grade(dataclasses.replace(job(), submission=None))
    assert grades(verdict) == dict.fromkeys(POINTS, (0, "no notebook"))


def test_a_missing_cell_costs_its_function_only(job):
    nb = json.loads(answers())
    nb["cells"] = [c for c in nb["cells"] if c["id"] not in ("double", "check_apply")]
    verdict = grade(job(json.dumps(nb).encode()))
    assert grades(verdict) == {**FULL, "double": (0, "error")}
    assert verdict.notes == [
        "These cells were missing; their functions are not defined: `double`.",
        "1 given cell was deleted; the release's are used.",
    ]


def test_only_the_cells_marked_as_the_student_s_are_run(job):
    """A helper in a cell of its own is not there; the right place is beside the function."""
    nb = json.loads(answers(double="def double(x):\n    return twice(x)"))
    own = {"cell_type": "code", "id": "own", "metadata": {}, "outputs": [], "execution_count": 1}
    own["source"] = "def twice(x):\n    return 2 * x"
    verdict = grade(job(json.dumps({**nb, "cells": [own, *nb["cells"]]}).encode()))
    assert grades(verdict) == {**FULL, "double": (0, "error")}
    assert "NameError: name 'twice' is not defined" in str(verdict.reports["double"])
    assert verdict.notes == [
        "1 cell of your own was not run: only the cells marked as yours are graded; put helper "
        "functions into them."
    ]
    beside = own["source"] + "\n\n" + "def double(x):\n    return twice(x)"
    assert grades(grade(job(double=beside))) == FULL


def test_what_was_said_when_the_file_was_looked_for_is_kept(job):
    verdict = grade(dataclasses.replace(job(), notes=("Another name.",)))
    assert verdict.notes == ["Another name."]
    verdict = grade(dataclasses.replace(job(), submission=None, notes=("it is a link",)))
    assert (verdict.word, verdict.reason) == ("no notebook", "it is a link")


def test_messages_hold_no_control_characters(job):
    evil = "def double(x):\n    raise ValueError('\\x1b[31m<script>\\x07')"
    verdict = grade(job(double=evil))
    message = verdict.reports["double"].outcomes[0].message
    assert "ValueError: <script>" in message
    assert "<script>" not in verdict.reports["double"].html()


def test_the_release_says_what_is_a_test_and_what_a_demo(job, blank):
    nb = json.loads(answers())
    for cell in nb["cells"]:
        cell["metadata"]["tags"] = ["demo"] if cell["id"] != "see_double" else []
        if cell["id"].startswith("check_"):
            cell["source"] = "print('mine')"
            cell["metadata"]["nbgrader"]["points"] = 1000
    data = json.dumps(nb).encode()
    verdict = grade(job(data))
    assert grades(verdict) == FULL
    assert "see_double" not in verdict.outputs
    cells = {c.id: c for c in read(data, blank).nb.cells}
    assert cells["check_double"].source == "check(double)"
    assert cells["check_double"].metadata.nbgrader.points == POINTS["double"]


def test_warnings_on_stderr_keep_all_points(job):
    loud = "import sys, warnings\ndef double(x):\n    warnings.warn('careful')\n    print('hm', file=sys.stderr)\n    return 2 * x\nprint('defined', file=sys.stderr)"
    verdict = grade(job(double=loud))
    assert grades(verdict) == FULL
    assert verdict.reports["double"].notes == ["UserWarning: careful", "hm"]
    assert verdict.outputs["double"][0]["name"] == "stderr"


def test_outputs_are_kept_in_order_and_valid(job):
    source = RIGHT["double"] + (
        "\nimport matplotlib.pyplot as plt\nprint('a')\ndisplay('b')\nplt.plot([1, 2])\nplt.show()\n"
        "print('c')\n1 + 1"
    )
    outputs = grade(job(double=source)).outputs["double"]
    kinds = [o["output_type"] for o in outputs]
    assert kinds == ["stream", "display_data", "display_data", "stream", "execute_result"]
    assert "image/png" in outputs[2]["data"]
    assert outputs[4]["data"]["text/plain"] == "2"
    for output in outputs:
        nbformat.validate(output, ref="output", version=4, version_minor=5)


def test_a_flood_of_output_is_cut(job):
    flood = RIGHT["double"] + "\nfor i in range(300):\n    print('x' * 10_000)"
    verdict = grade(job(double=flood))
    assert grades(verdict) == FULL
    text = "".join(o["text"] for o in verdict.outputs["double"])
    assert len(text) < Limits().output_bytes + 100
    assert text.endswith("… the rest of the output was cut …\n")


def test_html_of_the_student_s_does_not_reach_the_instructor(job):
    source = RIGHT["double"] + "\nfrom IPython.display import HTML\nHTML('<script>1</script>')"
    source += "\nfrom IPython.display import Latex, SVG, Javascript, Markdown\n"
    source += "display(Latex('$x$'), SVG('<svg/>'), Javascript('1'), Markdown('*x*'))"
    outputs = grade(job(double=source)).outputs["double"]
    assert {mime for output in outputs for mime in output["data"]} == {"text/plain"}


def test_a_verdict_is_a_pure_function_of_its_job(job):
    source = "import torch\ndef double(x):\n    return 2 * x + (torch.rand(()) > 0.5)"
    first, again = grade(job(double=source)), grade(pickle.loads(pickle.dumps(job(double=source))))
    assert dataclasses.replace(first, seconds=0) == dataclasses.replace(again, seconds=0)
    assert Verdict.from_json(first.to_json()) == first


def test_the_seed_changes_the_inputs(job):
    wrong = "seen = []\ndef double(x):\n    return x * 0"
    one = grade(job(double=wrong))
    two = grade(dataclasses.replace(job(double=wrong), seed="other"))
    assert one.reports["double"].outcomes[0].message != two.reports["double"].outcomes[0].message


def test_a_fault_of_the_grader_is_no_verdict(job, monkeypatch):
    """What keeps functions from being called at all costs nobody a point."""

    def fail(self, limits, seed):
        raise Gone("no zygote today")

    monkeypatch.setattr(Zygote, "start", fail)
    with pytest.raises(Gone):
        grade(job())
    monkeypatch.setattr("grading.sandbox.shutil.which", lambda _: None)
    close_shared()
    with pytest.raises(Unavailable):
        grade(job())
