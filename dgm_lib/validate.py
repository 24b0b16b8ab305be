"""Input checks that speak to people: a `ValueError` names the argument, what came, what is wanted.

Models call these where data enter (a verb such as `log_prob`, or a constructor), before any
computation, and not again in their inner layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def require(condition: bool, message: str) -> None:
    """Raise `ValueError(message)` unless `condition` holds.

    >>> require(1 > 2, "h: got -1; want a positive bandwidth")
    Traceback (most recent call last):
    ...
    ValueError: h: got -1; want a positive bandwidth
    """
    if not condition:
        raise ValueError(message)


def require_tensor(
    name: str, x: Tensor, shape: Sequence[int | str | None], *, batch: bool = False
) -> None:
    """Check that `x` is a finite floating-point tensor of the given shape.

    Args:
        name: the argument's name, as the caller knows it.
        x: the value to check.
        shape: an int fixes a size; a string names a size that may be anything (`"n"`).
        batch: if set, the first axis is a batch and must not be empty.

    >>> require_tensor("x", torch.zeros(3, 2), ("n", 4))
    Traceback (most recent call last):
    ...
    ValueError: x: got shape (3, 2); want (n, 4)
    """
    wanted = "(" + ", ".join(str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
    if not isinstance(x, Tensor):
        raise ValueError(f"{name}: got a {type(x).__name__}; want a tensor of shape {wanted}")
    fits = x.dim() == len(shape) and all(
        not isinstance(want, int) or got == want for got, want in zip(x.shape, shape, strict=True)
    )
    require(fits, f"{name}: got shape {tuple(x.shape)}; want {wanted}")
    require(
        x.is_floating_point(),
        f"{name}: got dtype {x.dtype}; want a floating-point tensor, say {name}.float()",
    )
    if batch:
        require(x.shape[0] > 0, f"{name}: got an empty batch; want at least one example")
    require_finite(name, x)


def require_finite(name: str, x: Tensor) -> None:
    """Check that `x` holds no NaN and no infinity."""
    # the sum passes over x once and without a copy; only where it is not finite we look closer
    if not torch.isfinite(x.detach().sum()) and not torch.isfinite(x).all():
        bad = int((~torch.isfinite(x)).sum())
        raise ValueError(f"{name}: got {bad} NaN or infinite entries; want finite numbers")


def require_values(name: str, x: Tensor, allowed: Sequence[int | float]) -> None:
    """Check that every entry of `x` is one of the allowed values (a state space).

    >>> require_values("x", torch.tensor([0.0, 0.5]), (0, 1))
    Traceback (most recent call last):
    ...
    ValueError: x: got the value 0.5; want only 0 or 1
    """
    inside = torch.zeros_like(x, dtype=torch.bool)
    for value in allowed:
        inside |= x == value
    if not inside.all():
        wrong = x[~inside].flatten()[0].item()
        wanted = " or ".join(f"{value:g}" for value in allowed)
        raise ValueError(f"{name}: got the value {wrong:g}; want only {wanted}")
