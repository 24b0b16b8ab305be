"""The k-nearest-neighbour estimate: let the window grow until it holds k points.

    p(x) = k / (m V_d r^d),   r the distance from x to the k-th nearest of m points,
                              V_d = π^(d/2) / Γ(d/2 + 1) the volume of the unit ball

It adapts to the data, but it is not a density: far from all data r grows like |x|, so p falls like
|x|^-d and its integral diverges, like a logarithm. So there is no class here with `log_prob`.

Source: Loftsgaarden and Quesenberry (1965), doi:10.1214/aoms/1177700079.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def knn_density(x: Float[Tensor, "n d"], data: Float[Tensor, "m d"], k: int) -> Float[Tensor, " n"]:
    """The k-nearest-neighbour estimate p(x) = k / (m · volume of the ball that reaches k points).

    Args:
        x: n query points in d dimensions.
        data: m data points.
        k: how many of them the ball around x must hold, 1 to m; its radius is the Euclidean
            distance from x to the k-th nearest.

    Returns:
        The estimate p(x) at each query (not its logarithm).
    """
    return knn_log_density(x, data, k).exp()


def knn_log_density(
    x: Float[Tensor, "n d"], data: Float[Tensor, "m d"], k: int
) -> Float[Tensor, " n"]:
    """log of `knn_density`, which neither over- nor underflows in many dimensions.

    Raises:
        ValueError: on wrong shapes, k outside 1 .. m, or a query that coincides with k or more
            data points, where the estimate is infinite.
    """
    require_tensor("data", data, ("m", "d"), batch=True)
    m, d = data.shape
    require_tensor("x", x, ("n", d), batch=True)
    require(1 <= k <= m, f"k: got {k}; want 1 to {m}, the number of data points")
    centre = data.mean(0)
    y = (data - centre).double()
    offset = (y * y).sum(1)
    parts = []
    for part in x.split(max(1, 2**22 // max(m, k * d))):  # bounds the tables
        # |y|² - 2 xᵀy orders the points by distance from x; the k nearest are then measured exactly
        score = torch.addmm(offset, (part.detach() - centre).double(), y.T, alpha=-2)
        near = score.topk(k, 1, largest=False, sorted=False).indices
        parts.append((part[:, None] - data[near]).norm(dim=2).amax(1))
    r = torch.cat(parts)
    zero = int((r == 0).sum())
    require(
        zero == 0,
        f"x: {zero} of {len(x)} points coincide with k = {k} or more points of data, where the "
        "estimate is infinite; take a larger k, or remove copies from data",
    )
    log_ball = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)
    return math.log(k / m) - log_ball - d * r.log()
