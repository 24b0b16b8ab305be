"""A mixture of Gaussians: its density, its exact posterior, and the M step of EM.

    z ~ Categorical(π),  x | z = k ~ N(μ_k, Σ_k),   so p(x) = Σ_k π_k N(x; μ_k, Σ_k)

z takes K values, so Bayes' theorem is a sum that anyone can do: the posterior p(z = k | x) is exact,
and EM (Dempster, Laird and Rubin, 1977, doi:10.1111/j.2517-6161.1977.tb01600.x) needs no
approximation. These are plain functions of the parameters; `gaussian_mixture` makes a model of them.
Bad input (shapes, NaN, weights that are no probabilities, a singular Σ_k) raises a ValueError.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def mixture_log_prob(
    x: Float[Tensor, "n d"],
    weights: Float[Tensor, " k"],
    means: Float[Tensor, "k d"],
    covariances: Float[Tensor, "k d d"],
) -> Float[Tensor, " n"]:
    """log p(x) = log Σ_k π_k N(x; μ_k, Σ_k) of a mixture of Gaussians, in nats.

    Finite even where every N(x; μ_k, Σ_k) underflows, and where some weights are zero.

    Args:
        x: n points.
        weights: π, k probabilities that sum to one; zeros are allowed.
        means: μ_k, one per row.
        covariances: Σ_k, symmetric and positive definite.

    Returns:
        The log density of each point.
    """
    return log_joint(x, weights, means, _factors(x, weights, means, covariances)).logsumexp(1)


def responsibilities(
    x: Float[Tensor, "n d"],
    weights: Float[Tensor, " k"],
    means: Float[Tensor, "k d"],
    covariances: Float[Tensor, "k d d"],
) -> Float[Tensor, "n k"]:
    """The E step: p(z = k | x), the probability that component k made each point.

        r_k(x) = π_k N(x; μ_k, Σ_k) / Σ_j π_j N(x; μ_j, Σ_j)

    Correct even where every N(x; μ_k, Σ_k) underflows. A component of weight zero gets zero.

    Args:
        x: n points.
        weights: π, k probabilities that sum to one; zeros are allowed.
        means: μ_k, one per row.
        covariances: Σ_k, symmetric and positive definite.

    Returns:
        One row per point; each row sums to one.
    """
    return log_joint(x, weights, means, _factors(x, weights, means, covariances)).softmax(1)


def m_step(
    x: Float[Tensor, "n d"], r: Float[Tensor, "n k"]
) -> tuple[Float[Tensor, " k"], Float[Tensor, "k d"], Float[Tensor, "k d d"]]:
    """The M step: the weights, means and covariances under which Σ_n Σ_k r_nk log p(x_n, z = k)
    is largest. With N_k = Σ_n r_nk:

        π_k = N_k / n,   μ_k = Σ_n r_nk x_n / N_k,   Σ_k = Σ_n r_nk (x_n - μ_k)(x_n - μ_k)ᵀ / N_k

    A component with N_k = 0 has weight zero, so its mean and covariance do not matter; it gets those
    of all the data, never NaN.

    Args:
        x: n points.
        r: responsibilities, one row per point; rows sum to one.

    Returns:
        weights (k,), means (k, d), covariances (k, d, d). A component that holds fewer than d + 1
        points has a singular covariance.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    require_tensor("r", r, (len(x), "k"), batch=True)
    require_probabilities("r", r)
    mass = r.sum(0)
    column = torch.where(mass > 0, r, 1.0)  # an empty component counts all points alike
    share = column / column.sum(0)
    means = share.mT @ x
    centred = x - means[:, None]  # (k, n, d)
    covariances = (share.mT[:, :, None] * centred).mT @ centred
    return mass / len(x), means, covariances


def log_joint(
    x: Float[Tensor, "n d"],
    weights: Float[Tensor, " k"],
    means: Float[Tensor, "k d"],
    scales: Float[Tensor, "k d d"],
) -> Float[Tensor, "n k"]:
    """log π_k + log N(x; μ_k, Σ_k) in nats, from Cholesky factors of the Σ_k; not validated."""
    y = whiten(x, means, inverses(scales))
    return log_constants(weights, scales) - 0.5 * y.square().sum(-1).mT


def inverses(scales: Float[Tensor, "k d d"]) -> Float[Tensor, "k d d"]:
    """L_k⁻¹ for each lower triangular L_k."""
    eye = torch.eye(scales.shape[-1], dtype=scales.dtype, device=scales.device)
    return torch.linalg.solve_triangular(scales, eye.expand_as(scales), upper=False)


def whiten(
    x: Float[Tensor, "n d"], means: Float[Tensor, "k d"], inverses: Float[Tensor, "k d d"]
) -> Float[Tensor, "k n d"]:
    """L_k⁻¹ (x - μ_k): standard normal if x comes from component k."""
    return (x - means[:, None]) @ inverses.mT


def log_constants(
    weights: Float[Tensor, " k"], scales: Float[Tensor, "k d d"]
) -> Float[Tensor, " k"]:
    """log π_k - log det L_k - (d/2) log 2π: what log_joint has besides the squared distance."""
    log_det = scales.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return weights.log() - log_det - 0.5 * scales.shape[-1] * math.log(2 * math.pi)


def require_probabilities(name: str, p: Float[Tensor, "*n k"]) -> None:
    """Check that the last axis of `p` holds probabilities: none negative, sum one (to 1e-3)."""
    require(bool((p >= 0).all()), f"{name}: got the entry {p.min().item():g}; want none below 0")
    sums = p.sum(-1).flatten()
    worst = sums[(sums - 1).abs().argmax()].item()
    require(abs(worst - 1) < 1e-3, f"{name}: got probabilities with sum {worst:g}; want sum 1")


def require_mixture(
    weights: Float[Tensor, " k"], means: Float[Tensor, "k d"], covariances: Float[Tensor, "k d d"]
) -> Float[Tensor, "k d d"]:
    """Check the parameters of a mixture; returns the Cholesky factors of the covariances."""
    require_tensor("means", means, ("k", "d"), batch=True)
    k, d = means.shape
    require(d > 0, f"means: got shape ({k}, 0); want at least one dimension")
    require_tensor("weights", weights, (k,))
    require_tensor("covariances", covariances, (k, d, d))
    require_probabilities("weights", weights)
    uneven = (covariances - covariances.mT).abs().amax().item()
    size = covariances.abs().amax().item()
    require(
        uneven <= 1e-4 * size,
        f"covariances: got a matrix that differs from its transpose by {uneven:g}; want symmetric",
    )
    scales, failed = torch.linalg.cholesky_ex(covariances)
    if failed.any():
        bad = int(failed.nonzero()[0])
        raise ValueError(
            f"covariances: got a matrix for component {bad} that is singular or not positive "
            "definite; want positive variance in every direction"
        )
    return scales


def _factors(x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    scales = require_mixture(weights, means, covariances)
    require_tensor("x", x, ("n", means.shape[1]), batch=True)
    return scales
