"""Learning a Boltzmann machine: hidden units, and gradients from samples.

The gradient of the log-likelihood is always a difference of two expectations of x_i x_j (and x_i):
with the data clamped to the visible units, minus with nothing clamped. The first is the positive
phase, it lowers the energy of the data; the second is the negative phase, it raises the energy of
what the machine believes. Exact sums stop at 20 units; Gibbs samples go on.

Sources: Ackley, Hinton and Sejnowski (1985); persistent chains: Tieleman (2008), "Training
restricted Boltzmann machines using approximations to the likelihood gradient", ICML.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.energy.boltzmann import energy
from dgm_lib.energy.enumeration import clamped_log_weights, moments
from dgm_lib.energy.machine import BoltzmannMachine
from dgm_lib.energy.states import TABLE, Units, require_enumerable, require_machine, require_units
from dgm_lib.validate import require, require_tensor, require_values


def hidden_gradients(
    v: Float[Tensor, "n v"],
    W: Float[Tensor, "d d"],
    b: Float[Tensor, " d"],
    units: Units = (0, 1),
) -> tuple[Float[Tensor, "d d"], Float[Tensor, " d"]]:
    """The exact gradient of (1/n) Σ_k log p(v^(k)) of a machine whose last d - v units are hidden.

        dW_ij = E_data E_{h | v}[x_i x_j] - E_model[x_i x_j],    x = (v, h);    db likewise

    Returns:
        dW and db, in the convention of `boltzmann.bm_gradients`, to which this reduces if nothing
        is hidden.
    """
    require_units(units)
    require_machine(W, b)
    require_tensor("v", v, ("n", "v"), batch=True)
    d, visible = len(b), v.shape[1]
    require(1 <= visible <= d, f"v: got {visible} columns; want 1 to {d}, one per visible unit")
    require(v.dtype == b.dtype, f"v: got dtype {v.dtype}; want that of b, {b.dtype}")
    require_values("v", v, units)
    require_enumerable(d)
    x = torch.cat([v, v.new_zeros(len(v), d - visible)], 1)
    states, weights = clamped_log_weights(x, torch.arange(d) < visible, W, b, units)
    p = weights.softmax(1)
    h = p @ states
    visible_hidden = v.T @ h / len(v)
    hidden_hidden = (states.T * p.mean(0)) @ states
    top = torch.cat([v.T @ v / len(v), visible_hidden], 1)
    clamped = torch.cat([top, torch.cat([visible_hidden.T, hidden_hidden], 1)])
    _, mean, second = moments(W, b, units)
    dW = clamped - second
    return dW - torch.diag(dW.diagonal()), torch.cat([v.mean(0), h.mean(0)]) - mean


def monte_carlo_gradients(
    x: Float[Tensor, "n d"], fantasies: Float[Tensor, "m d"]
) -> tuple[Float[Tensor, "d d"], Float[Tensor, " d"]]:
    """Data minus model, with samples of the model in place of its expectation.

    Args:
        x: whole states, with the data on the visible units.
        fantasies: states drawn from the model; n and m may differ.

    Returns:
        dW and db, in the convention of `boltzmann.bm_gradients`; unbiased if the samples are exact.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    require_tensor("fantasies", fantasies, ("m", x.shape[1]), batch=True)
    dW = x.T @ x / len(x) - fantasies.T @ fantasies / len(fantasies)
    return dW - torch.diag(dW.diagonal()), x.mean(0) - fantasies.mean(0)


class MonteCarloLoss:
    """A loss for `dgm_lib.fit.fit` whose gradient is minus `monte_carlo_gradients`.

    Its value, the mean energy of the data minus that of the fantasies, is not a likelihood: it may
    rise while the model gets better. It is meant for training without a validation set.

    Args:
        chains: how many fantasies there are.
        sweeps: Gibbs sweeps between two gradients.
        persistent: go on from the last fantasies (they follow the slowly moving model), or start
            afresh at random each time (biased unless `sweeps` is large).
        seed: of the chains.
    """

    def __init__(self, chains: int = 100, sweeps: int = 1, persistent: bool = True, seed: int = 0):
        require(chains >= 1, f"chains: got {chains}; want at least 1")
        require(sweeps >= 1, f"sweeps: got {sweeps}; want at least 1")
        self.chains, self.sweeps, self.persistent, self.seed = chains, sweeps, persistent, seed
        self.generator: torch.Generator | None = None  # made where the model is, at the first call
        self.fantasies: Tensor | None = None

    def __call__(
        self, model: BoltzmannMachine, x: Float[Tensor, "n v"], context: None = None
    ) -> Float[Tensor, ""]:
        require_values("x", x, model.units)
        W, b = model.W, model.b
        if self.generator is None:
            self.generator = torch.Generator(b.device).manual_seed(self.seed)
        if self.fantasies is None or not self.persistent:
            blank = b.detach().new_full((self.chains, len(b)), model.units[0])
            nothing = torch.zeros(len(b), dtype=torch.bool)
            self.fantasies = model.complete(blank, nothing, 0, self.generator)
        if torch.is_grad_enabled() or not self.persistent:
            self.fantasies = model.gibbs(self.fantasies, self.sweeps, self.generator)
        if len(x) * 2**model.hidden <= TABLE:
            data = model.energy(x)
        else:  # too many hidden states to sum: draw them with the data clamped
            clamped = torch.arange(len(b)) < model.visible
            states = model.complete(model.with_hidden(x), clamped, self.sweeps, self.generator)
            data = energy(states, W, b)
        return data.mean() - energy(self.fantasies, W, b).mean()
