"""A Boltzmann machine as a module: visible units, and hidden ones if you like.

With hidden units h the energy of a whole state is still that of `boltzmann.energy`, with the visible
units first; in blocks, for weights R (visible-visible), W (visible-hidden) and S (hidden-hidden),

    E(v, h) = -½ vᵀR v - vᵀW h - ½ hᵀS h - bᵀv - cᵀh,

and data meet it through the free energy F(v) = -log Σ_h exp(-E(v, h)), so p(v) = exp(-F(v)) / Z.
Exact quantities need at most 20 units to sum over; Gibbs sampling works at any size.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dgm_lib.energy import boltzmann
from dgm_lib.energy.enumeration import clamped_log_weights, draw_index, log_weights
from dgm_lib.energy.gibbs import gibbs
from dgm_lib.energy.states import (
    MAX_UNITS,
    TABLE,
    Units,
    require_enumerable,
    require_mask,
    require_states,
    require_units,
    states_at,
)
from dgm_lib.model import Energy
from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_values


class BoltzmannMachine(Energy):
    """p(v) = Σ_h exp(-E(v, h)) / Z over binary units.

    Args:
        visible: how many units the data have.
        hidden: how many more there are, after the visible ones in every state.
        units: the values of off and on, (0, 1) or (-1, 1).
        scale: the standard deviation of the initial weights.
        seed: of the initial weights.

    >>> BoltzmannMachine(3, units=(-1, 1), scale=0.0).log_prob(torch.ones(1, 3)).exp()
    tensor([0.1250], grad_fn=<ExpBackward0>)
    """

    def __init__(
        self,
        visible: int,
        hidden: int = 0,
        units: Units = (0, 1),
        scale: float = 0.05,
        seed: int = 0,
    ):
        super().__init__()
        require(visible >= 1, f"visible: got {visible}; want at least one unit")
        require(hidden >= 0, f"hidden: got {hidden}; want 0 or more")
        require_units(units)
        self.visible, self.hidden, self.units = visible, hidden, tuple(units)
        d = visible + hidden
        with seeded(seed):
            self.pairs = nn.Parameter(scale * torch.randn(d * (d - 1) // 2))
        self.b = nn.Parameter(torch.zeros(d))
        self.register_buffer("_upper", torch.triu_indices(d, d, 1), persistent=False)
        self.register_buffer("_is_visible", torch.arange(d) < visible, persistent=False)

    @property
    def W(self) -> Float[Tensor, "d d"]:
        """The symmetric weights, made of one parameter per pair: gradients count each pair once."""
        i, j = self._upper
        upper = self.b.new_zeros(len(self.b), len(self.b)).index_put((i, j), self.pairs)
        return upper + upper.T

    @torch.no_grad()
    def set_weights(self, W: Float[Tensor, "d d"], b: Float[Tensor, " d"]) -> "BoltzmannMachine":
        """Give the machine these weights and biases; returns the machine."""
        boltzmann.require_machine(W, b)
        require(len(b) == len(self.b), f"b: got {len(b)} biases; want {len(self.b)}")
        self.pairs.copy_(W[tuple(self._upper)])
        self.b.copy_(b)
        return self

    def energy(self, x: Float[Tensor, "n v"]) -> Float[Tensor, " n"]:
        """E(x), or the free energy F(x) when there are hidden units: -log p(x) - log Z, in nats."""
        if self.hidden == 0:
            return boltzmann.energy(x, self.W, self.b)
        require_states("x", x, self.b[: self.visible])
        require_enumerable(self.hidden, "hidden units")
        return -self._log_mass(self.with_hidden(x), self._is_visible)

    def log_partition(self) -> Float[Tensor, ""]:
        """log Z, by enumeration."""
        return boltzmann.log_partition(self.W, self.b, self.units)

    def log_prob(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact and differentiable, in nats."""
        require_states("x", x, self.b[: self.visible])
        require_values("x", x, self.units)
        return -self.energy(x) - self.log_partition()

    def loss(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, ""]:
        """The mean negative log-likelihood, whose gradient is model minus data."""
        return -self.log_prob(x).mean()

    def with_hidden(self, x: Float[Tensor, "n v"]) -> Float[Tensor, "n d"]:
        """Whole states that hold x, with all hidden units off."""
        return torch.cat([x, x.new_full((len(x), self.hidden), self.units[0])], 1)

    def conditional(
        self, x: Float[Tensor, "n d"], observed: Bool[Tensor, " d"]
    ) -> Float[Tensor, "n d"]:
        """p(x_i = on | x_observed) for every unit of whole states x; see `boltzmann.conditional`."""
        return boltzmann.conditional(x, observed, self.W, self.b, self.units)

    def log_conditional(
        self, x: Float[Tensor, "n d"], query: Bool[Tensor, " d"], observed: Bool[Tensor, " d"]
    ) -> Float[Tensor, " n"]:
        """log p(x_query | x_observed) for any two sets of units; all others are summed out.

        With nothing observed this is a log marginal.
        """
        require_states("x", x, self.b)
        require_mask("query", query, len(self.b))
        require_mask("observed", observed, len(self.b))
        require_enumerable(int((~observed).sum()), "units that are not observed")
        require_values("x", x[:, observed | query], self.units)
        return self._log_mass(x, observed | query) - self._log_mass(x, observed)

    def _log_mass(self, x: Tensor, known: Tensor) -> Tensor:
        """log Σ exp(-E) over the unknown units: the log marginal of x_known, plus log Z."""
        return clamped_log_weights(x, known, self.W, self.b, self.units)[1].logsumexp(1)

    @torch.no_grad()
    def complete(
        self,
        x: Float[Tensor, "n d"],
        observed: Bool[Tensor, " d"],
        sweeps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n d"]:
        """Whole states with the observed units of x kept, and the others drawn given them.

        Args:
            sweeps: None draws exactly, by enumeration of at most 20 free units; a number starts
                the free units at random and runs so many Gibbs sweeps with the others clamped.
        """
        require_states("x", x, self.b)
        require_mask("observed", observed, len(self.b))
        require_values("x", x[:, observed], self.units)
        free = ~observed
        x = x.clone()
        if sweeps is None:
            require_enumerable(int(free.sum()), "units that are not observed")
            for part in x.split(max(1, TABLE >> int(free.sum()))):  # tables of at most 32 MB
                states, weights = clamped_log_weights(part, observed, self.W, self.b, self.units)
                part[:, free] = states[draw_index(weights, generator)]
            return x
        u = torch.rand(len(x), int(free.sum()), generator=generator, device=x.device)
        low, high = self.units
        x[:, free] = torch.where(u < 0.5, low, high).to(x.dtype)
        return gibbs(x, self.W, self.b, self.units, sweeps, observed, generator)

    def gibbs(
        self, state: Float[Tensor, "n d"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n d"]:
        """Whole states (visible and hidden) of n chains after `steps` sweeps."""
        return gibbs(state, self.W, self.b, self.units, steps, generator=generator)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: None = None,
        generator: torch.Generator | None = None,
        sweeps: int = 500,
    ) -> Float[Tensor, "n v"]:
        """n draws of the visible units: exact up to 20 units in all, else by n Gibbs chains that
        start at random and run for `sweeps` sweeps."""
        require(n >= 1, f"n: got {n}; want at least 1")
        d = len(self.b)
        if d <= MAX_UNITS:
            weights = log_weights(self.W, self.b, self.units).expand(1, -1)
            index = draw_index(weights, generator, n)
            return states_at(index, d, self.units)[:, : self.visible].to(self.b.dtype)
        blank = self.b.new_full((n, d), self.units[0])
        nothing = torch.zeros_like(self._is_visible)
        return self.complete(blank, nothing, sweeps, generator)[:, : self.visible]
