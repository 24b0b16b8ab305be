"""The states of a machine of binary units, and the checks on what describes such a machine.

A unit is off or on. `units` says which numbers stand for that: `(0, 1)`, or `(-1, 1)` as in the
physics of magnets. States are counted like binary numbers: the first unit changes slowest, and off
comes before on, so that state number k has the binary digits of k.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.validate import require, require_tensor

Units = tuple[int, int]
"""The numbers that stand for off and on: `(0, 1)` or `(-1, 1)`."""

MAX_UNITS = 20
"""Beyond this many units (a million states) nothing is enumerated."""

TABLE = 2**22
"""How many entries a table may have at once: 16 MB in float32."""


def all_states(
    d: int,
    units: Units = (0, 1),
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Float[Tensor, "s d"]:
    """All s = 2^d states of d units, in counting order.

    Raises:
        ValueError: if d is negative or above 20, or `units` is neither (0, 1) nor (-1, 1).

    >>> all_states(2, units=(-1, 1))
    tensor([[-1., -1.],
            [-1.,  1.],
            [ 1., -1.],
            [ 1.,  1.]])
    """
    require_units(units)
    require_enumerable(d)
    return states_at(torch.arange(2**d, device=device), d, units).to(dtype)


def states_at(index: Int[Tensor, " n"], d: int, units: Units = (0, 1)) -> Int[Tensor, "n d"]:
    """The states with these numbers: their binary digits, written with `units`."""
    shifts = torch.arange(d - 1, -1, -1, device=index.device)
    low, high = units
    return low + (high - low) * ((index[:, None] >> shifts) & 1)


def require_units(units: Units) -> None:
    """Check that `units` is (0, 1) or (-1, 1)."""
    require(tuple(units) in ((0, 1), (-1, 1)), f"units: got {units}; want (0, 1) or (-1, 1)")


def require_enumerable(d: int, name: str = "units to enumerate") -> None:
    """Check that 2^d states are few enough to visit."""
    require(0 <= d <= MAX_UNITS, f"{name}: got {d}; want at most {MAX_UNITS} (2^d states)")


def require_machine(W: Tensor, b: Tensor) -> None:
    """Check that W and b describe a machine: symmetric weights, zero diagonal, one bias per unit."""
    require_tensor("b", b, ("d",), batch=True)
    d = b.shape[0]
    require_tensor("W", W, (d, d))
    require(W.dtype == b.dtype, f"W: got dtype {W.dtype}; want that of b, {b.dtype}")
    require(bool((W.diagonal() == 0).all()), "W: got a diagonal that is not zero; want w_ii = 0")
    require(torch.allclose(W, W.T), "W: got a matrix that is not symmetric; want w_ij = w_ji")


def require_states(name: str, x: Tensor, b: Tensor) -> None:
    """Check that x is a batch of states, one column for each bias in b, of the same dtype."""
    require_tensor(name, x, ("n", b.shape[0]), batch=True)
    require(x.dtype == b.dtype, f"{name}: got dtype {x.dtype}; want that of b, {b.dtype}")


def require_mask(name: str, mask: Tensor, d: int) -> None:
    """Check that `mask` says yes or no to each of d units."""
    good = isinstance(mask, Tensor) and mask.dtype == torch.bool and tuple(mask.shape) == (d,)
    came = f"{mask.dtype} {tuple(mask.shape)}" if isinstance(mask, Tensor) else type(mask).__name__
    require(good, f"{name}: got {came}; want a torch.bool tensor of shape ({d},)")
