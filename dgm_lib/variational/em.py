"""EM for a mixture of Gaussians, as coordinate ascent on the ELBO.

The ELBO is a function of two things, q and θ. The E step maximises it over q (q = posterior, the
gap closes and the ELBO touches log p(x)); the M step maximises it over θ with q held (weighted
maximum likelihood). Neither can lower it, so log p(x) never falls. Neal and Hinton (1998),
doi:10.1007/978-94-011-5014-9_12; Dempster et al. (1977). More on mixtures is in the unit on latent
variables.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import MultivariateNormal

from dgm_lib.validate import require, require_tensor
from dgm_lib.variational.elbo import elbo_decomposition, posterior


class Mixture(NamedTuple):
    """The parameters θ of a mixture of k Gaussians in d dimensions."""

    log_weights: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    scales: Float[Tensor, "k d d"]
    """Cholesky factors of the covariances."""

    def log_likelihood(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """log p(x | z) of each example under each component, in nats."""
        law = MultivariateNormal(self.means, scale_tril=self.scales)
        return law.log_prob(x[:, None])


def e_step(x: Float[Tensor, "n d"], theta: Mixture) -> Float[Tensor, "n k"]:
    """q(z) = p(z | x): the responsibilities."""
    return posterior(theta.log_weights, theta.log_likelihood(x))


def m_step(x: Float[Tensor, "n d"], q: Float[Tensor, "n k"]) -> Mixture:
    """The θ that maximises E_q[log p(x, z)]: weighted frequencies, means and covariances.

    Raises:
        ValueError: if a component holds too few points for a covariance.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    require_tensor("q", q, (x.shape[0], "k"))
    mass = q.sum(0)
    means = q.mT @ x / mass[:, None]
    centred = x[:, None] - means
    covariance = torch.einsum("nk,nki,nkj->kij", q, centred, centred) / mass[:, None, None]
    scales, failed = torch.linalg.cholesky_ex(covariance)
    require(
        not failed.any(),
        "q: got a component with too few points for a covariance; want more mass on each",
    )
    return Mixture((mass / len(x)).log(), means, scales)


def em(
    x: Float[Tensor, "n d"], theta: Mixture, steps: int = 20
) -> tuple[Mixture, dict[str, Float[Tensor, " half_steps"]]]:
    """Alternate E and M steps, and record the bound at every half step.

    Returns:
        the fitted mixture, and a record of `elbo`, `gap` and `log_prob` (means over the data, in
        nats) after each E step (even positions) and each M step (odd positions).

    Raises:
        ValueError: as `m_step`.
    """
    require_tensor("x", x, ("n", theta.means.shape[1]), batch=True)
    record: dict[str, list[Tensor]] = {"elbo": [], "gap": [], "log_prob": []}
    for _ in range(steps):
        q = e_step(x, theta)
        for half in ("E", "M"):
            if half == "M":
                theta = m_step(x, q)
            terms = elbo_decomposition(q, theta.log_weights, theta.log_likelihood(x))
            for name, values in record.items():
                values.append(getattr(terms, name).mean())
    return theta, {name: torch.stack(values) for name, values in record.items()}
