"""Bijections that act on each coordinate by itself: their Jacobian is diagonal.

    SinhArcsinh   four parameters per coordinate: location, scale, skewness ε, tail weight δ
    Scale         one positive factor per coordinate: the top layer of NICE

Sinh-arcsinh: Jones and Pewsey (2009), Biometrika 96(4). With y = (x - μ)/σ, data to noise,

    z = sinh(δ arcsinh(y) - ε),    ∂z/∂x = δ cosh(δ arcsinh(y) - ε) / (σ √(1 + y²)).

ε > 0 skews to the right, δ < 1 makes the tails heavier than the normal's, δ > 1 lighter.
NICE: Dinh et al. (2014), arXiv:1410.8516, section 3.3.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_lib.model import Bijection
from dgm_lib.validate import require


def log_cosh(u: Float[Tensor, "*s"]) -> Float[Tensor, "*s"]:
    """log cosh u without overflow.

    >>> log_cosh(torch.tensor(1e4)) - 1e4  # -log 2; cosh itself would overflow
    tensor(-0.6934)
    """
    u = u.abs()
    return u + softplus(-2 * u) - math.log(2)


class SinhArcsinh(Bijection):
    """The location-scale sinh-arcsinh map; begins as the identity.

    Raises:
        ValueError: if d < 1.
    """

    def __init__(self, d: int):
        require(d >= 1, f"d: got {d}; want at least one coordinate")
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(d))
        self.log_scale = nn.Parameter(torch.zeros(d))
        self.skew = nn.Parameter(torch.zeros(d))
        self.log_tail = nn.Parameter(torch.zeros(d))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        y = (x - self.loc) * torch.exp(-self.log_scale)
        u = self.log_tail.exp() * torch.asinh(y) - self.skew
        log_slope = self.log_tail + log_cosh(u) - 0.5 * torch.log1p(y.square()) - self.log_scale
        return torch.sinh(u), log_slope.sum(-1)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        v = (torch.asinh(z) + self.skew) * torch.exp(-self.log_tail)
        log_slope = self.log_scale + log_cosh(v) - self.log_tail - 0.5 * torch.log1p(z.square())
        return self.loc + self.log_scale.exp() * torch.sinh(v), log_slope.sum(-1)


class Scale(Bijection):
    """z_i = exp(s_i) x_i, with log|det ∂z/∂x| = Σ s_i, the same for every example.

    Slides often write the other direction, x_i = s_i z_i: there the determinant of ∂x/∂z is the
    product of the factors. Learning s itself keeps every factor positive.

    Raises:
        ValueError: if d < 1.
    """

    def __init__(self, d: int):
        require(d >= 1, f"d: got {d}; want at least one coordinate")
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(d))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return x * self.log_scale.exp(), self.log_scale.sum().expand(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return z * torch.exp(-self.log_scale), -self.log_scale.sum().expand(z.shape[0])
