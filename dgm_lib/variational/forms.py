"""The ELBO of any latent-variable model under any q, estimated from samples in three ways.

    log ratio          E_q[log p(x, z) - log q(z)]           nothing in closed form
    energy + entropy   E_q[log p(x, z)] + H(q)               entropy in closed form
    reconstruction     E_q[log p(x | z)] - KL(q ‖ p(z))      KL in closed form

One expectation, three variances. The last is the estimator of Kingma and Welling (2014),
arXiv:1312.6114, equation 7; the first is the only one whose variance vanishes at the posterior
(Roeder et al., 2017, arXiv:1703.09194). Closed forms come from `torch.distributions`.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from dgm_lib.model import LatentVariable
from dgm_lib.nn import draw
from dgm_lib.validate import require


def elbo_samples(
    model: LatentVariable,
    x: Float[Tensor, "n *event"],
    q: Distribution,
    samples: int = 1,
    generator: torch.Generator | None = None,
) -> dict[str, Float[Tensor, "samples n"]]:
    """One-sample estimates of the ELBO by each form, at the same draws of z.

    Args:
        model: gives prior and decoder; its encoder is not used.
        x: data.
        q: a batch of n laws of z, with `rsample`, `entropy` and a KL to the prior.
        samples: draws of z per example.

    Raises:
        ValueError: if `q` is not a batch of n laws, or samples < 1.
    """
    require(samples >= 1, f"samples: got {samples}; want at least 1")
    require(
        tuple(q.batch_shape) == (x.shape[0],),
        f"q: got a batch of shape {tuple(q.batch_shape)}; want one law per example, "
        f"({x.shape[0]},)",
    )
    z = draw(q, (samples,), generator)
    prior = model.prior()
    reconstruction = model.decode(z).log_prob(x)
    log_joint = reconstruction + prior.log_prob(z)
    return {
        "log ratio": log_joint - q.log_prob(z),
        "energy + entropy": log_joint + q.entropy(),
        "reconstruction - KL": reconstruction - kl_divergence(q, prior),
    }


def closed_form_elbo(
    model: LatentVariable,
    x: Float[Tensor, "n *event"],
    samples: int = 1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " n"]:
    """The ELBO with the model's own encoder and its KL in closed form: what a VAE maximises."""
    forms = elbo_samples(model, x, model.encode(x), samples, generator)
    return forms["reconstruction - KL"].mean(0)


def closed_form_loss(
    model: LatentVariable, x: Float[Tensor, "n *event"], context: Tensor | None = None
) -> Float[Tensor, ""]:
    """-ELBO, averaged over a batch; a `loss=` for `dgm_lib.fit.fit`."""
    return -closed_form_elbo(model, x).mean()
