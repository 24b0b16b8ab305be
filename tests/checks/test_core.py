"""A check gives points per property, names misconceptions, and depends on nothing but the seed."""

import json

import pytest
import torch

from dgm_lib.checks import Draw, Report, Unit, expect


def mean_square(x):
    return (x**2).mean(-1)


@pytest.fixture
def unit():
    unit = Unit("99_test")
    check = unit.graded(mean_square)

    @check.property("right values", points=3, hint="square first, then average over the last axis")
    def _(call, draw):
        x = draw.normal(5, 4)
        expect.close("result", call(x), (x * x).sum(-1) / 4)

    @check.property("one <number> for each row", points=1, hint="look at `dim`")
    def _(call, draw):
        expect.tensor("result", call(draw.normal(3, 2)), (3,))

    @check.property("gradient", points=1, hint="no detach")
    def _(call, draw):
        x = draw.normal(3, 2)
        expect.close("gradient", call.gradient(x, wrt=(0,))[0], x)

    @check.misconception("sum for mean", "Divide by the number of entries: it is a mean.")
    def _(x):
        return (x**2).sum(-1)

    @check.misconception("square of the mean", "Square first: the mean of squares is asked for.")
    def _(x):
        return x.mean(-1) ** 2

    return unit


def test_full_marks(unit):
    report = unit.check(mean_square)
    assert (report.earned, report.points, report.state) == (5, 5, "full")
    assert "All properties hold" in str(report)


def test_partial_credit(unit):
    def mean_square(x):
        return (x**2).mean(-1) + 0.5

    report = unit.check(mean_square)
    assert report.earned == 2
    assert report.state == "partial"
    assert report.misconception == ""
    assert "right shape, wrong values" in str(report)
    assert "hint: square first" in str(report)


@pytest.mark.parametrize("slip", [0, 1])
@pytest.mark.parametrize("seed", [0, 7, "secret"])
def test_misconceptions_are_named(unit, slip, seed):
    check = unit.checks["mean_square"]
    report = check.run(check.misconceptions[slip].function, seed)
    assert report.word == check.misconceptions[slip].name
    assert check.misconceptions[slip].advice in str(report)


def test_own_mistakes_get_no_false_diagnosis(unit):
    check = unit.checks["mean_square"]
    for wrong in (lambda x: x.sum(-1), lambda x: (x**2).sum(), lambda x: 1 / 0, lambda x: None):
        report = check.run(wrong)
        assert report.misconception == ""
        assert report.state != "full"


def test_seed_decides_the_inputs(unit):
    seen = []

    def spy(x):
        seen.append(x.clone())
        return mean_square(x)

    check = unit.checks["mean_square"]
    for seed in (1, 1, 2):
        check.run(spy, seed)
    third = len(seen) // 3
    first, again, other = seen[:third], seen[third : 2 * third], seen[2 * third :]
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not any((a == b).any() for a, b in zip(first, other, strict=True))


def test_wrong_use_is_told(unit, unchecked):
    with pytest.raises(ValueError, match="want one of mean_square"):
        unit.check(max)
    with pytest.raises(ValueError, match="without calling it"):
        unit.check(3.0)


def test_report_survives_json_and_escapes_html(unit):
    def mean_square(x):
        raise RuntimeError("<script>alert(1)</script>")

    report = unit.check(mean_square)
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert "<script>" not in report.html()
    assert "&lt;number&gt;" in report.html()
    assert report._repr_mimebundle_()["text/plain"] == str(report)


def test_report_in_a_kernel_is_its_points(unit, monkeypatch):
    monkeypatch.setattr("dgm_lib.checks.report.in_kernel", lambda: True)
    assert unit.check(mean_square)._repr_mimebundle_()["text/plain"] == "5"


def test_draws_are_independent_streams():
    assert (Draw(0, "a").normal(4) != Draw(0, "b").normal(4)).all()
    draw = Draw(3)
    assert (draw.normal(4) != draw.normal(4)).all()
    assert set(draw.bernoulli(200).tolist()) == {0.0, 1.0}
    assert {draw.integer(2, 4) for _ in range(60)} == {2, 3, 4}
    assert set(draw.integers(200, low=-1, high=1).tolist()) == {-1, 0, 1}
    inside = draw.uniform(100, low=2.0, high=3.0, dtype=torch.float64)
    assert inside.dtype == torch.float64
    assert ((inside >= 2) & (inside < 3)).all()
