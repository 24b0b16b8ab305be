"""The restricted Boltzmann machine as a module; its mathematics is in `rbm`.

Exact where one side has at most 20 units: `log_partition`, `log_prob`, `loss`, `sample`. At any
size: the (free) energy, both conditionals, block Gibbs, reconstruction and completion.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from dgm_lib.energy.draws import bernoulli, is_binary
from dgm_lib.energy.enumeration import draw_index
from dgm_lib.energy.rbm import free_energy_from, require_rbm, side_log_weights, sides
from dgm_lib.energy.states import MAX_UNITS, require_mask, require_states, states_at
from dgm_lib.model import Energy
from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_values


class RBM(Energy):
    """p(v) = exp(-F(v)) / Z over binary visible units, with binary hidden units summed out.

    Args:
        visible: how many units the data have.
        hidden: how many more there are to explain them.
        scale: the standard deviation of the initial weights.
        seed: of the initial weights.

    >>> RBM(3, 2, scale=0.0).log_prob(torch.ones(1, 3)).exp()
    tensor([0.1250], grad_fn=<ExpBackward0>)
    """

    def __init__(self, visible: int, hidden: int, scale: float = 0.01, seed: int = 0):
        super().__init__()
        require(visible >= 1, f"visible: got {visible}; want at least one unit")
        require(hidden >= 1, f"hidden: got {hidden}; want at least one unit")
        self.visible, self.hidden = visible, hidden
        with seeded(seed):
            self.W = nn.Parameter(scale * torch.randn(visible, hidden))
        self.b = nn.Parameter(torch.zeros(visible))
        self.c = nn.Parameter(torch.zeros(hidden))

    @torch.no_grad()
    def set_weights(
        self, W: Float[Tensor, "v h"], b: Float[Tensor, " v"], c: Float[Tensor, " h"]
    ) -> "RBM":
        """Give the machine these weights and biases; returns the machine."""
        require_rbm(W, b, c)
        want = (self.visible, self.hidden)
        require(tuple(W.shape) == want, f"W: got shape {tuple(W.shape)}; want {want}")
        for mine, new in zip((self.W, self.b, self.c), (W, b, c), strict=True):
            mine.copy_(new)
        return self

    def energy(self, x: Float[Tensor, "n v"]) -> Float[Tensor, " n"]:
        """The free energy F(x) = -log p(x) - log Z, in nats."""
        require_states("x", x, self.b)
        return self.free_energy(x, self.field(x))

    def joint_energy(self, v: Float[Tensor, "n v"], h: Float[Tensor, "n h"]) -> Float[Tensor, " n"]:
        """E(v, h) = -vᵀW h - bᵀv - cᵀh of whole states, in nats."""
        require_states("v", v, self.b)
        require_states("h", h, self.c)
        return -((v @ self.W) * h).sum(-1) - v @ self.b - h @ self.c

    def hidden_probs(self, v: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """p(h_j = 1 | v) for every hidden unit; they are independent given v."""
        require_states("v", v, self.b)
        return torch.sigmoid(v @ self.W + self.c)

    def visible_probs(self, h: Float[Tensor, "n h"]) -> Float[Tensor, "n v"]:
        """p(v_i = 1 | h) for every visible unit; they are independent given h."""
        require_states("h", h, self.c)
        return torch.sigmoid(h @ self.W.T + self.b)

    def log_partition(self) -> Float[Tensor, ""]:
        """log Z, by enumeration of the smaller side, which may have 20 units."""
        return side_log_weights(*sides(self.W, self.b, self.c)).logsumexp(0)

    def log_prob(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact and differentiable, in nats; needs a side of at most 20 units."""
        self.check("x", x)
        return -self.free_energy(x, self.field(x)) - self.log_partition()

    def loss(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, ""]:
        """The mean negative log-likelihood, exact. For machines too large for that, give `fit` a
        `contrastive.ContrastiveLoss`."""
        return -self.log_prob(x).mean()

    def reconstruct(self, x: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """x through the hidden units and back, with probabilities on both ways: no draws."""
        return self.visible_probs(self.hidden_probs(x))

    @torch.no_grad()
    def gibbs(
        self, state: Float[Tensor, "n v"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """The visible units of n chains after `steps` sweeps, each of two blocks: h | v, v | h."""
        self.check("state", state)
        require(steps >= 0, f"steps: got {steps}; want 0 or more")
        return block_gibbs(self, state, steps, generator)

    @torch.no_grad()
    def complete(
        self,
        x: Float[Tensor, "n v"],
        observed: Bool[Tensor, " v"],
        sweeps: int = 100,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n v"]:
        """The observed units of x kept, and the others drawn: they start at random and run for
        `sweeps` sweeps of block Gibbs with the observed ones clamped."""
        require_states("x", x, self.b)
        require_mask("observed", observed, self.visible)
        require_values("x", x[:, observed], (0, 1))
        require(sweeps >= 1, f"sweeps: got {sweeps}; want at least 1")
        state = torch.where(observed, x, self.start(len(x), generator))
        for _ in range(sweeps):
            state = torch.where(observed, x, block_gibbs(self, state, 1, generator))
        return state

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: None = None,
        generator: torch.Generator | None = None,
        sweeps: int = 500,
    ) -> Float[Tensor, "n v"]:
        """n draws of the visible units: exact if one side has at most 20 units, else by n Gibbs
        chains that start at random and run for `sweeps` sweeps."""
        require(n >= 1, f"n: got {n}; want at least 1")
        k = min(self.visible, self.hidden)
        if k > MAX_UNITS:
            return self.gibbs(self.start(n, generator), sweeps, generator)
        weights = side_log_weights(*sides(self.W, self.b, self.c))
        s = states_at(draw_index(weights[None], generator, n), k).to(self.b.dtype)
        return bernoulli(self.visible_probs(s), generator) if self.hidden == k else s

    def start(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n v"]:
        """n states of the visible units where a chain can begin: fair coins."""
        return bernoulli(torch.full_like(self.b.detach(), 0.5).expand(n, -1), generator)

    def check(self, name: str, x: Float[Tensor, "n v"]) -> None:
        """Check that x is a batch of states of the visible units, 0 or 1."""
        if x.dtype != self.b.dtype or x.shape[1:] != self.b.shape or not is_binary(x):
            require_states(name, x, self.b)  # slower, but says what is wrong
            require_values(name, x, (0, 1))
        require(len(x) > 0, f"{name}: got an empty batch; want at least one example")

    # What follows is the inner loop of training and of Gibbs sampling: nothing is checked.

    def field(self, v: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """What each hidden unit receives from v: c + vᵀW, the logit of p(h_j = 1 | v)."""
        return torch.addmm(self.c, v, self.W)

    def free_energy(
        self, v: Float[Tensor, "n v"], field: Float[Tensor, "n h"]
    ) -> Float[Tensor, " n"]:
        """F(v), from v and the field it makes."""
        return free_energy_from(v, field, self.b)

    @torch.no_grad()
    def draw_visible(
        self, h: Float[Tensor, "n h"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """Draws from p(v | h)."""
        return bernoulli(torch.addmm(self.b, h, self.W.T).sigmoid_(), generator)


def block_gibbs(
    machine: Energy, v: Float[Tensor, "n v"], steps: int, generator: torch.Generator | None
) -> Float[Tensor, "n v"]:
    """v after `steps` sweeps of two blocks, h | v and v | h, in a machine with binary hidden units
    that knows `field` and `draw_visible`. Nothing is checked."""
    for _ in range(steps):
        v = machine.draw_visible(bernoulli(machine.field(v).sigmoid(), generator), generator)
    return v
