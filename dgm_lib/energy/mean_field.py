"""Mean field: the best factorial answer to what the hidden units of a deep Boltzmann machine do.

Given v, the hidden layers h1 and h2 of a `dbm.DeepBoltzmannMachine` depend on each other. Among all
q(h1, h2) = Π_j Bernoulli(μ1_j) Π_k Bernoulli(μ2_k) mean field seeks the one with the highest bound

    log p(v) + log Z >= -E(v, μ1, μ2) + H(μ1) + H(μ2).

With one layer held fixed the bound is concave in the other and its maximum known: each unit's mean is
the sigmoid of the mean input that it gets. So it ascends one layer at a time. To update both layers
at once from old values is not an ascent, and may oscillate.

Source: Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", AISTATS, section 3.1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.energy.rbm import require_rbm
from dgm_lib.energy.states import require_states
from dgm_lib.validate import require, require_tensor


def dbm_mean_field(
    v: Float[Tensor, "n v"],
    W1: Float[Tensor, "v h1"],
    W2: Float[Tensor, "h1 h2"],
    c1: Float[Tensor, " h1"],
    c2: Float[Tensor, " h2"],
    steps: int,
) -> tuple[Float[Tensor, "n h1"], Float[Tensor, "n h2"]]:
    """Mean-field inference in a deep Boltzmann machine: μ1 and μ2, the probabilities of the hidden
    units under the factorial q(h1, h2 | v), after `steps` rounds of coordinate ascent.

    μ2 starts at 1/2 everywhere. A round updates the middle layer, then, with its new values, the top:

        μ1 = σ(c1 + vᵀW1 + W2 μ2),        μ2 = σ(c2 + μ1ᵀW2)

    Args:
        v: n states of the visible units, one per row.
        W1: the weights between the visible units and the middle layer.
        W2: the weights between the middle layer and the top layer.
        c1: the biases of the middle layer.
        c2: the biases of the top layer.
        steps: how many rounds, at least 1.

    Returns:
        μ1 and μ2. Each update maximises the bound on log p(v) in its own layer, so no round lowers
        it, and the rounds approach a fixed point.

    Source: Salakhutdinov and Hinton (2009), equations 7 and 8.
    """
    require_tensor("W1", W1, ("v", "h1"), batch=True)
    require_rbm(W1, W1.new_zeros(len(W1)), c1)
    require_rbm(W2, c1, c2)
    require_states("v", v, W1[:, 0])
    require(steps >= 1, f"steps: got {steps}; want at least one round")
    below = torch.addmm(c1, v, W1)  # what the data say stays the same
    mu2 = c2.new_full((len(v), len(c2)), 0.5)
    for _ in range(steps):
        mu1 = torch.sigmoid(torch.addmm(below, mu2, W2.T))
        mu2 = torch.sigmoid(torch.addmm(c2, mu1, W2))
    return mu1, mu2


def entropy(p: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """The entropy of independent units that are on with probabilities p, in nats."""
    return -(torch.xlogy(p, p) + torch.xlogy(1 - p, 1 - p)).sum(-1)
