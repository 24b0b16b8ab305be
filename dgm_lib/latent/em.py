"""The loop of EM, which every model of this package shares, and what it promises.

The ELBO is a function of two things, the posterior guess q and the parameters θ. The E step maximises
it over q, and there it touches log p(x); the M step maximises it over θ with q held. So it never
falls (Neal and Hinton, 1998, doi:10.1007/978-94-011-5014-9_12). The loop records it after every half
step, and stops with an error if it ever falls by more than rounding: then a formula is wrong.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require


def ascend(
    step: Callable[[], tuple[float, float]], steps: int, tol: float, rounding: float = 1e-9
) -> Float[Tensor, " half_steps"]:
    """Repeat a step of EM until the bound rises by less than `tol`, at most `steps` times.

    Args:
        step: makes an E and an M step, and returns the bound after each, in nats per example.
        steps: the most iterations.
        tol: stop when the bound after an E step exceeds the one before by less than this; 0 goes on
            to the end.
        rounding: a fall by less than this times (1 + |bound|) is put down to arithmetic.

    Returns:
        The bound after every half step, E at even and M at odd positions, in float64.

    Raises:
        ValueError: if steps < 1 or tol < 0.
        ArithmeticError: if the bound falls, or is not finite.
    """
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    require(tol >= 0, f"tol: got {tol:g}; want 0 or more")
    bounds: list[float] = []
    for _ in range(steps):
        for half, bound in zip("EM", step(), strict=True):
            before = bounds[-1] if bounds else -float("inf")
            if not bound >= before - rounding * (1 + abs(bound)):
                raise ArithmeticError(
                    f"the bound fell from {before:.9g} to {bound:.9g} in iteration "
                    f"{len(bounds) // 2 + 1}, {half} step: EM cannot do that, so rounding has taken "
                    "over; a larger floor would help"
                )
            bounds.append(bound)
        if len(bounds) > 2 and bounds[-2] - bounds[-4] < tol:
            break
    return torch.tensor(bounds, dtype=torch.float64)


def rounding_for(floor: float) -> float:
    """What arithmetic in float64 may cost a bound whose least variance is `floor` of the mean one.

    Differences of moments are divided by that variance, so their error is amplified by 1 / floor.
    """
    return max(1e-9, 1e3 * torch.finfo(torch.float64).eps / floor)
