"""One iteration of EM for a mixture of Gaussians, in a single pass over the data.

The same E and M steps as `mixture.responsibilities` and `mixture.m_step`, arranged so that the data
are read once and in pieces that stay in the processor's cache, for all kinds of covariance.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.latent import mixture

KINDS = ("full", "diagonal", "spherical", "tied")


def em_iteration(
    x: Float[Tensor, "n d"],
    weights: Float[Tensor, " k"],
    means: Float[Tensor, "k d"],
    scales: Float[Tensor, "k d d"],
    kind: str,
    floor: float,
) -> tuple[tuple[Tensor, Tensor, Tensor], float, float]:
    """One E and one M step in a single pass over the data, in memory that does not grow with n.

    The E step whitens each point, y = L_k⁻¹(x - μ_k). The M step needs only Σ r, Σ r y and Σ r y yᵀ,
    in those same coordinates: they are centred at the old mean, so nothing cancels.

    Returns:
        the new (weights, means, scales), and the ELBO per example after the E and after the M step.
    """
    (k, d), n = means.shape, len(x)
    inverse, constants = mixture.inverses(scales), mixture.log_constants(weights, scales)
    mass, first = x.new_zeros(k), x.new_zeros(k, d)
    second = x.new_zeros(k, d, d)
    log_likelihood = entropy = 0.0
    for part in x.split(rows_at_once(k, d)):
        y = mixture.whiten(part.contiguous(), means, inverse)  # (k, c, d)
        joint = constants[:, None] - 0.5 * torch.linalg.vector_norm(y, dim=-1).square()  # (k, c)
        log_p = joint.logsumexp(0)
        log_r = joint - log_p
        r = log_r.exp()
        weighted = r[:, :, None] * y
        mass += r.sum(1)
        first += weighted.sum(1)
        second += weighted.mT @ y
        log_likelihood += log_p.sum().item()
        entropy -= (r * log_r.clamp_min(-1e4)).sum().item()  # 0 · -inf is 0 here

    alive = mass > torch.finfo(x.dtype).tiny * n
    share = torch.where(alive, 1 / mass, 0)[:, None]
    shift = first * share
    spread = second * share[:, :, None] - shift[:, :, None] * shift[:, None]
    covariances = torch.where(alive[:, None, None], scales @ spread @ scales.mT, scales @ scales.mT)
    new_weights = torch.where(alive, mass, 0)
    new_weights = new_weights / new_weights.sum()
    new_means = means + (scales @ shift[:, :, None]).squeeze(-1)
    new_scales = constrained(covariances, new_weights, kind, floor)

    # E_q[log p(x, z)] under the new parameters needs the same sums only
    distance = torch.linalg.solve_triangular(new_scales, covariances, upper=False)
    distance = torch.linalg.solve_triangular(new_scales, distance.mT, upper=False)
    trace = distance.diagonal(dim1=-2, dim2=-1).sum(-1)
    terms = mixture.log_constants(new_weights, new_scales) - 0.5 * trace
    expected = torch.where(alive, mass * terms, 0).sum().item()
    theta = new_weights, new_means, new_scales
    return theta, log_likelihood / n, (expected + entropy) / n


def constrained(
    covariances: Float[Tensor, "k d d"], weights: Float[Tensor, " k"], kind: str, floor: float
) -> Float[Tensor, "k d d"]:
    """Cholesky factors of the most likely covariances of this kind with no variance below `floor`.

    Of all Σ with eigenvalues of at least c, -log det Σ - tr(Σ⁻¹ S) is largest at S with its
    eigenvalues below c lifted to c.
    """
    if kind == "tied":
        pooled = (weights[:, None, None] * covariances).sum(0)
        covariances = pooled.expand_as(covariances)
    if kind in ("diagonal", "spherical"):
        variances = covariances.diagonal(dim1=-2, dim2=-1)
        if kind == "spherical":
            variances = variances.mean(-1, keepdim=True).expand_as(variances)
        return variances.clamp_min(floor).sqrt().diag_embed()
    values, vectors = torch.linalg.eigh((covariances + covariances.mT) / 2)
    if (values < floor).any():
        covariances = (vectors * values.clamp_min(floor)[:, None]) @ vectors.mT
    return torch.linalg.cholesky(covariances)


def rows_at_once(k: int, d: int) -> int:
    """How many points to treat together, so that their k · d numbers stay in the cache."""
    return max(64, 2**16 // (k * d))
