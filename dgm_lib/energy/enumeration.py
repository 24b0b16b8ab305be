"""Sums over all states of a Boltzmann machine, without ever holding a table of the states.

Split the d units into two halves a and c. The happiness H = -E of the whole is

    H(a, c) = H(a) + H(c) + aᵀ W_ac c,

so 2^(d/2) states of each half and one matrix product give all 2^d values: a million states take a
few megabytes and milliseconds. Everything is differentiable. Nothing here checks its input: the
public functions that use it do.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dgm_lib.energy.states import Units, all_states


def happiness(
    x: Float[Tensor, "n d"], W: Float[Tensor, "d d"], b: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """H(x) = -E(x) = Σ_{i<j} w_ij x_i x_j + Σ_i b_i x_i.

    The product xᵀWx meets each pair twice (W is symmetric), hence the half.
    """
    return ((x @ W) * x).sum(-1) / 2 + x @ b


def halves(
    W: Float[Tensor, "d d"], b: Float[Tensor, " d"], units: Units = (0, 1)
) -> tuple[Float[Tensor, "s k"], Float[Tensor, "t m"], Float[Tensor, "s t"]]:
    """The states of the first k = d // 2 units, those of the others, and H of each combination."""
    k = len(b) // 2
    kind = {"units": units, "dtype": b.dtype, "device": b.device}
    a, c = all_states(k, **kind), all_states(len(b) - k, **kind)
    H = happiness(a, W[:k, :k], b[:k])[:, None] + happiness(c, W[k:, k:], b[k:])
    return a, c, H + (a @ W[:k, k:]) @ c.T


def log_weights(
    W: Float[Tensor, "d d"], b: Float[Tensor, " d"], units: Units = (0, 1)
) -> Float[Tensor, " s"]:
    """-E(x) of all s = 2^d states, in counting order; softmax of it is p(x)."""
    return halves(W, b, units)[2].flatten()


def moments(
    W: Float[Tensor, "d d"], b: Float[Tensor, " d"], units: Units = (0, 1)
) -> tuple[Float[Tensor, ""], Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """log Z, E[x] and E[x xᵀ] under the model."""
    a, c, H = halves(W, b, units)
    log_z = H.flatten().logsumexp(0)
    p = (H - log_z).exp()
    p_a, p_c, cross = p.sum(1), p.sum(0), a.T @ p @ c
    mean = torch.cat([p_a @ a, p_c @ c])
    top = torch.cat([(a.T * p_a) @ a, cross], 1)
    bottom = torch.cat([cross.T, (c.T * p_c) @ c], 1)
    return log_z, mean, torch.cat([top, bottom])


def clamped_log_weights(
    x: Float[Tensor, "n d"],
    observed: Bool[Tensor, " d"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> tuple[Float[Tensor, "s f"], Float[Tensor, "n s"]]:
    """The states of the f free units, and -E(x) with the observed units of x held fixed.

    The observed units only add to the biases of the free ones, so this costs 2^f however many
    units are observed. The free entries of x are not looked at.
    """
    free = ~observed
    seen = x[:, observed]
    states = all_states(int(free.sum()), units, b.dtype, b.device)
    bias = b[free] + seen @ W[observed][:, free]
    fixed = happiness(seen, W[observed][:, observed], b[observed])
    within = happiness(states, W[free][:, free], torch.zeros_like(b[free]))
    return states, fixed[:, None] + within + bias @ states.T


def draw_index(
    log_weights: Float[Tensor, "m s"], generator: torch.Generator | None, n: int | None = None
) -> Int[Tensor, " n"]:
    """An index for each row, drawn with probability softmax(row); from a single row, n of them."""
    total = log_weights.double().softmax(1).cumsum(1)
    u = torch.rand(len(total), n or 1, generator=generator, dtype=total.dtype, device=total.device)
    return torch.searchsorted(total, u * total[:, -1:]).flatten()
