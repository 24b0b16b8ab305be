"""Two gradient estimators of E_q[f(z)] for a Gaussian q, sample by sample, and control variates.

With z = m + L ε, ε ~ N(0, I), Σ = L Lᵀ:

    score function   ∇_m: f(z) L⁻ᵀ ε     ∇_L: f(z) tril(L⁻ᵀ (ε εᵀ - I))
    reparameterised  ∇_m: ∇f(z)          ∇_L: tril(∇f(z) εᵀ)

Both are unbiased; the first asks for f alone, the second for its gradient too, and pays back in
variance. Mohamed et al. (2020), arXiv:1906.10652, sections 4, 5 and 7.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor

Objective = Callable[[Tensor], Tensor]
"""f: a batch of z, shape (s, d), to its values, shape (s,)."""


def score_gradients(
    f: Objective,
    mean: Float[Tensor, " d"],
    scale: Float[Tensor, "d d"],
    eps: Float[Tensor, "s d"],
    baseline: Float[Tensor, " s"] | float = 0.0,
) -> tuple[Float[Tensor, "s d"], Float[Tensor, "s d d"]]:
    """Score-function gradients with respect to the mean and the Cholesky factor, one per sample.

    Raises:
        ValueError: on wrong shapes or a singular scale.
    """
    _require_gaussian(mean, scale, eps)
    value = (f(mean + eps @ scale.mT) - baseline).detach()
    whitened = torch.linalg.solve_triangular(scale.mT, eps.mT, upper=True).mT
    outer = whitened[:, :, None] * eps[:, None, :]
    score = torch.tril(outer) - torch.diag_embed(1 / scale.diagonal())
    return value[:, None] * whitened, value[:, None, None] * score


def pathwise_gradients(
    f: Objective,
    mean: Float[Tensor, " d"],
    scale: Float[Tensor, "d d"],
    eps: Float[Tensor, "s d"],
) -> tuple[Float[Tensor, "s d"], Float[Tensor, "s d d"]]:
    """Reparameterised gradients with respect to the mean and the Cholesky factor, one per sample.

    Raises:
        ValueError: on wrong shapes or a singular scale.
    """
    _require_gaussian(mean, scale, eps)
    z = (mean + eps @ scale.mT).detach().requires_grad_()
    (slope,) = torch.autograd.grad(f(z).sum(), z)
    return slope, torch.tril(slope[:, :, None] * eps[:, None, :])


def control_variate(
    g: Float[Tensor, "s *p"], h: Float[Tensor, "s *p"], h_mean: Float[Tensor, "*p"] | float = 0.0
) -> Float[Tensor, "s *p"]:
    """g - a (h - E h), with the coefficient a = Cov(g, h) / Var(h) fitted to the samples.

    `h` is any quantity that varies along with `g` and whose mean is known. The variance falls by
    the factor 1 - corr(g, h)². Fitting a on the samples themselves costs a bias of order 1/s.

    Raises:
        ValueError: on fewer than two samples.
    """
    require(g.shape[0] >= 2, f"g: got {g.shape[0]} sample; want at least 2 to fit the coefficient")
    centred = h - h.mean(0)
    spread = (centred**2).mean(0)
    slope = ((g - g.mean(0)) * centred).mean(0) / spread.clamp_min(torch.finfo(g.dtype).tiny)
    return g - slope * (h - h_mean)


def _require_gaussian(mean: Tensor, scale: Tensor, eps: Tensor) -> None:
    require_tensor("mean", mean, ("d",), batch=True)
    d = mean.shape[0]
    require_tensor("scale", scale, (d, d))
    require_tensor("eps", eps, ("s", d), batch=True)
    require(bool((scale.diagonal() > 0).all()), "scale: got a diagonal entry <= 0; want > 0")
