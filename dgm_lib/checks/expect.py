"""Comparisons for checks: each raises `Mismatch` with a sentence that a student can act on.

Shapes are compared before values, so "right shape, wrong values" is told apart from the rest.
"""

import numpy as np
import torch
from torch import Tensor


class Mismatch(Exception):
    """A property does not hold; the text says what was expected and what came."""


def true(condition: bool, message: str) -> None:
    """Raise `Mismatch(message)` unless `condition` holds."""
    if not condition:
        raise Mismatch(message)


def tensor(name: str, got: object, shape: tuple[int, ...] | None = None) -> Tensor:
    """`got`, which must be a tensor (or a plain number, for shape `()`) of finite entries.

    >>> tensor("log Z", torch.zeros(2, 1), (2,))
    Traceback (most recent call last):
    ...
    dgm_lib.checks.expect.Mismatch: log Z: got shape (2, 1); want (2,)
    """
    if isinstance(got, bool | int | float):
        got = torch.tensor(got)
    if not isinstance(got, Tensor):
        raise Mismatch(f"{name}: got {_kind(got)}; want a tensor")
    if shape is not None and tuple(got.shape) != tuple(shape):
        raise Mismatch(f"{name}: got shape {tuple(got.shape)}; want {tuple(shape)}")
    if got.is_complex():
        raise Mismatch(f"{name}: got complex numbers; want real ones")
    if not torch.isfinite(got).all():
        bad = int((~torch.isfinite(got)).sum())
        raise Mismatch(f"{name}: {bad} of {got.numel()} values are NaN or infinite")
    return got


def close(
    name: str, got: object, want: Tensor | float, *, rtol: float = 1e-4, atol: float = 1e-5
) -> None:
    """`got` has the shape of `want` and its values, up to `atol + rtol · |want|`.

    >>> close("p", torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.7]))
    Traceback (most recent call last):
    ...
    dgm_lib.checks.expect.Mismatch: p: right shape, wrong values: got 0.5 where 0.7 is expected, at index [1] (1 of 2 values are off)
    """
    want = torch.as_tensor(want).detach()
    got = tensor(name, got, tuple(want.shape)).double()
    want = want.double()
    off = (got - want).abs() - (atol + rtol * want.abs())
    if (off > 0).any():
        worst = int(off.argmax()) if off.dim() else 0
        # numpy's: torch's imports sympy, and the first wrong answer would wait for that
        index = [int(i) for i in np.unravel_index(worst, tuple(off.shape))]
        where = f", at index {index}" if index else ""
        count = f" ({int((off > 0).sum())} of {off.numel()} values are off)" if index else ""
        raise Mismatch(
            f"{name}: right shape, wrong values: got {got.flatten()[worst].item():.6g} where "
            f"{want.flatten()[worst].item():.6g} is expected{where}{count}"
        )


def pair(name: str, got: object, size: int = 2) -> tuple:
    """`got`, which must be a tuple (or list) of `size` elements."""
    if not isinstance(got, tuple | list) or len(got) != size:
        came = f"{len(got)} elements" if isinstance(got, tuple | list) else _kind(got)
        raise Mismatch(f"{name}: got {came}; want a tuple of {size}")
    return tuple(got)


def _kind(got: object) -> str:
    """What came, for someone who may have forgotten the last line."""
    if got is None:
        return "None (does every way through your function end with a `return`?)"
    return f"a {type(got).__name__}"
