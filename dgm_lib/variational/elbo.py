"""The ELBO and what it leaves out, exact for a latent variable with K values.

    log p(x) = E_q[log p(x | z)] - KL(q ‖ p(z)) + KL(q ‖ p(z | x))
             = ELBO + gap,   for every q

With K values every expectation is a sum, so nothing here is estimated. For other models see
`forms` and `likelihood`. Jordan et al. (1999), doi:10.1023/A:1007665907178, section 5; Kingma and
Welling (2014), arXiv:1312.6114, equations 1-3.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


class Decomposition(NamedTuple):
    """The five numbers of each example, in nats, shape `(n,)` each."""

    reconstruction: Tensor
    """E_q[log p(x | z)]"""
    kl: Tensor
    """KL(q ‖ p(z)), to the prior"""
    elbo: Tensor
    """the lower bound on log p(x)"""
    gap: Tensor
    """KL(q ‖ p(z | x)), to the posterior"""
    log_prob: Tensor
    """log p(x)"""


def elbo_decomposition(
    q: Float[Tensor, "n k"],
    log_prior: Float[Tensor, " k"],
    log_likelihood: Float[Tensor, "n k"],
) -> Decomposition:
    """Split log p(x) into the ELBO and the gap, exactly, for a latent z with k values.

    The gap is computed from its own definition, KL(q ‖ p(z | x)), so that
    `log_prob = elbo + gap` is a fact to check. A term with q = 0 counts as 0, and
    log-probabilities may be as low as -1000.

    Args:
        q: q(z | x) of each example; rows sum to one, zeros allowed.
        log_prior: log p(z), in nats.
        log_likelihood: log p(x | z) of each example under each value of z, in nats.

    Returns:
        reconstruction, E_q[log p(x | z)]; kl, KL(q ‖ p(z)); elbo, the bound; gap, KL(q ‖ p(z | x));
        log_prob, log p(x): shape (n,) each, in nats. Gradients flow to all arguments.

    Raises:
        ValueError: on wrong shapes, NaN, or rows of q that are not probabilities.

    >>> q = torch.tensor([[0.5, 0.5]])
    >>> terms = elbo_decomposition(q, q[0].log(), torch.tensor([[0.0, -2.0]]))
    >>> bool(torch.isclose(terms.elbo + terms.gap, terms.log_prob))
    True
    """
    require_tensor("q", q, ("n", "k"), batch=True)
    n, k = q.shape
    require_tensor("log_prior", log_prior, (k,))
    require_tensor("log_likelihood", log_likelihood, (n, k))
    require_probabilities("q", q)

    log_joint = log_prior + log_likelihood
    log_prob = log_joint.logsumexp(-1)
    reconstruction = (q * log_likelihood).sum(-1)
    kl = discrete_kl(q, log_prior)
    gap = discrete_kl(q, log_joint - log_prob[:, None])
    return Decomposition(reconstruction, kl, reconstruction - kl, gap, log_prob)


def discrete_kl(q: Float[Tensor, "*n k"], log_p: Float[Tensor, "*#n k"]) -> Float[Tensor, "*n"]:
    """KL(q ‖ p) = Σ_z q(z) (log q(z) - log p(z)), where 0 log 0 = 0."""
    return (torch.xlogy(q, q) - q * log_p).sum(-1)


def posterior(
    log_prior: Float[Tensor, " k"], log_likelihood: Float[Tensor, "n k"]
) -> Float[Tensor, "n k"]:
    """p(z | x) by Bayes' theorem: the q that closes the gap."""
    return (log_prior + log_likelihood).softmax(-1)


def elbo_three_ways(
    q: Float[Tensor, "n k"],
    log_prior: Float[Tensor, " k"],
    log_likelihood: Float[Tensor, "n k"],
) -> dict[str, Float[Tensor, " n"]]:
    """The same bound as reconstruction - KL, as energy + entropy, and as log p(x) - gap."""
    terms = elbo_decomposition(q, log_prior, log_likelihood)
    entropy = -torch.xlogy(q, q).sum(-1)
    return {
        "reconstruction - KL(q ‖ prior)": terms.elbo,
        "E_q[log p(x, z)] + H(q)": (q * (log_prior + log_likelihood)).sum(-1) + entropy,
        "log p(x) - KL(q ‖ posterior)": terms.log_prob - terms.gap,
    }


def require_probabilities(name: str, q: Float[Tensor, "*n k"]) -> None:
    """Check that the last axis of `q` holds probabilities: none negative, sum one (to 1e-3)."""
    if (q < 0).any():
        raise ValueError(f"{name}: got the entry {q.min().item():g}; want probabilities >= 0")
    sums = q.sum(-1)
    worst = sums.flatten()[(sums - 1).abs().argmax()].item()
    require(abs(worst - 1) < 1e-3, f"{name}: got a row with sum {worst:g}; want rows that sum to 1")
