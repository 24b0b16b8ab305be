"""Where EM begins: k-means++ (Arthur and Vassilvitskii, 2007), and nothing more.

Centres are drawn from the data one by one, each with probability in proportion to the squared
distance to the nearest centre so far, so that they spread out. Left out: k-means itself.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def kmeans_plus_plus(
    x: Float[Tensor, "n d"], k: int, generator: torch.Generator | None = None
) -> Int[Tensor, " n"]:
    """Draw k centres from the data, far apart; say which is the nearest to each point.

    Where there are fewer than k distinct points, some centres coincide and the later ones get none.

    Raises:
        ValueError: if k is not between 1 and n.

    >>> nearest = kmeans_plus_plus(torch.tensor([[0.0], [0.1], [9.0]]), 2)
    >>> bool(nearest[0] == nearest[1]), bool(nearest[1] == nearest[2])
    (True, False)
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    n = len(x)
    require(1 <= k <= n, f"k: got {k} components for {n} points; want 1 to {n}")
    distance = x.new_full((n,), torch.inf)
    nearest = torch.zeros(n, dtype=torch.long, device=x.device)
    for j in range(k):
        chances = distance if j and distance.sum() > 0 else torch.ones_like(distance)
        total = chances.double().cumsum(0)
        u = torch.rand((), generator=generator, dtype=total.dtype, device=x.device) * total[-1]
        centre = torch.searchsorted(total, u, right=True).clamp_max(n - 1)
        new = (x - x[centre]).square().sum(1)
        nearest[new < distance] = j
        distance = torch.minimum(distance, new)
    return nearest
