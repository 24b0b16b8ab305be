"""A tiny unit, so that the grader is tested apart from the course."""

import torch
from torch import Tensor

from dgm_lib.checks import expect
from dgm_lib.checks.core import Unit


def double(x: Tensor) -> Tensor:
    """Twice x."""
    return 2 * x


def square_sum(x: Tensor, scale: float = 1.0) -> Tensor:
    """The sum of squares of each row, times `scale`."""
    return scale * (x**2).sum(-1)


def apply(network: torch.nn.Module, x: Tensor) -> tuple[Tensor, dict]:
    """The network's output, and its shape in a dict."""
    y = network(x)
    return y, {"shape": list(y.shape)}


unit = Unit("99_fake")
check = unit.check

_double = unit.graded(double)


@_double.property("right for a vector", points=2, hint="multiply by two")
def _(call, draw):
    x = draw.normal(4) - 1
    expect.close("2x", call(x), 2 * x)


@_double.property("right for one number", points=1, hint="nothing special")
def _(call, draw):
    x = -draw.uniform(low=1, high=2)
    expect.close("2x", call(x), 2 * x)


@_double.property("keeps the dtype", points=1, hint="no .float()")
def _(call, draw):
    x = draw.uniform(3, low=0.1, dtype=torch.float64)
    expect.true(expect.tensor("2x", call(x)).dtype == torch.float64, "want float64")


@_double.misconception("squares", "You multiplied x by itself.")
def _(x):
    return x * x


@_double.misconception("forgets the sign", "You took the absolute value.")
def _(x):
    return double(x).abs()


_square = unit.graded(square_sum)


@_square.property("sums the squares", points=2, hint="over the last axis")
def _(call, draw):
    x = draw.normal(3, 2)
    expect.close("sum", call(x, scale=2.0), 2 * (x**2).sum(-1))


@_square.property("has the gradient 2x", points=2, hint="no detach")
def _(call, draw):
    x = draw.normal(3, 2)
    (gradient,) = call.gradient(x, wrt=[0])
    expect.close("gradient", gradient, 2 * x)


@_square.misconception("cuts the gradient", "A .detach() cuts the graph.")
def _(x, scale=1.0):
    return square_sum(x.detach(), scale)


_apply = unit.graded(apply)


@_apply.property("calls the network", points=2, hint="network(x)")
def _(call, draw):
    network, x = torch.nn.Linear(2, 3), draw.normal(4, 2)
    y, extra = expect.pair("result", call(network, x))
    expect.close("y", y, network(x))
    expect.true(extra == {"shape": [4, 3]}, f"shape: got {extra}")
