"""Learning an RBM from samples: contrastive divergence, and persistent contrastive divergence.

The gradient of -log p(v) is that of F(v), minus the mean of the same over the model's own states.
CD-k takes for the latter what k sweeps of Gibbs make of the data; PCD takes chains that go on
from one step to the next, following a model that moves slowly. CD's chains have not forgotten where
they began, which biases it; PCD's are biased only as far as the model outruns them.

Sources: Hinton (2002), Neural Computation 14; Tieleman (2008), "Training restricted Boltzmann
machines using approximations to the likelihood gradient", ICML.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.energy.draws import bernoulli
from dgm_lib.energy.gaussian_rbm import GaussianRBM
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.validate import require

LARGEST_WEIGHT = 100.0
"""Beyond this a weight only means that training has run away: already σ(100) is 1 in float64."""


class ContrastiveLoss:
    """A loss for `dgm_lib.fit.fit`: mean F(data) - mean F(fantasies), with the fantasies held fixed.

    Its gradient is minus that of `rbm.cd_gradients`. Data and fantasies go through the weights
    together, and the fields that this gives also draw the hidden units that move a PCD chain: a step
    of PCD-1 is three products of matrices, the gradient's among them. Its value is not a likelihood:
    it may rise while the model gets better, so train without a validation set.

    Where modes are far apart PCD's chains hardly cross between them; then the weights of the modes
    may swing. More chains and a smaller lr calm that; a `GaussianRBM` that learns its variances is
    the most prone to it.

    Args:
        k: Gibbs sweeps between two gradients.
        persistent: go on from the last fantasies (PCD-k), or start at the data each time (CD-k).
        chains: how many fantasies there are in PCD; CD has one for each example.
        seed: of the chains.
    """

    def __init__(self, k: int = 1, persistent: bool = False, chains: int = 100, seed: int = 0):
        require(k >= 1, f"k: got {k}; want at least one sweep")
        require(chains >= 1, f"chains: got {chains}; want at least 1")
        self.k, self.persistent, self.chains, self.seed = k, persistent, chains, seed
        self.generator: torch.Generator | None = None  # made where the model is, at the first call
        self.fantasies: Tensor | None = None
        self.hidden: Tensor | None = None  # drawn given the fantasies: where each chain goes on

    def __call__(
        self, model: RBM | GaussianRBM, x: Float[Tensor, "n v"], context: None = None
    ) -> Float[Tensor, ""]:
        model.check("x", x)
        stop_if_diverged(model.W)
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
        if not self.persistent:
            self.hidden = self._draw(model, x)
        elif self.hidden is None:
            self.hidden = self._draw(model, model.start(self.chains, self.generator))
        learning = torch.is_grad_enabled()
        if learning or not self.persistent or self.fantasies is None:  # else no chain moves
            self.fantasies = model.draw_visible(self.hidden, self.generator)
            for _ in range(self.k - 1):
                self.hidden = self._draw(model, self.fantasies)
                self.fantasies = model.draw_visible(self.hidden, self.generator)
        states = torch.cat([x, self.fantasies])  # data and fantasies in one product each way
        field = model.field(states)
        if self.persistent and learning:
            self.hidden = bernoulli(field.detach()[len(x) :].sigmoid(), self.generator)
        n, m = len(x), len(self.fantasies)
        return model.free_energy(states, field) @ x.new_tensor([1 / n] * n + [-1 / m] * m)

    @torch.no_grad()
    def _draw(self, model: RBM | GaussianRBM, v: Tensor) -> Tensor:
        return bernoulli(model.field(v).sigmoid_(), self.generator)


def stop_if_diverged(*weights: Tensor) -> None:
    """Raise FloatingPointError if a weight is so large that training must have run away."""
    for W in weights:
        low, high = torch.aminmax(W.detach())  # one pass; NaN comes through
        largest = torch.maximum(-low, high).item()
        if not largest <= LARGEST_WEIGHT:
            raise FloatingPointError(
                f"the weights diverge: the largest is {largest:.3g}; lower lr, or scale the data"
            )
