"""Gibbs sampling of a Boltzmann machine: many chains at once, and the exact effect of a sweep.

A sweep redraws each unit in turn from p(x_i | all others) = σ(gap · (Σ_j w_ij x_j + b_i)), where gap
is the distance between the values of on and off (1 for {0,1} units, 2 for ±1 units). New values
count at once. Each single redraw leaves p(x) invariant, hence so does the sweep.

Source: Geman and Geman (1984), IEEE PAMI 6.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dgm_lib.energy.enumeration import log_weights
from dgm_lib.energy.states import (
    Units,
    require_enumerable,
    require_machine,
    require_mask,
    require_states,
    require_units,
)
from dgm_lib.validate import require, require_tensor, require_values


@torch.no_grad()
def gibbs(
    x: Float[Tensor, "n d"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
    steps: int = 1,
    observed: Bool[Tensor, " d"] | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n d"]:
    """The states of n chains after `steps` sweeps, with the observed units held fixed.

    The same as `steps` calls of `boltzmann.gibbs_step`, faster: the chains lie side by side in
    memory, ±1 units are turned into {0,1} units of a machine with rescaled weights, and u < σ(t) is
    asked as logit(u) < t.
    """
    require_units(units)
    require_machine(W, b)
    require_states("x", x, b)
    require_values("x", x, units)
    require(steps >= 0, f"steps: got {steps}; want 0 or more")
    if observed is None:
        observed = torch.zeros(len(b), dtype=torch.bool)
    require_mask("observed", observed, len(b))
    low, gap = units[0], units[1] - units[0]
    free = (~observed).nonzero().flatten().tolist()
    weights, bias = gap**2 * W, gap * (b + low * W.sum(1))  # of x = low + gap · s, with s in {0,1}
    bits = ((x - low) / gap).T.clone(memory_format=torch.contiguous_format)
    rows = [(weights[i], bits[i]) for i in free]
    for _ in range(steps):
        u = torch.rand(len(free), len(x), generator=generator, dtype=x.dtype, device=x.device)
        thresholds = torch.logit(u) - bias[free, None]
        for (w, bit), threshold in zip(rows, thresholds, strict=True):
            torch.lt(threshold, w @ bits, out=bit)
    return (low + gap * bits.T).contiguous()


def exact_sweep(
    q: Float[Tensor, "m s"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> Float[Tensor, "m s"]:
    """What one Gibbs sweep makes of a distribution over all s = 2^d states.

    Args:
        q: m distributions over the states, in counting order. The identity matrix gives the
            transition matrix of the sweep, row = from, column = to.

    Returns:
        The m distributions after the sweep. p(x) comes back as it was.
    """
    require_units(units)
    require_machine(W, b)
    require_enumerable(len(b))
    require_tensor("q", q, ("m", 2 ** len(b)), batch=True)
    H = log_weights(W, b, units)
    for i in range(len(b)):
        # axes: the units before i, unit i (off, on), the units after i
        off, on = H.view(2**i, 2, -1).unbind(1)
        p = torch.sigmoid(on - off)
        either = q.view(len(q), 2**i, 2, -1).sum(2)
        q = torch.stack([either * (1 - p), either * p], 2).flatten(1)
    return q
