"""How different two distributions are: Kullback-Leibler and Jensen-Shannon.

    KL(p ‖ q) = E_p[log p(x) - log q(x)] >= 0, and 0 only if p = q; not symmetric, may be infinite
    JS(p, q)  = ½ KL(p ‖ ½(p+q)) + ½ KL(q ‖ ½(p+q)), symmetric, at most log 2

Minimising KL(data ‖ model) over a model is maximum likelihood: E_p[log p] does not depend on it.

Source: Kullback and Leibler (1951), doi:10.1214/aoms/1177729694; Lin (1991), doi:10.1109/18.61115.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.density.gaussian import require_covariance
from dgm_lib.validate import require, require_tensor


def kl_divergence(p: Float[Tensor, " k"], q: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    """KL(p ‖ q) = Σ_i p_i log(p_i / q_i) between two laws on k outcomes, in nats.

    Args:
        p: k probabilities; an outcome with p_i = 0 contributes nothing.
        q: k probabilities.

    Returns:
        The divergence, a scalar; infinite if q_i = 0 for an outcome with p_i > 0.
    """
    require_law("p", p)
    require_law("q", q, len(p))
    possible = p > 0
    p, q = p[possible], q[possible]
    return (p * (p.log() - q.log())).sum()


def js_divergence(p: Float[Tensor, " k"], q: Float[Tensor, " k"]) -> Float[Tensor, ""]:
    """The Jensen-Shannon divergence between two laws on k outcomes, from 0 to log 2 nats.

    >>> js_divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
    tensor(0.6931)
    """
    require_law("p", p)
    require_law("q", q, len(p))
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


def gaussian_kl(
    mean_p: Float[Tensor, " d"],
    covariance_p: Float[Tensor, "d d"],
    mean_q: Float[Tensor, " d"],
    covariance_q: Float[Tensor, "d d"],
) -> Float[Tensor, ""]:
    """KL(N_p ‖ N_q) in closed form, in nats:
    ½ [tr(Σ_q⁻¹ Σ_p) + (μ_q - μ_p)ᵀ Σ_q⁻¹ (μ_q - μ_p) - d + log det Σ_q - log det Σ_p].

    Raises:
        ValueError: on wrong shapes, or a singular covariance.
    """
    require_tensor("mean_p", mean_p, ("d",))
    d = len(mean_p)
    require_tensor("mean_q", mean_q, (d,))
    L_p = require_covariance("covariance_p", covariance_p, d)
    L_q = require_covariance("covariance_q", covariance_q, d)
    both = torch.cat([L_p, (mean_q - mean_p)[:, None]], 1)
    ratio = torch.linalg.solve_triangular(L_q, both, upper=False)
    log_dets = 2 * (L_q.diagonal().log() - L_p.diagonal().log()).sum()
    return 0.5 * ((ratio**2).sum() - d + log_dets)


def monte_carlo_kl(
    log_p: Float[Tensor, " n"], log_q: Float[Tensor, " n"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """KL(p ‖ q) from n samples of p, and the standard error of that estimate.

    Args:
        log_p: log p at n draws *from p*.
        log_q: log q at the same draws.

    Returns:
        The mean of log p - log q, and its standard deviation over √n. Single terms may be
        negative; so may the estimate.
    """
    require_tensor("log_p", log_p, ("n",))
    require_tensor("log_q", log_q, (len(log_p),))
    require(len(log_p) >= 2, f"log_p: got {len(log_p)} draws; want at least 2 for an error")
    ratio = log_p - log_q
    return ratio.mean(), ratio.std() / len(ratio) ** 0.5


def require_law(name: str, p: Tensor, k: int | None = None) -> None:
    """Check that `p` holds (k) probabilities that sum to one."""
    require_tensor(name, p, ("k" if k is None else k,), batch=True)
    require(bool((p >= 0).all()), f"{name}: got the negative entry {p.min():g}; want probabilities")
    total = p.sum().item()
    require(abs(total - 1) < 1e-4, f"{name}: got entries that sum to {total:g}; want a sum of 1")
