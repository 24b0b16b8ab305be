"""Gaussian q: its KL to a Gaussian prior in closed form, and samples that carry gradients.

A covariance is carried by its Cholesky factor L, Σ = L Lᵀ, and L by numbers without constraint:
`log_std` for the logarithm of its diagonal and `lower` for what stands below. Without `lower` the
law is diagonal, and `log_std` are its log standard deviations. Kingma and Welling (2014),
arXiv:1312.6114, section 2.4 and appendix B; Kucukelbir et al. (2017), arXiv:1603.00788,
section 2.4, for the full covariance.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require_tensor


def gaussian_kl(
    mean: Float[Tensor, "n d"],
    log_std: Float[Tensor, "n d"],
    prior_mean: Float[Tensor, " d"],
    prior_log_std: Float[Tensor, " d"],
) -> Float[Tensor, " n"]:
    """KL(q ‖ p) between diagonal Gaussians, in closed form.

    Args:
        mean: means of q, one row per example.
        log_std: log standard deviations of q.
        prior_mean: mean of p.
        prior_log_std: log standard deviations of p.

    Returns:
        KL(q ‖ p) of each example, in nats, summed over the d coordinates; gradients flow to all
        arguments.

    Raises:
        ValueError: on wrong shapes, NaN or an empty batch.

    >>> zero = torch.zeros(3, 2)
    >>> gaussian_kl(zero + 1, zero, zero[0], zero[0])
    tensor([1., 1., 1.])
    """
    require_tensor("mean", mean, ("n", "d"), batch=True)
    n, d = mean.shape
    require_tensor("log_std", log_std, (n, d))
    require_tensor("prior_mean", prior_mean, (d,))
    require_tensor("prior_log_std", prior_log_std, (d,))
    ratio = log_std - prior_log_std
    shift = (mean - prior_mean) * torch.exp(-prior_log_std)
    return 0.5 * (torch.expm1(2 * ratio) - 2 * ratio + shift**2).sum(-1)


def reparameterize(
    mean: Float[Tensor, "n d"],
    log_std: Float[Tensor, "n d"],
    eps: Float[Tensor, "s n d"],
    lower: Float[Tensor, "n d d"] | None = None,
) -> Float[Tensor, "s n d"]:
    """Turn standard normal noise into samples of N(mean, L Lᵀ): z = mean + L eps.

    L has exp(log_std) on its diagonal, and below it the entries of `lower` (entries of `lower` on
    or above the diagonal are ignored). Without `lower`, L is diagonal.

    Args:
        mean: one row per example.
        log_std: the logarithm of L's diagonal.
        eps: standard normal noise, s draws for each example.
        lower: the entries of L below the diagonal, or None.

    Returns:
        s samples for each example; gradients flow to mean, log_std and lower.

    Raises:
        ValueError: on wrong shapes or NaN.

    >>> reparameterize(torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([[[0.5, -1.0]]]))
    tensor([[[1.5000, 0.0000]]])
    """
    require_tensor("mean", mean, ("n", "d"), batch=True)
    n, d = mean.shape
    require_tensor("log_std", log_std, (n, d))
    require_tensor("eps", eps, ("s", n, d))
    if lower is None:
        return mean + log_std.exp() * eps
    require_tensor("lower", lower, (n, d, d))
    return mean + torch.einsum("nij,snj->sni", scale_tril(log_std, lower), eps)


def scale_tril(
    log_std: Float[Tensor, "*n d"], lower: Float[Tensor, "*n d d"]
) -> Float[Tensor, "*n d d"]:
    """The Cholesky factor L with log-diagonal `log_std` and `lower` below; log det Σ = 2 Σ log_std."""
    return torch.tril(lower, -1) + torch.diag_embed(log_std.exp())
