"""What the best model could reach: exact log densities of the made sets, and their entropies.

The expected negative log-likelihood of any model is at least the entropy of the data,
E[-log q(x)] = H(p) + KL(p || q), so `ENTROPY` is the floor that a test NLL can approach but
not pass (up to the sampling error of the test set). In nats:

* checkerboard: uniform on 8 squares of area 4, so H = log 32.
* bars and stripes (side 3): uniform on 2⁴ - 2 patterns, so H = log 14.
* eight Gaussians: H = log 8 + log(2πe σ²) - I, with σ² = 1/8, where I, what a point leaves open
  about its component, is 0.007: neighbours are 6 σ apart.
* two moons (noise 0.1): the arcs have length 2π and the blur adds log(σ √(2πe)) across them;
  the rounded ends add 0.05 to that sum of 0.954.

The last two are integrals of -p log p over the plane; the tests redo them on a fine grid.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.data.toys import RING_RADII
from dgm_lib.validate import require, require_tensor

ENTROPY = {
    "bars_and_stripes": math.log(14),
    "checkerboard": math.log(32),
    "eight_gaussians": 2.83158,
    "rings": 2.64895,
    "two_moons": 1.00758,
}


def eight_gaussians_log_prob(x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    """log Σ_k N(x; c_k, σ² I) / 8 with |c_k| = 4/√2 and σ = 0.5/√2, in nats."""
    require_tensor("x", x, ("n", 2))
    angle = torch.arange(8, dtype=x.dtype, device=x.device) * math.pi / 4
    centres = torch.stack([angle.cos(), angle.sin()], 1) * 4 / math.sqrt(2)
    return _blurred(x, centres, torch.full_like(angle, 1 / 8), 0.5 / math.sqrt(2))


def checkerboard_log_prob(x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
    """-log 32 on the dark squares, -∞ elsewhere."""
    require_tensor("x", x, ("n", 2))
    column, row = ((x + 4) / 2).floor().unbind(1)
    dark = ((x >= -4) & (x < 4)).all(1) & ((column - row) % 2 == 0)
    return torch.where(dark, -math.log(32), -math.inf).to(x)


def two_moons_log_prob(x: Float[Tensor, "n 2"], noise: float = 0.1) -> Float[Tensor, " n"]:
    """log ∫ (N(x; upper(t), σ² I) + N(x; lower(t), σ² I)) dt / 2π over t in [0, π], in nats.

    The integrand is smooth on the scale of σ, so Gauss-Legendre nodes spaced closer than that
    give all digits of a float.
    """
    require_tensor("x", x, ("n", 2))
    require(noise > 0, f"noise: got {noise}; want a positive standard deviation")
    nodes, weights = np.polynomial.legendre.leggauss(64 + math.ceil(8 / noise))
    t = torch.from_numpy(nodes + 1).to(x) * math.pi / 2
    weight = torch.from_numpy(weights).to(x).repeat(2) / 4  # sums to 1 over both moons
    upper = torch.stack([t.cos(), t.sin()], 1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    return _blurred(x, torch.cat([upper, lower]), weight, noise)


def rings_log_prob(x: Float[Tensor, "n 2"], noise: float = 0.1) -> Float[Tensor, " n"]:
    """A blurred circle of radius R integrates in closed form, in nats:
    p(x) = exp(-(|x|² + R²) / 2σ²) I₀(R |x| / σ²) / 2πσ², I₀ the modified Bessel function."""
    require_tensor("x", x, ("n", 2))
    require(noise > 0, f"noise: got {noise}; want a positive standard deviation")
    r, radius = x.norm(dim=1, keepdim=True), torch.tensor(RING_RADII).to(x)
    scaled_bessel = torch.special.i0e(r * radius / noise**2).log()  # log I₀(a) - a
    log_p = -((r - radius) ** 2) / (2 * noise**2) + scaled_bessel
    return log_p.logsumexp(1) - math.log(len(RING_RADII) * 2 * math.pi * noise**2)


def _blurred(x: Tensor, centres: Tensor, weights: Tensor, sigma: float) -> Tensor:
    """log Σ_k w_k N(x; c_k, σ² I), in chunks that keep the n × k table small."""
    parts = [
        (weights.log() - ((part[:, None] - centres) ** 2).sum(-1) / (2 * sigma**2)).logsumexp(1)
        for part in x.split(4096)
    ]
    return torch.cat(parts) - math.log(2 * math.pi * sigma**2)
