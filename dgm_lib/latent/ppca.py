"""Probabilistic PCA: PCA as a model with a density, z ~ N(0, I), x | z ~ N(W z + μ, σ² I).

Integrating z out leaves p(x) = N(μ, W Wᵀ + σ² I), whose likelihood has its maximum in closed form; for
σ → 0 the posterior mean of z is PCA's projection. Tipping and Bishop (1999),
doi:10.1111/1467-9868.00196, equations 3-8 (model and optimum) and 25-28 (EM). Bad input (shapes,
NaN, a sigma that is not positive) raises a ValueError.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.latent.factors import Factors, factor_log_prob, moments
from dgm_lib.validate import require, require_tensor


def ppca_log_prob(
    x: Float[Tensor, "n d"], weight: Float[Tensor, "d q"], mean: Float[Tensor, " d"], sigma: float
) -> Float[Tensor, " n"]:
    """log p(x) of probabilistic PCA, exact: the latent is integrated out.

    The model is z ~ N(0, I), x = weight z + mean + noise, noise ~ N(0, sigma² I).

    Args:
        x: n points.
        weight: W of the model.
        mean: μ of the model.
        sigma: standard deviation of the noise, positive.

    Returns:
        log p(x) of each point, in nats.
    """
    require_tensor("weight", weight, ("d", "q"), batch=True)
    require_tensor("mean", mean, (weight.shape[0],))
    require_tensor("x", x, ("n", weight.shape[0]), batch=True)
    require(sigma > 0 and math.isfinite(sigma), f"sigma: got {sigma:g}; want a positive number")
    return factor_log_prob(x, weight, mean, torch.full_like(mean, sigma**2))


class PPCA(Factors):
    """Probabilistic PCA: x = W z + μ + noise, the same noise in every direction.

    After `fit`: `weight_` (d, q), `mean_` (d,), `noise_` (d,), all entries σ²; after fitting by EM
    also `bounds_`, the ELBO per example after every half step.

    Args:
        q: latent dimensions, fewer than the data have.
        floor: the least noise variance, as a share of the data's mean variance.

    >>> PPCA(1).fit(torch.tensor([[0.0, 2.0], [0.0, -2.0], [1.0, 0.0], [-1.0, 0.0]])).noise_
    tensor([0.5000, 0.5000])
    """

    def noise_from(self, variances: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        return variances.mean().expand_as(variances)

    @torch.no_grad()
    def fit(self, x: Float[Tensor, "n d"]) -> "PPCA":
        """The maximum of the likelihood in closed form: σ² is the mean of the d - q smallest
        eigenvalues of the covariance, W the first q eigenvectors times √(λ - σ²).

        Raises:
            ValueError: if q is not below d, or all points are the same.
        """
        mean, S, least = moments(x, self.q, self.floor)
        values, vectors = torch.linalg.eigh(S)  # smallest first
        noise = values[: -self.q].mean().clamp_min(least)
        lengths = (values[-self.q :] - noise).clamp_min(0).sqrt()
        weight = (vectors[:, -self.q :] * lengths).flip(1)
        largest = weight.gather(0, weight.abs().argmax(0, keepdim=True))
        weight = weight * torch.where(largest < 0, -1, 1)
        self.bounds_ = None
        return self._set(mean, weight, noise.expand(len(mean)), x.dtype)

    @torch.no_grad()
    def fit_em(
        self, x: Float[Tensor, "n d"], steps: int = 1000, tol: float = 1e-9, seed: int = 0
    ) -> "PPCA":
        """The same by EM from a random W; it needs no eigenvectors. Raises as `fit`."""
        return self._em(x, steps, tol, seed)
