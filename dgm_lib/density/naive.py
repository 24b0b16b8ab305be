"""The naive estimator, or Parzen's window: count the points in a cube around the query.

    p(x) = 1 / (m h^d) · Σ_k w((x - x_k) / h),     w(u) = 1 if every |u_i| <= 1/2, else 0

Unlike a histogram it has no grid, so no origin; like one it jumps. A smooth w in place of the cube
makes it a kernel density estimate (`dgm_lib.density.kde`).

Source: Fix and Hodges (1951); Parzen (1962), doi:10.1214/aoms/1177704472.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def naive_estimate(
    x: Float[Tensor, "n d"], data: Float[Tensor, "m d"], h: float
) -> Float[Tensor, " n"]:
    """The density at x by counting: the share of data in a cube around x, over its volume.

    Args:
        x: n query points in d dimensions.
        data: m data points.
        h: the side of the cube, centred at x; a data point counts if it differs from x by at most
            h/2 in every coordinate.

    Returns:
        The estimate p(x) at each query: not its logarithm, since it is often 0.
    """
    require_tensor("data", data, ("m", "d"), batch=True)
    m, d = data.shape
    require_tensor("x", x, ("n", d), batch=True)
    require(0 < h < math.inf, f"h: got {h}; want a positive width")
    rows = max(1, 2**22 // (m * d))  # bounds the table of differences
    counts = [
        ((part[:, None] - data).abs() <= h / 2).all(-1).sum(-1, dtype=x.dtype)
        for part in x.split(rows)
    ]
    return torch.cat(counts) / (m * h**d)
