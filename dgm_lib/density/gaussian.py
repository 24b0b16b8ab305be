"""One Gaussian, fitted by maximum likelihood.

    log p(x) = -½ (x - μ)ᵀ Σ⁻¹ (x - μ) - ½ log det Σ - (d/2) log 2π

Setting the derivatives of Σ_k log p(x_k) by μ and by Σ⁻¹ to zero (the score equations) gives the
mean and the average outer product of the deviations. Left out: other families, priors on μ and Σ.

Source: Bishop (2006), Pattern Recognition and Machine Learning, section 2.3.4.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def gaussian_mle(
    x: Float[Tensor, "n d"],
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """The mean and the covariance under which n points are most likely.

    Args:
        x: n points in d dimensions, one per row.

    Returns:
        The mean μ, shape (d,), and the covariance Σ, shape (d, d), both by maximum likelihood.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    mean = x.mean(0)
    centred = x - mean  # before squaring: E[x²] - E[x]² cancels when the mean is large
    return mean, centred.T @ centred / len(x)


def gaussian_log_prob(
    x: Float[Tensor, "n d"], mean: Float[Tensor, " d"], covariance: Float[Tensor, "d d"]
) -> Float[Tensor, " n"]:
    """log N(x; mean, covariance) of each row, in nats, by one Cholesky factorisation.

    Raises:
        ValueError: on wrong shapes, or a covariance that is not symmetric or is singular (the
            message names a constant column).

    >>> gaussian_log_prob(torch.zeros(1, 2), torch.zeros(2), torch.eye(2))
    tensor([-1.8379])
    """
    require_tensor("mean", mean, ("d",))
    d = len(mean)
    require_tensor("x", x, ("n", d), batch=True)
    L = require_covariance("covariance", covariance, d)
    z = torch.linalg.solve_triangular(L, (x - mean).T, upper=False)
    log_det = 2 * L.diagonal().log().sum()
    return -0.5 * ((z**2).sum(0) + log_det + d * math.log(2 * math.pi))


class Gaussian:
    """N(μ, Σ) with full covariance; `fit` sets `mean_` and `covariance_`.

    >>> model = Gaussian().fit(torch.tensor([[0.0], [2.0]]))
    >>> model.mean_, model.covariance_
    (tensor([1.]), tensor([[1.]]))
    """

    mean_: Tensor
    covariance_: Tensor

    def fit(self, data: Float[Tensor, "m d"]) -> "Gaussian":
        """Maximum likelihood. Needs more points than dimensions, and spread in every direction."""
        require_tensor("data", data, ("m", "d"), batch=True)
        m, d = data.shape
        require(
            m > d,
            f"data: got {m} points in {d} dimensions, so the covariance is singular; "
            f"want at least {d + 1} points",
        )
        mean, covariance = gaussian_mle(data)
        require_covariance("the covariance of data", covariance, d)
        self.mean_, self.covariance_ = mean, covariance
        return self

    def log_prob(self, x: Float[Tensor, "n d"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact, in nats."""
        return gaussian_log_prob(x, self.mean_, self.covariance_)

    def sample(
        self, n: int, context: None = None, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n d"]:
        """μ + L ε with standard normal ε."""
        require(n >= 1, f"n: got {n}; want at least 1")
        L = torch.linalg.cholesky(self.covariance_)
        eps = torch.randn(n, len(L), generator=generator, dtype=L.dtype, device=L.device)
        return self.mean_ + eps @ L.T


def require_covariance(name: str, covariance: Tensor, d: int) -> Tensor:
    """The Cholesky factor of a (d, d) covariance, or a `ValueError` that says what is wrong."""
    require_tensor(name, covariance, (d, d))
    scale = covariance.diagonal().clamp_min(0).sqrt()
    flat = (scale <= 0).nonzero().flatten().tolist()
    require(
        not flat,
        f"{name}: got variance 0 in column {flat[0] if flat else ''}, which is constant; "
        "leave constant columns out",
    )
    correlation = covariance / scale.outer(scale)
    require(
        bool(torch.allclose(correlation, correlation.T, atol=1e-4)),
        f"{name}: got a matrix that is not symmetric; want a covariance",
    )
    smallest = torch.linalg.eigvalsh(correlation.detach()).min().item()
    require(
        smallest > 4 * d * torch.finfo(covariance.dtype).eps,
        f"{name}: got a singular matrix (smallest eigenvalue {smallest:.1e} of its correlations); "
        "want independent columns, more points than columns, and no column twice",
    )
    return torch.linalg.cholesky(covariance)
