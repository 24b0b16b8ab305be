"""Principal component analysis: the best linear way down to q numbers and back.

    encode  z = Vᵀ(x - x̄),   decode  x̂ = x̄ + V z,   V with q orthonormal columns

Least squares, Σ_n |x_n - x̂_n|², singles out the span of the first q right singular vectors of the
centred data (Eckart and Young, 1936, doi:10.1007/BF02288367). No probabilities yet: see `ppca`.
Bad input (shapes, NaN, an impossible q) raises a ValueError.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_tensor


def pca_reconstruct(x: Float[Tensor, "n d"], q: int) -> Float[Tensor, "n d"]:
    """Send each point through the best linear bottleneck of q numbers, and back.

    Of all points x̂_n on a q-dimensional plane, those with the least Σ_n |x_n - x̂_n|²: the orthogonal
    projections onto the plane through the mean of the data, along its first q principal directions.

    Args:
        x: n points, one per row.
        q: how many numbers may pass, 1 to d.

    Returns:
        The reconstructions, in the place and units of x.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    require(1 <= q <= x.shape[1], f"q: got {q}; want 1 to {x.shape[1]}, the number of columns of x")
    mean = x.mean(0)
    V = torch.linalg.svd(x - mean, full_matrices=False).Vh[:q].mT
    return mean + (x - mean) @ V @ V.mT


class PCA:
    """The same as an estimator, which remembers its directions for other points.

    After `fit`: `mean_` (d,), `components_` (q, d), orthonormal rows, and `variances_` (min(n, d),),
    the variance of the data along each principal direction, all of them, largest first.

    >>> PCA(1).fit(torch.tensor([[0.0, 0.0], [3.0, 4.0]])).components_
    tensor([[0.6000, 0.8000]])
    """

    def __init__(self, q: int):
        require(q >= 1, f"q: got {q}; want at least 1")
        self.q = q

    def fit(self, x: Float[Tensor, "n d"]) -> "PCA":
        """Find mean and directions by a singular value decomposition; returns the estimator.

        Raises:
            ValueError: if x has fewer than q rows or columns.
        """
        require_tensor("x", x, ("n", "d"), batch=True)
        require(self.q <= min(x.shape), f"q: got {self.q}; want 1 to {min(x.shape)} for this x")
        self.mean_ = x.mean(0)
        _, singular, directions = torch.linalg.svd(x - self.mean_, full_matrices=False)
        largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
        self.components_ = (directions * largest.sign())[: self.q]  # v and -v are one direction
        self.variances_ = singular.square() / len(x)
        return self

    def encode(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n q"]:
        """z = Vᵀ(x - x̄)."""
        return (x - self.mean_) @ self.components_.mT

    def decode(self, z: Float[Tensor, "n q"]) -> Float[Tensor, "n d"]:
        """x̂ = x̄ + V z."""
        return self.mean_ + z @ self.components_


def alternating_least_squares(
    x: Float[Tensor, "n d"], q: int, steps: int = 50, seed: int = 0
) -> tuple[Float[Tensor, "d q"], Float[Tensor, "n q"], list[float]]:
    """Minimise Σ_n |x_n - x̄ - V z_n|² over V and all z_n in turn, without any decomposition.

    Each half is a linear regression. This is what EM for probabilistic PCA becomes when its noise
    goes to zero (Roweis, 1998, "EM algorithms for PCA and SPCA").

    Returns:
        V (columns not orthonormal, but with the span of PCA's), z, and the mean squared error per
        point after each step.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    require(1 <= q <= min(x.shape), f"q: got {q}; want 1 to {min(x.shape)} for this x")
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    centred = x - x.mean(0)
    with seeded(seed):
        V = torch.randn(x.shape[1], q, dtype=x.dtype)
    errors = []
    for _ in range(steps):
        z = torch.linalg.lstsq(V, centred.mT).solution.mT
        V = torch.linalg.lstsq(z, centred).solution.mT
        errors.append((centred - z @ V.mT).square().sum(1).mean().item())
    return V, z, errors
