"""The deep Boltzmann machine with two hidden layers: an energy, and no directed weight anywhere.

    E(v, h1, h2) = -vᵀW1 h1 - h1ᵀW2 h2 - bᵀv - c1ᵀh1 - c2ᵀh2

The middle layer hears both its neighbours, p(h1_j = 1 | v, h2) = σ(c1 + W1ᵀv + W2 h2)_j, so unlike in
a deep belief network the upper layer takes part in reading the data. Given h1 the layers v and h2 are
independent, and given these two so is h1: the machine is an RBM with the units (v, h2) on one side and
h1 on the other. Block Gibbs, log Z and AIS are those of that RBM (`as_rbm`).

The posterior p(h1, h2 | v) does not factorise; mean field puts the best factorial q = Π Bernoulli(μ)
it can find in its place, which bounds the log-likelihood:

    log p(v) >= -E(v, μ1, μ2) + H(μ1) + H(μ2) - log Z.

Sources: Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", AISTATS; mean field and joint
training: equations 4 to 8 there. Training is in `dbm_training`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_lib.energy.draws import bernoulli
from dgm_lib.energy.mean_field import dbm_mean_field, entropy
from dgm_lib.energy.rbm import free_energy_from, require_rbm, side_log_weights, sides
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.energy.states import MAX_UNITS, TABLE, all_states, require_states
from dgm_lib.model import Energy
from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_values


class DeepBoltzmannMachine(Energy):
    """p(v) = Σ_{h1, h2} exp(-E(v, h1, h2)) / Z over binary units.

    Exact, by enumeration, where few enough units are on one side: `log_partition`, `log_prob`, `loss`,
    `energy`. At any size: mean field and the bound (with log Z by AIS), block Gibbs, samples.

    Args:
        visible: how many units the data have.
        middle: how many units h1 has.
        top: how many units h2 has.
        scale: the standard deviation of the initial weights.
        seed: of the initial weights.

    >>> DeepBoltzmannMachine(3, 2, 2, scale=0.0).log_prob(torch.ones(1, 3)).exp()
    tensor([0.1250], grad_fn=<ExpBackward0>)
    """

    def __init__(self, visible: int, middle: int, top: int, scale: float = 0.01, seed: int = 0):
        super().__init__()
        for name, size in (("visible", visible), ("middle", middle), ("top", top)):
            require(size >= 1, f"{name}: got {size}; want at least one unit")
        self.visible, self.middle, self.top = visible, middle, top
        with seeded(seed):
            self.W1 = nn.Parameter(scale * torch.randn(visible, middle))
            self.W2 = nn.Parameter(scale * torch.randn(middle, top))
        self.b = nn.Parameter(torch.zeros(visible))
        self.c1 = nn.Parameter(torch.zeros(middle))
        self.c2 = nn.Parameter(torch.zeros(top))

    @torch.no_grad()
    def set_weights(
        self,
        W1: Float[Tensor, "v h1"],
        W2: Float[Tensor, "h1 h2"],
        b: Float[Tensor, " v"],
        c1: Float[Tensor, " h1"],
        c2: Float[Tensor, " h2"],
    ) -> "DeepBoltzmannMachine":
        """Give the machine these weights and biases; returns the machine."""
        require_rbm(W1, b, c1)
        require_rbm(W2, c1, c2)
        came, want = (len(b), len(c1), len(c2)), (self.visible, self.middle, self.top)
        require(came == want, f"W1, W2: got layers of {came} units; want {want}")
        mine = (self.W1, self.W2, self.b, self.c1, self.c2)
        for parameter, new in zip(mine, (W1, W2, b, c1, c2), strict=True):
            parameter.copy_(new)
        return self

    def joint_energy(
        self, v: Float[Tensor, "n v"], h1: Float[Tensor, "n h1"], h2: Float[Tensor, "n h2"]
    ) -> Float[Tensor, " n"]:
        """E(v, h1, h2) of whole states, in nats. At the means μ it is the average energy under q, for
        E is linear in each layer."""
        for name, state, bias in (("v", v, self.b), ("h1", h1, self.c1), ("h2", h2, self.c2)):
            require_states(name, state, bias)
        pairs = ((v @ self.W1) * h1).sum(-1) + ((h1 @ self.W2) * h2).sum(-1)
        return -pairs - v @ self.b - h1 @ self.c1 - h2 @ self.c2

    def energy(self, x: Float[Tensor, "n v"]) -> Float[Tensor, " n"]:
        """-log p(x) - log Z, in nats: both hidden layers summed out, one of them (the smaller, at most
        20 units) by enumeration."""
        self.check("x", x)
        field = x @ self.W1 + self.c1
        swap = self.top < self.middle
        k = min(self.middle, self.top)
        require(k <= MAX_UNITS, f"hidden layers: got {k} units in the smaller; want at most 20")
        s = all_states(k, dtype=x.dtype, device=x.device)
        if swap:  # all states of h2, with h1 summed out for each example and state
            parts = [
                softplus(field[:, None] + part @ self.W2.T, threshold=40).sum(-1) + part @ self.c2
                for part in s.split(max(1, TABLE // field.numel()))
            ]
            total = torch.cat(parts, 1)
        else:
            total = field @ s.T + softplus(s @ self.W2 + self.c2, threshold=40).sum(-1)
        return -(x @ self.b) - total.logsumexp(1)

    def log_partition(self) -> Float[Tensor, ""]:
        """log Z, by enumeration of the middle layer or of the two others, whichever is smaller; at
        most 20 units. Beyond, `ais_log_partition(model.as_rbm())` estimates it."""
        return side_log_weights(*sides(*self.as_rbm_weights())).logsumexp(0)

    def log_prob(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact and differentiable, in nats; only for machines that can be enumerated."""
        return -self.energy(x) - self.log_partition()

    def mean_field(
        self, x: Float[Tensor, "n v"], steps: int = 30
    ) -> tuple[Float[Tensor, "n h1"], Float[Tensor, "n h2"]]:
        """μ1 and μ2 after `steps` rounds of mean field: see `dbm_mean_field`."""
        self.check("x", x)
        return dbm_mean_field(x, self.W1, self.W2, self.c1, self.c2, steps)

    def elbo(
        self,
        x: Float[Tensor, "n v"],
        context: None = None,
        samples: int = 1,
        log_z: float | None = None,
        steps: int = 30,
    ) -> Float[Tensor, " n"]:
        """The mean-field lower bound on log p(x), in nats. No draws are made: `samples` is ignored.

        q is held fixed in the gradient, which changes nothing where mean field has converged.

        Args:
            log_z: an estimate by `ais_log_partition(model.as_rbm())`, up to whose error this is a
                bound; by default log Z is enumerated.
            steps: rounds of mean field.
        """
        with torch.no_grad():
            mu1, mu2 = self.mean_field(x, steps)
            spread = entropy(mu1) + entropy(mu2)
        normaliser = self.log_partition() if log_z is None else log_z
        return spread - self.joint_energy(x, mu1, mu2) - normaliser

    def loss(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, ""]:
        """Minus the mean bound, with log Z enumerated. For larger machines give `fit` a
        `dbm_training.MeanFieldLoss`."""
        return -self.elbo(x).mean()

    @torch.no_grad()
    def gibbs(
        self, state: Float[Tensor, "n s"], steps: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n s"]:
        """The even layers of n chains, v and h2 side by side (s = v + h2 columns), after `steps` sweeps
        of two blocks: the odd layer h1 | v, h2, then both even ones | h1."""
        W, b, c = self.as_rbm_weights()
        require_states("state", state, b)
        require_values("state", state, (0, 1))
        require(steps >= 0, f"steps: got {steps}; want 0 or more")
        for _ in range(steps):
            h1 = bernoulli(torch.addmm(c, state, W).sigmoid(), generator)
            state = bernoulli(torch.addmm(b, h1, W.T).sigmoid(), generator)
        return state

    def start(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n s"]:
        """n states of (v, h2) where a chain can begin: fair coins."""
        half = self.b.detach().new_full((n, self.visible + self.top), 0.5)
        return bernoulli(half, generator)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: None = None,
        generator: torch.Generator | None = None,
        sweeps: int = 500,
    ) -> Float[Tensor, "n v"]:
        """n draws of the visible units: exact where `log_partition` is, else by n Gibbs chains that
        start at random and run for `sweeps` sweeps."""
        return self.as_rbm().sample(n, generator=generator, sweeps=sweeps)[:, : self.visible]

    def as_rbm(self) -> RBM:
        """A copy of this machine as an RBM: visible units (v, h2), hidden units h1."""
        rbm = RBM(self.visible + self.top, self.middle, scale=0.0).to(self.b)
        return rbm.set_weights(*(p.detach() for p in self.as_rbm_weights()))

    def as_rbm_weights(
        self,
    ) -> tuple[Float[Tensor, "s h1"], Float[Tensor, " s"], Float[Tensor, " h1"]]:
        """W, b and c of `as_rbm`, differentiable."""
        return torch.cat([self.W1, self.W2.T]), torch.cat([self.b, self.c2]), self.c1

    def free_energy(self, state: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
        """F(v, h2) = -log Σ_h1 exp(-E) of the even layers, v and h2 side by side."""
        W, b, c = self.as_rbm_weights()
        return free_energy_from(state, torch.addmm(c, state, W), b)

    def check(self, name: str, x: Float[Tensor, "n v"]) -> None:
        """Check that x is a batch of states of the visible units, 0 or 1."""
        require_states(name, x, self.b)
        require_values(name, x, (0, 1))
