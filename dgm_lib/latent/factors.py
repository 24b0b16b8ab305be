"""What probabilistic PCA and factor analysis share: a Gaussian latent, a linear map, Gaussian noise.

    z ~ N(0, I_q),  x | z ~ N(W z + μ, Ψ),   so p(x) = N(μ, W Wᵀ + Ψ)
    p(z | x) = N(M⁻¹ WᵀΨ⁻¹(x - μ), M⁻¹),     M = I + WᵀΨ⁻¹W

Ψ is diagonal, so only q × q matrices are inverted. W is determined up to a rotation of z. EM meets the
data only through their covariance. Sources: Rubin and Thayer (1982), doi:10.1007/BF02293851; Tipping
and Bishop (1999), doi:10.1111/1467-9868.00196.
"""

import math
from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal

from dgm_lib.latent.em import ascend, rounding_for
from dgm_lib.model import LatentVariable
from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_tensor


def factor_posterior(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "d q"],
    mean: Float[Tensor, " d"],
    noise: Float[Tensor, " d"],
) -> tuple[Float[Tensor, "n q"], Float[Tensor, "q q"]]:
    """p(z | x), exact: a mean for each point, and one precision M = I + WᵀΨ⁻¹W for all.

    Both are in float64: where there is little noise, M is too uneven for float32.

    Args:
        noise: the variances on the diagonal of Ψ.
    """
    x, weight, mean, noise = x.double(), weight.double(), mean.double(), noise.double()
    scaled = weight / noise[:, None]
    precision = weight.mT @ scaled + torch.eye(weight.shape[1], dtype=x.dtype, device=x.device)
    centre = torch.linalg.solve(precision, ((x - mean) @ scaled).mT).mT
    return centre, precision


def factor_log_prob(
    x: Float[Tensor, "n d"],
    weight: Float[Tensor, "d q"],
    mean: Float[Tensor, " d"],
    noise: Float[Tensor, " d"],
) -> Float[Tensor, " n"]:
    """log N(x; μ, W Wᵀ + Ψ), in nats, in O(n d q).

    The squared distance is |Ψ^-½ (x - μ - W ẑ)|² + |ẑ|² at the posterior mean ẑ, a sum of squares;
    log det (W Wᵀ + Ψ) is log det M + log det Ψ.
    """
    z, precision = factor_posterior(x, weight, mean, noise)
    residual = x - mean - z @ weight.double().mT
    distance = (residual.square() / noise).sum(1) + z.square().sum(1)
    log_det = torch.logdet(precision) + noise.double().log().sum()
    return (-0.5 * (distance + log_det + x.shape[1] * math.log(2 * math.pi))).to(x.dtype)


class Factors(LatentVariable):
    """What both models share; a leaf says which noise is the most likely."""

    def __init__(self, q: int, floor: float = 1e-6):
        super().__init__()
        require(q >= 1, f"q: got {q}; want at least one latent dimension")
        require(0 < floor < 1, f"floor: got {floor:g}; want a share between 0 and 1")
        self.q, self.floor = q, floor
        for name in ("weight_", "mean_", "noise_", "bounds_"):
            self.register_buffer(name, None)

    @abstractmethod
    def noise_from(self, variances: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        """The most likely diagonal of Ψ, given the variance that the latents leave unexplained."""

    def _em(self, x: Tensor, steps: int, tol: float, seed: int) -> "Factors":
        """EM, which meets the data only through their covariance."""
        mean, S, least = moments(x, self.q, self.floor)
        d = x.shape[1]
        with seeded(seed):
            weight = torch.randn(d, self.q, dtype=S.dtype).to(S.device)
        weight = weight * (S.trace() / d).sqrt()
        noise = self.noise_from(S.diagonal().clamp_min(least))
        eye = torch.eye(self.q, dtype=S.dtype, device=S.device)

        def step() -> tuple[float, float]:
            nonlocal weight, noise
            scaled = weight / noise[:, None]
            covariance = torch.linalg.inv(eye + weight.mT @ scaled)  # of z given x
            gain = covariance @ scaled.mT  # E[z | x] = gain (x - mean)
            xz, zz = S @ gain.mT, covariance + gain @ S @ gain.mT
            after_e = expected(S, weight, noise, xz, zz, covariance)
            weight = torch.linalg.solve(zz, xz.mT).mT
            left = S.diagonal() - (weight * xz).sum(1)
            noise = self.noise_from(left).clamp_min(least)
            return after_e, expected(S, weight, noise, xz, zz, covariance)

        self.bounds_ = ascend(step, steps, tol, rounding_for(self.floor))
        return self._set(mean, weight, noise, x.dtype)

    def _set(self, mean: Tensor, weight: Tensor, noise: Tensor, dtype: torch.dtype) -> "Factors":
        self.mean_, self.weight_, self.noise_ = mean.to(dtype), weight.to(dtype), noise.to(dtype)
        return self

    def prior(self, context: Tensor | None = None) -> Distribution:
        self._require_fitted()
        zero = self.weight_.new_zeros(self.q)
        return MultivariateNormal(zero, torch.eye(self.q).to(zero))

    def encode(self, x: Float[Tensor, "n d"], context: Tensor | None = None) -> Distribution:
        """p(z | x), exact."""
        self._require_fitted(x)
        centre, precision = factor_posterior(x, self.weight_, self.mean_, self.noise_)
        scale = torch.linalg.cholesky(torch.linalg.inv(precision))
        return MultivariateNormal(centre.to(x.dtype), scale_tril=scale.to(x.dtype))

    def decode(self, z: Float[Tensor, "*n q"], context: Tensor | None = None) -> Distribution:
        self._require_fitted()
        return Independent(Normal(z @ self.weight_.mT + self.mean_, self.noise_.sqrt()), 1)

    def log_prob(
        self, x: Float[Tensor, "n d"], context: Tensor | None = None
    ) -> Float[Tensor, " n"]:
        """log p(x), exact, in nats."""
        self._require_fitted(x)
        return factor_log_prob(x, self.weight_, self.mean_, self.noise_)

    def _require_fitted(self, x: Tensor | None = None) -> None:
        require(self.weight_ is not None, "model: got one without parameters; want fit(x) first")
        if x is not None:
            require_tensor("x", x, ("n", len(self.mean_)), batch=True)


def moments(
    x: Float[Tensor, "n d"], q: int, floor: float
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"], float]:
    """Mean and covariance of the data in float64, and the least noise variance; checks x and q."""
    require_tensor("x", x, ("n", "d"), batch=True)
    n, d = x.shape
    require(q < d, f"q: got {q} latent dimensions for data of {d}; want fewer")
    mean = x.double().mean(0)
    centred = x.double() - mean
    S = centred.mT @ centred / n
    variance = S.trace().item() / d
    eps = torch.finfo(torch.float64).eps
    require(
        variance > eps**2 * mean.square().mean().item(),
        f"x: got {n} times the same point; want data that vary",
    )
    return mean, S, floor * variance


def expected(
    S: Float[Tensor, "d d"],
    weight: Float[Tensor, "d q"],
    noise: Float[Tensor, " d"],
    xz: Float[Tensor, "d q"],
    zz: Float[Tensor, "q q"],
    covariance: Float[Tensor, "q q"],
) -> float:
    """The ELBO per example, E_q[log p(x, z)] + H(q), from the moments E[x zᵀ] and E[z zᵀ] under q."""
    left = S.diagonal() - 2 * (weight * xz).sum(1) + ((weight @ zz) * weight).sum(1)
    log_joint = (noise.log() + left / noise + math.log(2 * math.pi)).sum() + zz.trace()
    entropy = torch.logdet(covariance) + len(zz)  # both without q log 2π, which cancels
    return 0.5 * (entropy - log_joint).item()
