"""The restricted Boltzmann machine: visible and hidden units, and weights only between the two.

    E(v, h) = -vᵀW h - bᵀv - cᵀh,        p(v) = Σ_h exp(-E(v, h)) / Z = exp(-F(v)) / Z

Given v the hidden units are independent, and given h the visible ones: each side is drawn at once,
and either side can be summed out by hand, which leaves the free energy

    F(v) = -bᵀv - Σ_j log(1 + exp(c_j + (vᵀW)_j)).

All units are 0 or 1. Exact sums over states visit the smaller side only, so they stop where that
side has more than 20 units; `ais` estimates log Z beyond. The machine as
a module is in `rbm_machine`, training by samples in `contrastive`.

Sources: Smolensky (1986), "Information processing in dynamical systems"; Hinton (2002), "Training
products of experts by minimizing contrastive divergence", Neural Computation 14.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from dgm_lib.energy.states import MAX_UNITS, TABLE, all_states, require_states
from dgm_lib.validate import require, require_tensor, require_values


def free_energy(
    v: Float[Tensor, "n v"],
    W: Float[Tensor, "v h"],
    b: Float[Tensor, " v"],
    c: Float[Tensor, " h"],
) -> Float[Tensor, " n"]:
    """The free energy F(v) = -log Σ_h exp(-E(v, h)) = -bᵀv - Σ_j log(1 + exp(c_j + (vᵀW)_j)).

    Args:
        v: n states of the visible units, one per row.
        W: the weights, W[i, j] between visible unit i and hidden unit j.
        b: the biases of the visible units.
        c: the biases of the hidden units.

    Returns:
        The n free energies, in nats: -log p(v) up to the constant log Z. Finite wherever the
        inputs are moderate, also where exp(c_j + (vᵀW)_j) overflows.
    """
    require_rbm(W, b, c)
    require_states("v", v, b)
    return free_energy_from(v, torch.addmm(c, v, W), b)


def hidden_probs(
    v: Float[Tensor, "n v"], W: Float[Tensor, "v h"], c: Float[Tensor, " h"]
) -> Float[Tensor, "n h"]:
    """The probability that each hidden unit is on: p(h_j = 1 | v) = σ(c_j + (vᵀW)_j).

    Args:
        v: n states of the visible units, one per row.
        W: the weights, W[i, j] between visible unit i and hidden unit j.
        c: the biases of the hidden units.

    Returns:
        A probability for each row and hidden unit. Given v the hidden units are independent. The
        visible units given h follow the same rule with the sides swapped: W.T and b.
    """
    require_tensor("W", W, ("v", "h"), batch=True)
    require_rbm(W, W.new_zeros(len(W)), c)
    require_states("v", v, W[:, 0])
    return torch.sigmoid(v @ W + c)


def cd_gradients(
    v: Float[Tensor, "n v"],
    hidden_uniforms: Float[Tensor, "k n h"],
    visible_uniforms: Float[Tensor, "k n v"],
    W: Float[Tensor, "v h"],
    b: Float[Tensor, " v"],
    c: Float[Tensor, " h"],
) -> tuple[Float[Tensor, "v h"], Float[Tensor, " v"], Float[Tensor, " h"]]:
    """The contrastive divergence CD-k: data minus what k steps of block Gibbs make of the data.

    Step t draws h from p(h | v) and then a new v from p(v | h); a unit turns on if its uniform is
    below its probability. With ṽ the states after k steps and p(v) = hidden_probs(v),

        dW = (1/n) Σ [v p(v)ᵀ - ṽ p(ṽ)ᵀ],    db = (1/n) Σ [v - ṽ],    dc = (1/n) Σ [p(v) - p(ṽ)].

    The hidden units are drawn to move the chain, but enter the gradient as probabilities: less
    noise, the same mean. An ascent direction: add it (times a step) to the weights.

    Args:
        v: n observed states, 0 or 1, one per row; each starts a chain of its own.
        hidden_uniforms: random numbers in [0, 1); [t, m, j] decides hidden unit j of chain m at
            step t + 1.
        visible_uniforms: the same for the visible units.
        W: the weights, W[i, j] between visible unit i and hidden unit j.
        b: the biases of the visible units.
        c: the biases of the hidden units.

    Returns:
        dW, db and dc. For k → ∞ they are on average the gradient of the mean log-likelihood; for
        small k they are biased.

    Source: Hinton (2002), equation 5; the probabilities: Hinton (2012), "A practical guide to
    training restricted Boltzmann machines", section 3.
    """
    require_rbm(W, b, c)
    require_states("v", v, b)
    require_values("v", v, (0, 1))
    require_uniforms("hidden_uniforms", hidden_uniforms, ("k", len(v), len(c)))
    require_uniforms("visible_uniforms", visible_uniforms, (len(hidden_uniforms), *v.shape))
    model = v
    for hidden, visible in zip(hidden_uniforms, visible_uniforms, strict=True):
        h = (hidden < torch.sigmoid(model @ W + c)).to(v.dtype)
        model = (visible < torch.sigmoid(h @ W.T + b)).to(v.dtype)
    p, q = torch.sigmoid(v @ W + c), torch.sigmoid(model @ W + c)
    dW = (v.T @ p - model.T @ q) / len(v)
    return dW, (v - model).mean(0), (p - q).mean(0)


def exact_gradients(
    v: Float[Tensor, "n v"],
    W: Float[Tensor, "v h"],
    b: Float[Tensor, " v"],
    c: Float[Tensor, " h"],
) -> tuple[Float[Tensor, "v h"], Float[Tensor, " v"], Float[Tensor, " h"]]:
    """The exact gradient of the mean log-likelihood (1/n) Σ log p(v): what CD-k approximates.

        dW = E_data[v p(v)ᵀ] - E_model[v hᵀ],    and likewise for the biases

    Args:
        v: n observed states, 0 or 1, one per row.

    Returns:
        dW, db and dc. The smaller side of the machine may have 20 units, not more.
    """
    require_rbm(W, b, c)
    require_states("v", v, b)
    require_values("v", v, (0, 1))
    M, small, large = sides(W, b, c)
    weights = side_log_weights(M, small, large).softmax(0)
    product, on, mean = torch.zeros_like(M), torch.zeros_like(small), torch.zeros_like(large)
    for s, w in zip(_side_states(M), weights.split(_rows(M)), strict=True):
        q = torch.sigmoid(s @ M + large)
        s = s * w[:, None]  # product: E[small largeᵀ], on: E[small], mean: E[large]
        product, on, mean = product + s.T @ q, on + s.sum(0), mean + w @ q
    flipped = len(c) <= len(b)  # the small side is the hidden one
    second, v_mean, h_mean = (product.T, mean, on) if flipped else (product, on, mean)
    p = torch.sigmoid(v @ W + c)
    return v.T @ p / len(v) - second, v.mean(0) - v_mean, p.mean(0) - h_mean


def require_rbm(W: Tensor, b: Tensor, c: Tensor) -> None:
    """Check that W, b and c describe a machine: a weight for each pair, a bias for each unit."""
    require_tensor("b", b, ("v",), batch=True)
    require_tensor("c", c, ("h",), batch=True)
    require_tensor("W", W, (len(b), len(c)))
    require(W.dtype == b.dtype, f"W: got dtype {W.dtype}; want that of b, {b.dtype}")
    require(c.dtype == b.dtype, f"c: got dtype {c.dtype}; want that of b, {b.dtype}")


def require_uniforms(name: str, u: Tensor, shape: tuple[int | str, ...]) -> None:
    """Check that u holds numbers between 0 and 1, and is not empty."""
    require_tensor(name, u, shape, batch=True)
    require(u.numel() > 0, f"{name}: got shape {tuple(u.shape)}; want at least one of each")
    low, high = u.min(), u.max()
    came = f"values from {low:g} to {high:g}"
    require(bool((low >= 0) & (high <= 1)), f"{name}: got {came}; want them in [0, 1)")


def free_energy_from(
    v: Float[Tensor, "n v"], field: Float[Tensor, "n h"], b: Float[Tensor, " v"]
) -> Float[Tensor, " n"]:
    """F(v) from the field c + vᵀW that v makes; nothing is checked."""
    # torch's softplus(t) is t itself above a threshold; at 40 that is exact in float64 too
    return -(v @ b) - softplus(field, threshold=40).sum(-1)


def sides(W: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights (small × large), biases of the small side and of the large one."""
    return (W.T, c, b) if len(c) <= len(b) else (W, b, c)


def _rows(M: Tensor) -> int:
    """How many states of the small side to visit at once: tables of at most 16 MB in float32."""
    return max(1, TABLE // M.shape[1])


def _side_states(M: Tensor) -> tuple[Tensor, ...]:
    k = len(M)
    require(
        k <= MAX_UNITS,
        f"an RBM of {k} and {M.shape[1]} units: want a side of at most {MAX_UNITS} units to "
        "enumerate (2^units states); estimate log Z by ais_log_partition, train by ContrastiveLoss",
    )
    return all_states(k, dtype=M.dtype, device=M.device).split(_rows(M))


def side_log_weights(
    M: Float[Tensor, "s l"], small: Float[Tensor, " s"], large: Float[Tensor, " l"]
) -> Float[Tensor, " k"]:
    """log Σ_large exp(-E) of every state of the small side, in counting order."""
    parts = [-free_energy_from(s, torch.addmm(large, s, M), small) for s in _side_states(M)]
    return torch.cat(parts)
