"""Kernels: bumps k(|u|) around the origin, scaled so that they integrate to one in d dimensions.

| name | k(r) |
|---|---|
| gaussian | exp(-r²/2) |
| epanechnikov | 1 - r² for r < 1 |
| tophat | 1 for r < 1 |
| linear | 1 - r for r < 1 |
| exponential | exp(-r) |

All are radial, so ∫ k(|u|) du = S_d ∫ k(r) r^(d-1) dr with the surface S_d = 2 π^(d/2) / Γ(d/2) of
the unit sphere, a Gamma or Beta integral for each. Silverman (1986), Density Estimation, table 3.1.
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Beta, Gamma

from dgm_lib.nn import draw
from dgm_lib.validate import require

Kernel = Literal["gaussian", "epanechnikov", "tophat", "linear", "exponential"]
KERNELS: tuple[str, ...] = get_args(Kernel)


def require_kernel(kernel: str) -> None:
    """Check the name of a kernel."""
    require(kernel in KERNELS, f"kernel: got {kernel!r}; want one of {', '.join(KERNELS)}")


def log_kernel(squared: Float[Tensor, "*shape"], kernel: Kernel) -> Float[Tensor, "*shape"]:
    """log k(r), not yet normalised, from the squared distance r², which is >= 0."""
    require_kernel(kernel)
    if kernel == "gaussian":
        return -0.5 * squared
    r = squared.clamp_min(torch.finfo(squared.dtype).tiny).sqrt()  # a finite slope at 0
    if kernel == "exponential":
        return -r
    inside = squared < 1
    if kernel == "tophat":
        height = torch.ones_like(r)
    else:
        height = 1 - torch.where(inside, squared if kernel == "epanechnikov" else r, 0)
    return torch.where(inside, height.log(), -torch.inf)


def kernel_log_norm(kernel: Kernel, d: int) -> float:
    """log ∫ k(|u|) du over d dimensions.

    >>> round(math.exp(kernel_log_norm("epanechnikov", 1)), 6)  # ∫ 1 - u² from -1 to 1
    1.333333
    """
    require_kernel(kernel)
    require(d >= 1, f"d: got {d}; want at least one dimension")
    if kernel == "gaussian":
        return d / 2 * math.log(2 * math.pi)
    log_surface = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    radial = {
        "tophat": -math.log(d),
        "epanechnikov": math.log(2) - math.log(d * (d + 2)),
        "linear": -math.log(d * (d + 1)),
        "exponential": math.lgamma(d),
    }
    return log_surface + radial[kernel]


def draw_kernel(
    kernel: Kernel, n: int, d: int, generator: torch.Generator | None = None
) -> Float[Tensor, "n d"]:
    """n draws from the normalised kernel, in float32: a random direction times a random radius."""
    require_kernel(kernel)
    eps = torch.randn(n, d, generator=generator)
    if kernel == "gaussian":
        return eps
    direction = eps / eps.norm(dim=1, keepdim=True).clamp_min(1e-30)
    law, power = {  # of r^power, when the radius has density ∝ k(r) r^(d-1)
        "tophat": (Beta(torch.tensor([float(d)]), torch.tensor([1.0])), 1.0),
        "epanechnikov": (Beta(torch.tensor([d / 2]), torch.tensor([2.0])), 2.0),
        "linear": (Beta(torch.tensor([float(d)]), torch.tensor([2.0])), 1.0),
        "exponential": (Gamma(torch.tensor([float(d)]), torch.tensor([1.0])), 1.0),
    }[kernel]
    return direction * draw(law, (n,), generator) ** (1 / power)
