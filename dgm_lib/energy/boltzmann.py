"""The Boltzmann machine: d binary units, a weight for each pair, a bias for each unit.

    E(x) = -Σ_{i<j} w_ij x_i x_j - Σ_i b_i x_i,        p(x) = exp(-E(x)) / Z.

W is symmetric with a zero diagonal: w_ij and w_ji are one weight, written twice. Everything here is
exact, by enumeration where a sum over states is needed, so those functions stop at 20 units.

Source: Ackley, Hinton and Sejnowski (1985), "A learning algorithm for Boltzmann machines",
Cognitive Science 9. The machine as a module is in `machine`, long Gibbs chains in `gibbs`, hidden
units and Monte Carlo gradients in `learning`.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dgm_lib.energy.enumeration import clamped_log_weights, happiness, log_weights, moments
from dgm_lib.energy.states import (
    TABLE,
    Units,
    require_enumerable,
    require_machine,
    require_mask,
    require_states,
    require_units,
)
from dgm_lib.validate import require, require_tensor, require_values


def energy(
    x: Float[Tensor, "n d"], W: Float[Tensor, "d d"], b: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """The energy E(x) = -Σ_{i<j} w_ij x_i x_j - Σ_i b_i x_i of each state, in nats.

    Args:
        x: n states of d units, one per row.
        W: the weights, symmetric with a zero diagonal; each pair counts once.
        b: the biases.

    Returns:
        The n energies. Low energy means high probability.
    """
    require_machine(W, b)
    require_states("x", x, b)
    return -happiness(x, W, b)


def log_partition(
    W: Float[Tensor, "d d"], b: Float[Tensor, " d"], units: Units = (0, 1)
) -> Float[Tensor, ""]:
    """log Z = log Σ_x exp(-E(x)), the sum over all 2^d states.

    Args:
        W: the weights, symmetric with a zero diagonal.
        b: the biases.
        units: the two values of a unit, (0, 1) or (-1, 1).

    Returns:
        log Z, a scalar; finite even where Z itself overflows.
    """
    require_units(units)
    require_machine(W, b)
    require_enumerable(len(b))
    return log_weights(W, b, units).logsumexp(0)


def conditional(
    x: Float[Tensor, "n d"],
    observed: Bool[Tensor, " d"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> Float[Tensor, "n d"]:
    """The probability that each unit is on, given the observed units: p(x_i = on | x_observed).

    With nothing observed these are the marginals; with all but one observed, the conditional that
    Gibbs sampling draws from.

    Args:
        x: n states; only the observed columns matter, the others may hold anything.
        observed: which units are observed, True or False for each.
        W: the weights, symmetric with a zero diagonal.
        b: the biases.
        units: the two values (off, on) of a unit, (0, 1) or (-1, 1).

    Returns:
        A probability for each row and unit; 0 or 1 where the unit is observed.
    """
    require_units(units)
    require_machine(W, b)
    require_states("x", x, b)
    require_mask("observed", observed, len(b))
    require_enumerable(int((~observed).sum()), "units that are not observed")
    require_values("x", x[:, observed], units)
    on = (x == units[1]).to(b.dtype)
    rows = max(1, TABLE >> int((~observed).sum()))  # keeps each table of weights within 16 MB
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        states, weights = clamped_log_weights(x[part], observed, W, b, units)
        on[part, ~observed] = weights.softmax(1) @ (states == units[1]).to(b.dtype)
    return on


def gibbs_step(
    x: Float[Tensor, "n d"],
    uniforms: Float[Tensor, "n d"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> Float[Tensor, "n d"]:
    """One sweep of Gibbs sampling in n chains: each unit in turn, from first to last, is redrawn
    given the current values of all others.

    Args:
        x: the states of n chains.
        uniforms: random numbers in [0, 1); unit i of chain k turns on if uniforms[k, i] is below
            its conditional probability of being on, and off otherwise.
        W: the weights, symmetric with a zero diagonal.
        b: the biases.
        units: the two values (off, on) of a unit, (0, 1) or (-1, 1).

    Returns:
        The new states; x is left as it was.
    """
    require_units(units)
    require_machine(W, b)
    require_states("x", x, b)
    require_values("x", x, units)
    require_tensor("uniforms", uniforms, tuple(x.shape))
    require(
        bool(((uniforms >= 0) & (uniforms <= 1)).all()),
        f"uniforms: got values from {uniforms.min():g} to {uniforms.max():g}; want them in [0, 1)",
    )
    low, high = units
    x = x.clone()
    for i in range(len(b)):
        p = torch.sigmoid((high - low) * (x @ W[:, i] + b[i]))
        x[:, i] = torch.where(uniforms[:, i] < p, high, low)
    return x


def bm_gradients(
    x: Float[Tensor, "n d"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> tuple[Float[Tensor, "d d"], Float[Tensor, " d"]]:
    """The exact gradient of the mean log-likelihood (1/n) Σ_k log p(x^(k)): data minus model.

        dW_ij = E_data[x_i x_j] - E_model[x_i x_j],        db_i = E_data[x_i] - E_model[x_i]

    Args:
        x: n observed states, one per row.
        W: the weights, symmetric with a zero diagonal.
        b: the biases.
        units: the two values of a unit, (0, 1) or (-1, 1).

    Returns:
        dW and db. dW is symmetric with a zero diagonal: dW[i, j] = dW[j, i] is the derivative by
        the one weight w_ij that both entries of W hold. Ascending it raises the likelihood.
    """
    require_units(units)
    require_machine(W, b)
    require_states("x", x, b)
    require_values("x", x, units)
    require_enumerable(len(b))
    _, mean, second = moments(W, b, units)
    dW = x.T @ x / len(x) - second
    return dW - torch.diag(dW.diagonal()), x.mean(0) - mean
