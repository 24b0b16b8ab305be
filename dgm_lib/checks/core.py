"""What a check is: named properties with points and hints, and the misconceptions beside them.

A unit's module reads like this:

    unit = Unit("04_boltzmann")
    check = unit.check

    log_partition = unit.graded(boltzmann.log_partition)

    @log_partition.property("sums exp(-E) over all states", points=2, hint="...")
    def _(call, draw):
        W, b = symmetric(draw, 4), draw.normal(4)
        expect.close("log Z", call(W, b), brute_force(W, b))

    @log_partition.misconception("forgot the bias", "The energy has a second term, ...")
    def _(W, b):
        return boltzmann.log_partition(W, 0 * b)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dgm_lib import study
from dgm_lib.checks.call import Caller, CallFailed, LocalCaller, Plain, Unreachable
from dgm_lib.checks.expect import Mismatch
from dgm_lib.checks.inputs import Draw
from dgm_lib.checks.report import Outcome, Report, in_kernel

PUBLIC_SEED = 0
"""The seed in the students' notebooks. The grader draws a fresh, secret one."""


_LONGEST = 2000
"""A message has at most so many characters: it may quote a result, and that may be a long text."""


@dataclass(frozen=True)
class Property:
    """One thing that must hold, worth `points`. `test(call, draw)` raises `Mismatch` if not."""

    name: str
    points: float
    hint: str
    test: Callable[[Caller, Draw], None]


@dataclass(frozen=True)
class Misconception:
    """A plausible wrong answer, with a name and one helpful sentence (or two)."""

    name: str
    advice: str
    function: Callable


@dataclass
class Check:
    """The properties and misconceptions of one graded function."""

    reference: Callable
    properties: list[Property] = field(default_factory=list)
    misconceptions: list[Misconception] = field(default_factory=list)
    siblings: tuple[Callable, ...] = ()
    """Other functions of the library that give the answer away; the grader seals them as well."""

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def points(self) -> float:
        return sum(p.points for p in self.properties)

    @property
    def answers(self) -> tuple[Callable, ...]:
        """All functions of the library that are sealed while this one is graded."""
        return self.reference, *self.siblings

    def property(self, name: str, *, points: float, hint: str) -> Callable:
        """Decorator: add a property."""

        def add(test: Callable[[Caller, Draw], None]) -> Callable:
            self.properties.append(Property(name, points, hint, test))
            return test

        return add

    def misconception(self, name: str, advice: str) -> Callable:
        """Decorator: add a wrong answer that a student may well give."""

        def add(function: Callable) -> Callable:
            self.misconceptions.append(Misconception(name, advice, function))
            return function

        return add

    def run(self, call: Callable | Caller, seed: int | str = PUBLIC_SEED) -> Report:
        """Test a function (or a `Caller` that reaches one), with inputs drawn from `seed`.

        Raises:
            Unreachable: if the caller cannot call anything.
        """
        recorder = _Recorder(call if isinstance(call, Caller) else LocalCaller(call))
        outcomes, kinds = [], set()
        for p in self.properties:
            message = ""
            try:
                p.test(recorder, Draw(seed, self.name, p.name))
            except CallFailed as failure:
                kinds.add(failure.kind)
                message = str(failure)
            except Mismatch as mismatch:
                message = str(mismatch)
            except Unreachable:
                raise
            except Exception as error:  # a result of an odd type broke the test's own arithmetic
                message = f"your result could not be used: {type(error).__name__}: {error}"
            else:
                outcomes.append(Outcome(p.name, p.points, True))
                continue
            message = message if len(message) <= _LONGEST else message[:_LONGEST] + " …"
            outcomes.append(Outcome(p.name, p.points, False, message, p.hint))
            if kinds & {"not written", "died"}:
                done = len(outcomes)
                rest = self.properties[done:]
                outcomes += [Outcome(r.name, r.points, False, message, r.hint) for r in rest]
                break
        passed = [o.passed for o in outcomes]
        if all(passed):
            state = "full"
        elif failed := kinds - {"not plain"}:
            order = ("not written", "died", "timeout", "error")
            state = min(failed, key=order.index)
        else:
            state = "partial" if any(passed) else "wrong"
        slip = None if state in ("full", "not written", "died") else self._diagnose(recorder.calls)
        return Report(
            self.name,
            outcomes,
            state,
            slip.name if slip else "",
            slip.advice if slip else "",
            recorder.notes,
        )

    def _diagnose(self, calls: "list[_Call]") -> Misconception | None:
        """The first misconception that answers every recorded call as the student did, and at
        least one of them otherwise than the reference."""
        calls = [
            c
            for c in calls
            if not (isinstance(c.result, CallFailed) and c.result.kind == "timeout")
        ]
        if not any(not _same(_replay(self.reference, c), c.result) for c in calls):
            return None
        for slip in self.misconceptions:
            if all(_same(_replay(slip.function, c), c.result) for c in calls):
                return slip
        return None


@dataclass
class Unit:
    """The checks of one unit, by function name."""

    name: str
    checks: dict[str, Check] = field(default_factory=dict)

    @property
    def points(self) -> float:
        return sum(c.points for c in self.checks.values())

    def graded(self, reference: Callable, *, siblings: Sequence[Callable] = ()) -> Check:
        """A new, empty check for the function `reference` of `dgm_lib`.

        Args:
            siblings: functions and methods of the library that compute the same thing or most of it.
        """
        check = self.checks[reference.__name__] = Check(reference, siblings=tuple(siblings))
        return check

    def check(self, function: Callable) -> Report:
        """Test your function; the report says which properties hold. A notebook remembers the points.

        Raises:
            ValueError: if `function` is not one of the unit's graded functions.
        """
        name = getattr(function, "__name__", repr(function))
        if not callable(function) or name not in self.checks:
            raise ValueError(
                f"function: got {name}; want one of {', '.join(self.checks)}: "
                "write check(its_name), without calling it and without renaming it"
            )
        report = self.checks[name].run(function)
        if in_kernel():
            study.record(self.name, name, report.earned)
        return report


@dataclass
class _Call:
    kind: str
    args: Sequence[Any]
    kwargs: dict[str, Any]
    result: Any


class _Recorder:
    """A caller that remembers every call, so that misconceptions can be compared with it."""

    def __init__(self, caller: Caller):
        self.caller = caller
        self.calls: list[_Call] = []

    @property
    def notes(self) -> list[str]:
        return self.caller.notes

    def __call__(self, *args: Any, **kwargs: Any) -> Plain:
        return self._record("__call__", args, kwargs)

    def gradient(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        return self._record("gradient", args, kwargs)

    def _record(self, kind: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        try:
            result = getattr(self.caller, kind)(*args, **kwargs)
        except CallFailed as failure:
            self.calls.append(_Call(kind, args, kwargs, failure))
            raise
        self.calls.append(_Call(kind, args, kwargs, result))
        return result


def _replay(function: Callable, call: _Call) -> Any:
    try:
        return getattr(LocalCaller(function), call.kind)(*call.args, **call.kwargs)
    except CallFailed as failure:
        return failure


def _same(a: Any, b: Any) -> bool:
    """Whether two results agree, in structure, shape and value (to 1e-4)."""
    if isinstance(a, CallFailed) or isinstance(b, CallFailed):
        return isinstance(a, CallFailed) and isinstance(b, CallFailed)
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.is_complex() or b.is_complex():  # no right answer is
            return False
        return a.shape == b.shape and torch.allclose(
            a.double(), b.double(), rtol=1e-4, atol=1e-5, equal_nan=True
        )
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        number = b if isinstance(a, Tensor) else a
        tensor = a if isinstance(a, Tensor) else b
        return (
            isinstance(number, int | float)
            and tensor.dim() == 0
            and _same(tensor, torch.tensor(float(number)))
        )
    if isinstance(a, int | float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5)
    return a == b
