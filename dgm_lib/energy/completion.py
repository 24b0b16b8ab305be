"""Exact completion: what an RBM believes about some visible units, given the others.

With the observed units clamped, they only add to what the hidden units receive. The states of the
hidden units are listed, and given each of them the missing units are independent:

    p(v_i = 1 | v_obs) = Σ_h p(h | v_obs) σ(b_i + (W h)_i),
    p(h | v_obs) ∝ exp(cᵀh + v_obsᵀW_obs h) Π_{i missing} (1 + exp(b_i + (W h)_i)).

`RBM.complete` draws whole completions by Gibbs sampling instead, at any size; these are their
marginals.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import softplus

from dgm_lib.energy.rbm import require_rbm
from dgm_lib.energy.states import (
    TABLE,
    all_states,
    require_enumerable,
    require_mask,
    require_states,
)
from dgm_lib.validate import require_values


def completion_probs(
    x: Float[Tensor, "n v"],
    observed: Bool[Tensor, " v"],
    W: Float[Tensor, "v h"],
    b: Float[Tensor, " v"],
    c: Float[Tensor, " h"],
) -> Float[Tensor, "n v"]:
    """The probability that each visible unit of an RBM is on, given the observed ones.

    Args:
        x: n states; only the observed columns matter, the others may hold anything finite.
        observed: which units are observed, True or False for each.
        W: the weights, W[i, j] between visible unit i and hidden unit j.
        b: the biases of the visible units.
        c: the biases of the hidden units, at most 20.

    Returns:
        A probability for each row and unit; 0 or 1, as in x, where the unit is observed.
    """
    require_rbm(W, b, c)
    require_states("x", x, b)
    require_mask("observed", observed, len(b))
    seen = x[:, observed]
    require_values("x", seen, (0, 1))
    require_enumerable(len(c), "hidden units")
    h = all_states(len(c), dtype=b.dtype, device=b.device)
    fields = torch.addmm(b, h, W.T)  # of the visible units, one row for each state of the hidden
    missing = softplus(fields[:, ~observed], threshold=40).sum(1)
    rows = []
    for part in seen.split(max(1, TABLE // len(h))):
        p = ((c + part @ W[observed]) @ h.T + missing).softmax(1)
        rows.append(p @ torch.sigmoid(fields))
    return torch.where(observed, x, torch.cat(rows))
