"""Whatever comes back over the channel, a check neither fails nor gives points for it.

The child may send any plain data in the place of a result. Two families are tried on every graded
function: the same garbage whatever is asked, and right results in a disguise that a careless
comparison would not see through.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from dgm_lib import checks
from dgm_lib.checks.call import CallFailed, LocalCaller, Plain
from dgm_lib.checks.core import Check

CHECKS = [
    pytest.param(check, id=f"{unit}-{name}")
    for unit in checks.UNITS
    for name, check in checks.load(unit).checks.items()
]
SEED = "hostile"


class Hostile:
    """A caller whose results are what `disguise` makes of the right ones, or the same `garbage`."""

    def __init__(
        self, reference: Callable, disguise: Callable | None = None, garbage: Plain = None
    ):
        self.right = LocalCaller(reference)
        self.disguise = disguise
        self.garbage = garbage
        self.notes: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Plain:
        return self._ask("__call__", args, kwargs)

    def gradient(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        result = self._ask("gradient", args, kwargs)
        if not isinstance(result, tuple) or not all(isinstance(g, Tensor) for g in result):
            raise CallFailed("not plain", "its gradient cannot be used")  # as the grader's does
        return result

    def _ask(self, kind: str, args: tuple, kwargs: dict) -> Plain:
        if self.disguise is None:
            return self.garbage
        return self.disguise(getattr(self.right, kind)(*args, **kwargs))


def nested(depth: int) -> Plain:
    return (nested(depth - 1),) if depth else torch.zeros(())


GARBAGE = {
    **{repr(v): v for v in (None, True, 0, 2**1000, 0.5, "", (), [], {}, (None,), [[[]]], ["x"])},
    **{repr(v): v for v in (float("nan"), float("inf"), {"x": 0})},
    "a long text": "a" * 99_999,
    "nested 30 deep": nested(30),
    "10,000 numbers": list(range(10_000)),
    **{f"zeros {shape}": torch.zeros(shape) for shape in ((), (0,), (4,), (3, 3), (2, 0, 3))},
    **{str(dtype): torch.ones(3, dtype=dtype) for dtype in (torch.bool, torch.int64)},
    "NaN": torch.full((3,), torch.nan),
    "infinities": torch.full((3, 3), torch.inf),
    "complex": torch.ones(3, dtype=torch.complex64),
    "20 axes": torch.zeros((1,) * 20),
    "2 tensors": (torch.zeros(3), torch.zeros(3, 3)),
    "3 tensors": (torch.zeros(3), torch.zeros(3), torch.zeros(3, 3)),
    "5 tensors": (torch.zeros(4),) * 5,
}


def each(change: Callable[[Tensor], Plain]) -> Callable[[Plain], Plain]:
    """A change of every tensor in a result; numbers and texts count as tensors."""

    def apply(result: Plain) -> Plain:
        if isinstance(result, tuple | list):
            return type(result)(apply(item) for item in result) or (change(torch.zeros(1)),)
        if isinstance(result, str):
            result = torch.zeros(2)
        return change(result.clone() if isinstance(result, Tensor) else torch.tensor(result))

    return apply


def planted(value: float) -> Callable[[Tensor], Tensor]:
    def plant(x: Tensor) -> Tensor:
        x = x.double()
        if x.numel():
            x.view(-1)[-1] = value
        return x

    return plant


DISGUISES = {
    "an axis in front": each(lambda x: x[None]),
    "an axis at the end": each(lambda x: x[..., None]),
    "axes on both sides": each(lambda x: x[None, ..., None]),
    "repeated along a new axis": each(lambda x: torch.stack([x] * 3)),
    "once too often": each(lambda x: torch.cat([x.reshape(-1)] * 2)),
    "one entry too many": each(lambda x: torch.cat([x.reshape(-1), x.new_zeros(1)])),
    "empty": each(lambda x: x.reshape(-1)[:0]),
    "its mean": each(lambda x: x.double().mean() + 1e-2),
    "zeros": each(torch.zeros_like),
    "constant": each(lambda x: torch.full_like(x, 3)),
    "complex": each(lambda x: x.to(torch.complex128)),
    "NaN in one place": each(planted(torch.nan)),
    "infinite in one place": each(planted(torch.inf)),
    "huge in one place": each(planted(1e300)),
    "as text": each(str),
    "as a list": each(lambda x: [x.tolist()]),
    "in a tuple": lambda result: (result,),
    "in a list": lambda result: [result],
    "in a dict": lambda result: {"result": result},
    "with more after it": lambda result: (result, result, result, result, result, result),
    "nothing": lambda result: None,
    "a little off": each(lambda x: x.double() * 1.01 + 0.01),
    "reversed and shifted": each(lambda x: x.double().reshape(-1).flip(0).reshape(x.shape) + 0.1),
}


ACCIDENTS = {"kl_divergence": {"is infinite if q rules out what p allows"}}
"""Properties that one answer to everything fulfils: some number must be the right one."""


@pytest.mark.parametrize("check", CHECKS)
def test_garbage_gets_nothing(check: Check):
    for name, garbage in GARBAGE.items():
        report = check.run(Hostile(check.reference, garbage=garbage), SEED)
        held = {outcome.name for outcome in report.outcomes if outcome.passed}
        assert held <= ACCIDENTS.get(check.name, set()), f"{name}: {held}"
        assert len(json.dumps(report.to_dict())) < 50_000


@pytest.mark.parametrize("check", CHECKS)
def test_no_disguise_passes(check: Check):
    for name, disguise in DISGUISES.items():
        report = check.run(Hostile(check.reference, disguise), SEED)
        assert report.state != "full", f"{name}: {report}"
        assert len(json.dumps(report.to_dict())) < 50_000


@pytest.mark.parametrize("check", CHECKS)
def test_right_results_pass_with_a_gradient_attached(check: Check):
    def attach(result: Plain) -> Plain:
        if isinstance(result, tuple):
            return tuple(map(attach, result))
        differentiable = isinstance(result, Tensor) and result.is_floating_point()
        return result.requires_grad_() if differentiable else result

    assert check.run(Hostile(check.reference, attach), SEED).state == "full"


HUGE = """
import json, resource, time
import torch
from tests.grading.test_hostile_results import CHECKS, SEED, Hostile

n = 15 << 20  # 60 MB of float32
row = torch.ones(n)
huge = {
    "square": row[: 3960**2].view(3960, 3960),
    "pair": (row[: n // 2, None], row[None, : n // 2]),
    "triple": (row[: n // 3],) * 3,
    "five": (row[: n // 5, None], row[None, : n // 5]) * 2 + (row[: n // 5],),
    "numbers": list(range(1_000_000)),
    "text": "x" * (60 << 20),
    "tensors": [torch.zeros(1)] * 1000,
}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
for check in [param.values[0] for param in CHECKS]:
    for name, result in huge.items():
        started = time.process_time()
        report = check.run(Hostile(check.reference, garbage=result), SEED)
        assert report.earned == 0, f"{check.name}, {name}: {report}"
        seconds = time.process_time() - started
        assert seconds < 8, f"{check.name}, {name}: {seconds} seconds"
        assert len(json.dumps(report.to_dict())) < 50_000, f"{check.name}, {name}"
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10
        assert grown < 1000, f"{check.name}, {name}: {grown} MB"
"""


def test_a_huge_result_costs_little():
    """In a process of its own, whose memory is measured."""
    done = subprocess.run([sys.executable, "-c", HUGE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
