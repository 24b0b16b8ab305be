"""Annealed importance sampling: log Z of an RBM that is too large to enumerate.

Between a base model whose Z is known (β = 0: independent visible units, idle hidden ones) and the
RBM (β = 1) lies a path of unnormalised distributions over v,

    log f_β(v) = ((1 - β) aᵀ + β bᵀ) v + Σ_j log(1 + exp(β (c_j + (vᵀW)_j))).

A chain starts in the base model, is moved by a sweep of block Gibbs at each β, and collects the
log-ratios of neighbouring f's at the states where it is. The mean of the weights exp(·) is Z
without bias, however few steps there are; more steps make the weights more equal.

Sources: Neal (2001), "Annealed importance sampling", Statistics and Computing 11; for RBMs:
Salakhutdinov and Murray (2008), "On the quantitative analysis of deep belief networks", ICML,
equations 11 to 17.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from dgm_lib.energy.rbm import require_rbm, require_uniforms
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.validate import require, require_tensor, require_values


class LogPartition(NamedTuple):
    """An estimate of log Z, and an interval that is meant to hold it; all in nats."""

    log_z: float
    low: float
    high: float


def ais_log_weights(
    uniforms: Float[Tensor, "k n d"],
    betas: Float[Tensor, " k+1"],
    base: Float[Tensor, " v"],
    W: Float[Tensor, "v h"],
    b: Float[Tensor, " v"],
    c: Float[Tensor, " h"],
) -> Float[Tensor, " n"]:
    """The log importance weight of n annealed chains: log Z ≈ log mean exp of them.

        log w = log Z_0 + Σ_{t=1}^{k} [log f_{β_t}(v_t) - log f_{β_{t-1}}(v_t)],
        log Z_0 = h log 2 + Σ_i log(1 + exp(a_i))

    v_1 is drawn from the base model, p(v_i = 1) = σ(a_i); v_{t+1} comes from v_t by one sweep of
    block Gibbs that leaves f_{β_t} invariant: h with p(h_j = 1 | v) = σ(β (c_j + (vᵀW)_j)), then
    v with p(v_i = 1 | h) = σ((1 - β) a_i + β (b_i + (W h)_i)).

    Args:
        uniforms: random numbers in [0, 1), d = v + h columns: visible units first, then hidden
            ones. uniforms[0] draws v_1 (its hidden columns are not used), uniforms[t] draws h and
            then v_{t+1}. A unit turns on if its uniform is below its probability.
        betas: inverse temperatures that rise from 0 to 1.
        base: the biases a of the base model; see `base_rates`.
        W: the weights, W[i, j] between visible unit i and hidden unit j.
        b: the biases of the visible units.
        c: the biases of the hidden units.

    Returns:
        The n log weights, in float64: a thousand small terms add up in each.
    """
    _require_path(betas, base, W, b, c)
    shape = (len(betas) - 1, "n", len(b) + len(c))
    require_uniforms("uniforms", uniforms, shape)
    pairs = (u.split([len(b), len(c)], 1) for u in uniforms)
    return _anneal(pairs, betas, base, W, b, c)


@torch.no_grad()
def ais_log_partition(
    model: RBM,
    base: Float[Tensor, " v"] | None = None,
    steps: int = 1000,
    chains: int = 500,
    z: float = 1.96,
    generator: torch.Generator | None = None,
) -> LogPartition:
    """log Z of an RBM of any size, with a confidence interval.

    Args:
        base: the biases of the base model; by default zeros (fair coins). `base_rates` of the
            training data is better, the more so the rarer the units are on.
        steps: how many β there are after 0, equally spaced; work grows in proportion.
        chains: how many weights to average.
        z: the half-width of the interval in standard errors; 1.96 for 95 %, 3 as in the paper.
        generator: of all the draws.

    Returns:
        log Z, and log of (the mean weight ± z standard errors). The interval knows only of the
        weights it saw: if no chain found a mode of the model, it is too low, and does not say so.
    """
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    require(chains >= 2, f"chains: got {chains}; want at least 2, for a standard error")
    require(0 < z < math.inf, f"z: got {z}; want a positive number of standard errors")
    W, b, c = model.W, model.b, model.c
    base = torch.zeros_like(b) if base is None else base
    betas = torch.linspace(0, 1, steps + 1, dtype=b.dtype, device=b.device)
    _require_path(betas, base, W, b, c)

    def uniforms() -> Iterator[tuple[Tensor, Tensor]]:
        kind = {"generator": generator, "dtype": b.dtype, "device": b.device}
        for _ in range(steps):
            yield torch.rand(chains, len(b), **kind), torch.rand(chains, len(c), **kind)

    return log_mean_interval(_anneal(uniforms(), betas, base, W, b, c), z)


def log_mean_interval(log_weights: Float[Tensor, " n"], z: float = 1.96) -> LogPartition:
    """The log of the mean weight, and of that mean ± z standard errors (-inf if not positive)."""
    require_tensor("log_weights", log_weights, ("n",), batch=True)
    n = len(log_weights)
    require(n >= 2, f"log_weights: got {n}; want at least 2, for a standard error")
    log_weights = log_weights.double()
    log_z = (log_weights.logsumexp(0) - math.log(n)).item()
    error = ((log_weights - log_z).exp().std() / math.sqrt(n)).item()  # relative to the mean
    low = log_z + math.log1p(-z * error) if z * error < 1 else -math.inf
    return LogPartition(log_z, low, log_z + math.log1p(z * error))


def base_rates(x: Float[Tensor, "n v"]) -> Float[Tensor, " v"]:
    """Biases of independent units that are on as often as in the data: logit of the mean.

    One imagined example, half on, is added, so that a unit that never changes has a finite bias.
    """
    require_tensor("x", x, ("n", "v"), batch=True)
    require_values("x", x, (0, 1))
    return torch.logit((x.sum(0) + 0.5) / (len(x) + 1))


def _anneal(
    uniforms: Iterable[tuple[Tensor, Tensor]],
    betas: Tensor,
    base: Tensor,
    W: Tensor,
    b: Tensor,
    c: Tensor,
) -> Tensor:
    """`ais_log_weights` without the checks, from (visible, hidden) uniforms as they come."""
    log_w: Tensor | float = len(c) * math.log(2) + softplus(base.double(), threshold=40).sum()
    v, beta, total = None, betas[0], None
    for (visible, hidden), following in zip(uniforms, betas[1:], strict=True):
        if v is None:
            bias = base.expand_as(visible)
        else:
            h = (hidden < torch.sigmoid(beta * total)).to(b.dtype)
            bias = torch.addmm((1 - beta) * base + beta * b, h, W.T * beta)
        v = (visible < torch.sigmoid(bias)).to(b.dtype)
        total = torch.addmm(c, v, W)
        # the difference unit by unit, then the sum: the other way round loses two digits of float32
        gain = softplus(following * total, threshold=40) - softplus(beta * total, threshold=40)
        step = (following - beta).double()
        log_w = log_w + gain.sum(1, dtype=torch.float64) + step * (v @ (b - base)).double()
        beta = following
    return log_w


def _require_path(betas: Tensor, base: Tensor, W: Tensor, b: Tensor, c: Tensor) -> None:
    require_rbm(W, b, c)
    require_tensor("base", base, (len(b),))
    require(base.dtype == b.dtype, f"base: got dtype {base.dtype}; want that of b, {b.dtype}")
    require_tensor("betas", betas, ("k+1",))
    require(len(betas) >= 2, f"betas: got {len(betas)}; want at least 2, from 0 to 1")
    rises = betas[0] == 0 and betas[-1] == 1 and bool((betas.diff() >= 0).all())
    require(rises, f"betas: got {betas[0]:g} to {betas[-1]:g}; want them to rise from 0 to 1")
