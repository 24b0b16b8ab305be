"""The reference tests themselves: the reference passes, and every misconception is caught.

Together the last two tests are the kill matrix: each known slip loses points, and the report
names that slip and no other.
"""

import json

import pytest

from dgm_lib import checks
from dgm_lib.checks import Report
from tests.course.notebooks import UNITS

CHECKS = [
    pytest.param(check, id=f"{unit}-{name}")
    for unit in UNITS
    for name, check in checks.load(unit).checks.items()
]
SLIPS = [
    pytest.param(check, slip, id=f"{unit}-{name}-{slip.name}".replace(" ", "_"))
    for unit in UNITS
    for name, check in checks.load(unit).checks.items()
    for slip in check.misconceptions
]
SEEDS = [0, 1, 2, 3, "a secret seed", 2**40]


@pytest.mark.parametrize("check", CHECKS)
def test_has_properties_points_hints_and_misconceptions(check):
    assert len(check.properties) >= 3
    assert len(check.misconceptions) >= 3
    assert len({p.name for p in check.properties}) == len(check.properties)
    assert len({m.name for m in check.misconceptions}) == len(check.misconceptions)
    for p in check.properties:
        assert p.points > 0
        assert len(p.hint) > 20, p.name
    for m in check.misconceptions:
        assert len(m.advice) > 30, m.name


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("check", CHECKS)
def test_reference_earns_every_point(check, seed):
    report = check.run(check.reference, seed)
    assert report.state == "full", str(report)
    assert report.notes == []


@pytest.mark.parametrize(("check", "slip"), SLIPS)
def test_misconception_loses_points_and_is_named(check, slip):
    for seed in SEEDS:
        report = check.run(slip.function, seed)
        assert report.earned < report.points, f"seed {seed}: full points for {slip.name}"
        assert report.misconception == slip.name, f"seed {seed}: {report}"
        assert slip.advice in str(report)
        assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@pytest.mark.parametrize("check", CHECKS)
def test_a_stub_is_told_so(check):
    def stub(*args, **kwargs):
        raise NotImplementedError("write me")

    report = check.run(stub)
    assert report.earned == 0
    assert report.state == "not written"
    assert "Not written yet" in str(report)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("answer", [None, "x", 0.0, (), float("nan"), [[1.0]]])
def test_nonsense_gets_no_full_marks_and_no_traceback(check, answer):
    report = check.run(lambda *args, **kwargs: answer)
    assert report.earned <= report.points / 2
    assert report.state != "full"
    assert "Traceback" not in str(report)
