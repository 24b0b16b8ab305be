"""The linear VAE: PPCA's model, with an encoder that is learnt instead of derived.

A VAE whose decoder is linear with noise σ², and whose encoder is linear with one diagonal covariance
for all x, has the ELBO

    E_q[log p(x | z)] - KL(q ‖ p(z))
      = -½ [ |x - W m - b|²/σ² + Σ_j s_j |w_j|²/σ² + d log 2πσ² ] - ½ Σ_j [ s_j + m_j² - 1 - log s_j ]

with q(z | x) = N(m(x), diag(s)). Nothing is sampled. Its maximum over all of W, b, σ and the encoder
is the maximum likelihood of PPCA: there the columns of W are orthogonal, the posterior is diagonal and
the gap closes. Lucas et al. (2019), arXiv:1911.02469, sections 3 and 4.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_tensor
from dgm_lib.variational import linear_gaussian


def linear_vae(d: int, q: int, seed: int = 0) -> linear_gaussian.LinearGaussian:
    """A linear VAE with a random small decoder and an encoder that starts at the prior.

    Raises:
        ValueError: if q is not between 1 and d.
    """
    require(1 <= q <= d, f"q: got {q}; want 1 to {d}")
    with seeded(seed):
        weight = 0.1 * torch.randn(d, q)
    return linear_gaussian.LinearGaussian(weight, torch.zeros(d), 1.0, full=False)


def linear_vae_loss(
    model: linear_gaussian.LinearGaussian,
    x: Float[Tensor, "n d"],
    context: Tensor | None = None,
) -> Float[Tensor, ""]:
    """-ELBO in closed form, averaged over a batch; a `loss=` for `dgm_lib.fit.fit`."""
    require_tensor("x", x, ("n", model.bias.shape[0]), batch=True)
    noise, variance = (2 * model.log_sigma).exp(), (2 * model.log_std).exp()
    centre = x @ model.gain.mT + model.offset
    residual = (x - centre @ model.weight.mT - model.bias).square().sum(1)
    blur = (variance * model.weight.square().sum(0)).sum()
    d = x.shape[1]
    log_likelihood = -0.5 * ((residual + blur) / noise + d * (noise.log() + math.log(2 * math.pi)))
    kl = 0.5 * (variance + centre.square() - 1 - variance.log()).sum(1)
    return (kl - log_likelihood).mean()
