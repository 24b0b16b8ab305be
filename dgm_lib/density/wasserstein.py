"""Wasserstein-1: the least total distance that mass must travel to turn one law into the other.

    W(p, q) = min over plans π with marginals p and q of Σ_ij π_ij c_ij

Unlike KL and JS it knows how far apart outcomes are. On a line the cheapest plan keeps the order,
so W is the area between the two distribution functions, and sorting is all it takes.

Source: Villani (2009), Optimal Transport, chapter 6; Peyré and Cuturi (2019), arXiv:1803.00567,
sections 2.3 and 2.6.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.density.divergence import require_law
from dgm_lib.validate import require, require_tensor

MAX_CELLS = 20_000


def wasserstein_1d(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """W between two samples on a line, each point with equal weight: ∫ |F_x(t) - F_y(t)| dt.

    For n = m it is the mean of |x_(i) - y_(i)| over the sorted samples.

    >>> wasserstein_1d(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 4.0]))
    tensor(4.)
    """
    require_tensor("x", x, ("n",), batch=True)
    require_tensor("y", y, ("m",), batch=True)
    x, y = x.sort().values, y.sort().values
    if len(x) == len(y):
        return (x - y).abs().mean()
    t = torch.cat([x, y]).sort().values
    below_x = torch.searchsorted(x, t[:-1].contiguous(), right=True) / len(x)
    below_y = torch.searchsorted(y, t[:-1].contiguous(), right=True) / len(y)
    return ((below_x - below_y).abs().to(x.dtype) * t.diff()).sum()


def optimal_transport(
    p: Float[Tensor, " k"], q: Float[Tensor, " l"], cost: Float[Tensor, "k l"]
) -> tuple[Float[Tensor, ""], Float[Tensor, "k l"]]:
    """The cheapest way to turn p into q, by a linear programme over all plans.

    Args:
        p: k probabilities, what is at each source.
        q: l probabilities, what each target must get.
        cost: the distance from each source to each target.

    Returns:
        The least cost, and the plan: how much goes from each source to each target.
    """
    from scipy.optimize import linprog  # slow to import, so only when it is used
    from scipy.sparse import eye_array, kron, vstack

    require_law("p", p)
    require_law("q", q)
    k, n = len(p), len(q)
    require_tensor("cost", cost, (k, n))
    require(k * n <= MAX_CELLS, f"cost: got {k} × {n} entries; want at most {MAX_CELLS}")
    rows = kron(eye_array(k), [[1.0] * n])  # what leaves each source
    columns = kron([[1.0] * k], eye_array(n))  # what reaches each target
    p64, q64 = p.double() / p.double().sum(), q.double() / q.double().sum()
    found = linprog(
        cost.detach().double().flatten().cpu().numpy(),
        A_eq=vstack([rows, columns]),
        b_eq=torch.cat([p64, q64]).detach().cpu().numpy(),
        method="highs",
    )
    require(found.success, f"the linear programme found no plan: {found.message}")
    plan = torch.from_numpy(found.x).view(k, n).to(cost)
    return (plan * cost).sum(), plan
