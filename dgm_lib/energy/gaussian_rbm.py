"""An RBM for real-valued data: Gaussian visible units, binary hidden units.

    E(v, h) = Σ_i (v_i - b_i)² / (2σ_i²) - (v/σ)ᵀW h - cᵀh

Given h the visible units are independent Gaussians N(b + σ (W h), σ²); given v the hidden units are
independent, p(h_j = 1 | v) = sigmoid(c_j + ((v/σ)ᵀW)_j). So p(v) is a mixture of 2^h Gaussians that
share their variances: completing the square in v leaves, for each h,

    log ∫ exp(-E(v, h)) dv = Σ_i log(σ_i √(2π)) + cᵀh + (b/σ)ᵀW h + ½ ‖W h‖².

Source: Welling, Rosen-Zvi and Hinton (2005), "Exponential family harmoniums", NIPS 17; this
parametrisation: Hinton (2012), "A practical guide to training RBMs", section 13.2.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_lib.energy.enumeration import draw_index
from dgm_lib.energy.rbm_machine import block_gibbs
from dgm_lib.energy.states import all_states, require_enumerable, require_states, states_at
from dgm_lib.model import Energy
from dgm_lib.nn import seeded
from dgm_lib.validate import require


class GaussianRBM(Energy):
    """p(v) = exp(-F(v)) / Z over real visible units, with binary hidden units summed out.

    Args:
        visible: how many variables the data have; standardise them.
        hidden: how many binary units there are to explain them.
        scale: the standard deviation of the initial weights.
        seed: of the initial weights.

    Without weights this is a standard normal:

    >>> GaussianRBM(2, 3, scale=0.0).log_prob(torch.zeros(1, 2)).exp().item() * 2 * math.pi
    1.0...
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
        self.log_sigma = nn.Parameter(torch.zeros(visible))

    @property
    def sigma(self) -> Float[Tensor, " v"]:
        """The standard deviation of every visible unit given the hidden ones."""
        return self.log_sigma.exp()

    def energy(self, x: Float[Tensor, "n v"]) -> Float[Tensor, " n"]:
        """The free energy F(x) = -log p(x) - log Z, in nats."""
        require_states("x", x, self.b)
        return self.free_energy(x, self.field(x))

    def hidden_probs(self, v: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """p(h_j = 1 | v) for every hidden unit; they are independent given v."""
        require_states("v", v, self.b)
        return torch.sigmoid(self.field(v))

    def visible_mean(self, h: Float[Tensor, "n h"]) -> Float[Tensor, "n v"]:
        """E[v | h]; the visible units are independent given h, with standard deviation `sigma`."""
        require_states("h", h, self.c)
        return self._visible_mean(h)

    def log_partition(self) -> Float[Tensor, ""]:
        """log Z, by enumeration of at most 20 hidden units."""
        return self._hidden_log_weights().logsumexp(0)

    def log_prob(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact and differentiable, in nats; needs at most 20 hidden units."""
        return -self.energy(x) - self.log_partition()

    def loss(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, ""]:
        """The mean negative log-likelihood, exact."""
        return -self.log_prob(x).mean()

    def reconstruct(self, x: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """x through the hidden units and back, with means on both ways: no draws."""
        return self.visible_mean(self.hidden_probs(x))

    @torch.no_grad()
    def gibbs(
        self, state: Float[Tensor, "n v"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """The visible units of n chains after `steps` sweeps, each of two blocks: h | v, v | h."""
        self.check("state", state)
        require(steps >= 0, f"steps: got {steps}; want 0 or more")
        return block_gibbs(self, state, steps, generator)

    @torch.no_grad()
    def sample(
        self, n: int, context: None = None, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """n exact draws; needs at most 20 hidden units. Run `gibbs` from `start` beyond."""
        require(n >= 1, f"n: got {n}; want at least 1")
        index = draw_index(self._hidden_log_weights()[None], generator, n)
        return self.draw_visible(states_at(index, self.hidden).to(self.b.dtype), generator)

    def start(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n v"]:
        """n states of the visible units where a chain can begin: N(b, σ²), no hidden unit on."""
        return self.draw_visible(self.c.detach().new_zeros(n, self.hidden), generator)

    def check(self, name: str, x: Float[Tensor, "n v"]) -> None:
        """Check that x is a batch of states of the visible units."""
        require_states(name, x, self.b)

    # What follows is the inner loop of training and of Gibbs sampling: nothing is checked.

    def field(self, v: Float[Tensor, "n v"]) -> Float[Tensor, "n h"]:
        """What each hidden unit receives from v: c + (v/σ)ᵀW, the logit of p(h_j = 1 | v)."""
        return torch.addmm(self.c, v / self.sigma, self.W)

    def free_energy(
        self, v: Float[Tensor, "n v"], field: Float[Tensor, "n h"]
    ) -> Float[Tensor, " n"]:
        """F(v), from v and the field it makes."""
        square = (((v - self.b) / self.sigma) ** 2).sum(-1) / 2
        return square - softplus(field, threshold=40).sum(-1)

    @torch.no_grad()
    def draw_visible(
        self, h: Float[Tensor, "n h"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """Draws from p(v | h)."""
        mean = self._visible_mean(h)
        kind = {"generator": generator, "dtype": mean.dtype, "device": mean.device}
        return mean + self.sigma * torch.randn(mean.shape, **kind)

    def _visible_mean(self, h: Tensor) -> Tensor:
        return self.b + self.sigma * (h @ self.W.T)

    def _hidden_log_weights(self) -> Tensor:
        """log ∫ exp(-E(v, h)) dv of every state h, in counting order."""
        require_enumerable(self.hidden, "hidden units")
        h = all_states(self.hidden, dtype=self.b.dtype, device=self.b.device)
        pull = h @ self.W.T
        volume = (self.log_sigma + math.log(2 * math.pi) / 2).sum()
        return volume + h @ self.c + pull @ (self.b / self.sigma) + (pull**2).sum(-1) / 2
