"""Training a deep Boltzmann machine: two RBMs with doubled weights, then all layers together.

In the machine the middle layer gets input from below and from above. An RBM trained alone would make
its weights do the work of both, twice too strong once it has neighbours on either side. So each is
trained with a copy of the outer layer beside the real one, tied to the same weights: two copies of v
below the first RBM, two copies of h2 above the second. The middle layer then sees

    p(h1 | v) = σ(c1 + 2 W1ᵀv)  in the first,      p(h1 | h2) = σ(c1 + 2 W2 h2)  in the second,

and the machine, where one copy of each is left, takes the average of the two fields.

Then joint training ascends the bound: the energy's gradient under mean field on data, minus the same
on persistent Gibbs chains.

Source: Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", AISTATS, sections 2 and 3.1.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from dgm_lib.energy.ais import base_rates
from dgm_lib.energy.contrastive import stop_if_diverged
from dgm_lib.energy.dbm import DeepBoltzmannMachine
from dgm_lib.energy.draws import bernoulli
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.fit import fit
from dgm_lib.validate import require


class DoubledLoss:
    """A loss for `fit`: PCD for an RBM one side of which is there twice, with the same weights.

    The sum s of two copies of a unit is 0, 1 or 2, and all that the machine knows of them: so the
    fantasies hold sums, the data count double, and with m copies of v and k copies of h

        F(s) = -bᵀs - k Σ_j log(1 + exp(c_j + (sᵀW)_j)).

    Args:
        side: which side is doubled.
        sweeps: Gibbs sweeps between two gradients.
        chains: how many fantasies there are.
        seed: of the chains.
    """

    def __init__(
        self,
        side: Literal["visible", "hidden"],
        sweeps: int = 1,
        chains: int = 100,
        seed: int = 0,
    ):
        require(side in ("visible", "hidden"), f"side: got {side!r}; want 'visible' or 'hidden'")
        require(sweeps >= 1, f"sweeps: got {sweeps}; want at least one sweep")
        require(chains >= 1, f"chains: got {chains}; want at least 1")
        self.copies = (2, 1) if side == "visible" else (1, 2)
        self.sweeps, self.chains, self.seed = sweeps, chains, seed
        self.generator: torch.Generator | None = None
        self.fantasies: Tensor | None = None

    def __call__(
        self, model: RBM, x: Float[Tensor, "n v"], context: None = None
    ) -> Float[Tensor, ""]:
        model.check("x", x)
        stop_if_diverged(model.W)
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
            self.fantasies = self._draw(torch.zeros_like(model.b).expand(self.chains, -1), 0)
        with torch.no_grad():
            for _ in range(self.sweeps):
                h = self._draw(model.field(self.fantasies), 1)
                self.fantasies = self._draw(torch.addmm(model.b, h, model.W.T), 0)
        data = self._free_energy(model, self.copies[0] * x)
        return data.mean() - self._free_energy(model, self.fantasies).mean()

    def _draw(self, field: Tensor, side: int) -> Tensor:
        """Each unit's sum over its copies."""
        return sum(bernoulli(field.sigmoid(), self.generator) for _ in range(self.copies[side]))

    def _free_energy(self, model: RBM, s: Tensor) -> Tensor:
        hidden = softplus(model.field(s), threshold=40).sum(-1)
        return -(s @ model.b) - self.copies[1] * hidden


def pretrain_dbm(
    x: Float[Tensor, "n v"],
    middle: int,
    top: int,
    *,
    sweeps: int = 1,
    chains: int = 100,
    epochs: int = 50,
    batch_size: int = 100,
    lr: float = 0.005,
    seed: int = 0,
    progress: bool | None = None,
) -> DeepBoltzmannMachine:
    """A machine put together from two RBMs that were trained with one side doubled.

    Args:
        x: the data, 0 or 1.
        middle: how many units h1 gets.
        top: how many units h2 gets.
        sweeps, chains: of the `DoubledLoss`.
        epochs, batch_size, lr, progress: of `fit`, for each of the two.
        seed: of all draws.
    """
    base = base_rates(x)
    first = RBM(x.shape[1], middle, seed=seed).to(x)
    second = RBM(middle, top, seed=seed + 1).to(x)
    first.set_weights(first.W.detach(), base, first.c.detach())
    options = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "progress": progress}
    loss = DoubledLoss("visible", sweeps, chains, seed)
    fit(first, x, loss=loss, valid=0.0, seed=seed, **options)

    generator = torch.Generator(x.device).manual_seed(seed)
    above = DoubledLoss("hidden", sweeps, chains, seed + 1)

    def on_top(model: RBM, x: Tensor, context: None = None) -> Tensor:
        """The second RBM's loss, on fresh draws of h1 given both copies of x."""
        return above(model, bernoulli(first.field(2 * x).detach().sigmoid(), generator))

    fit(second, x, loss=on_top, valid=0.0, seed=seed + 1, **options)
    return join(first, second)


def join(first: RBM, second: RBM) -> DeepBoltzmannMachine:
    """The machine made of two RBMs that were trained with one side doubled: its middle layer gets the
    average of the fields in the two, c + 2 W1ᵀv in the first and b + 2 W2 h2 in the second."""
    came = f"{first.hidden} hidden units in first, {second.visible} visible ones in second"
    require(first.hidden == second.visible, f"first, second: got {came}; want equally many")
    machine = DeepBoltzmannMachine(first.visible, first.hidden, second.hidden).to(first.W)
    weights = (first.W, second.W, first.b, (first.c + second.b) / 2, second.c)
    return machine.set_weights(*(w.detach() for w in weights))


class MeanFieldLoss:
    """A loss for `fit` that trains all layers of a `DeepBoltzmannMachine` together.

        dW1 = E_data[v μ1ᵀ] - E_chains[v h1ᵀ],    dW2 = E_data[μ1 μ2ᵀ] - E_chains[h1 h2ᵀ],    ...

    and this with a minus is its gradient, with h1 in the chains replaced by its mean given v and h2.
    The value is no likelihood, so train without a validation set.

    Args:
        steps: rounds of mean field for each batch.
        sweeps: Gibbs sweeps of the persistent chains between two gradients.
        chains: how many there are.
        seed: of the chains.
    """

    def __init__(self, steps: int = 10, sweeps: int = 1, chains: int = 100, seed: int = 0):
        require(steps >= 1, f"steps: got {steps}; want at least one round")
        require(sweeps >= 1, f"sweeps: got {sweeps}; want at least one sweep")
        require(chains >= 1, f"chains: got {chains}; want at least 1")
        self.steps, self.sweeps, self.chains, self.seed = steps, sweeps, chains, seed
        self.generator: torch.Generator | None = None
        self.fantasies: Tensor | None = None

    def __call__(
        self, model: DeepBoltzmannMachine, x: Float[Tensor, "n v"], context: None = None
    ) -> Float[Tensor, ""]:
        stop_if_diverged(model.W1, model.W2)
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
            self.fantasies = model.start(self.chains, self.generator)
        with torch.no_grad():
            mu1, mu2 = model.mean_field(x, self.steps)
        self.fantasies = model.gibbs(self.fantasies, self.sweeps, self.generator)
        data = model.joint_energy(x, mu1, mu2)
        return data.mean() - model.free_energy(self.fantasies).mean()
