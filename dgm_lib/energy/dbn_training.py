"""Training a deep belief network: greedily from the bottom up, then all layers together.

Greedy: an RBM learns the data, is frozen, and turns each example into states of its hidden units,
which are the data of the next RBM. Replacing the frozen RBM's own law of h by that of a better model
of these states can only raise the bound: it contains E_q[log p(h)] and nothing else changes.

Fine tuning: gradient ascent on the bound in all weights at once, where the top RBM's log Z is left to
persistent chains. (The paper fine-tunes by the "up-down" form of wake-sleep, whose sleep phase fits q
to the model's dreams instead of raising the bound.)

Source: Hinton, Osindero and Teh (2006), "A fast learning algorithm for deep belief nets", Neural
Computation 18, sections 4 and 5.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.energy.ais import base_rates
from dgm_lib.energy.contrastive import ContrastiveLoss, stop_if_diverged
from dgm_lib.energy.dbn import DeepBeliefNetwork
from dgm_lib.energy.draws import bernoulli
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.fit import fit
from dgm_lib.validate import require, require_tensor, require_values


class BoundLoss:
    """A loss for `dgm_lib.fit.fit` that fine-tunes a `DeepBeliefNetwork`: its gradient is minus that of
    the bound, with PCD-k on the top RBM in place of the gradient of log Z.

    As with `ContrastiveLoss` the value is no likelihood, so train without a validation set.

    Args:
        samples: draws of the hidden units for each example, at least 2.
        k: Gibbs sweeps of the top RBM's chains between two gradients.
        chains: how many there are.
        seed: of the draws and of the chains.
    """

    def __init__(self, samples: int = 4, k: int = 1, chains: int = 100, seed: int = 0):
        require(samples >= 2, f"samples: got {samples}; want at least 2, to compare a draw with")
        self.samples, self.seed = samples, seed
        self.contrastive = ContrastiveLoss(k, persistent=True, chains=chains, seed=seed)
        self.generator: torch.Generator | None = None  # made where the data are, at the first call

    def __call__(
        self, model: DeepBeliefNetwork, x: Float[Tensor, "n v"], context: None = None
    ) -> Float[Tensor, ""]:
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
        stop_if_diverged(*(layer.W for layer in (*model.down, *model.up)))
        return model.bound_loss(x, self.contrastive, self.samples, self.generator)


def greedy(
    x: Float[Tensor, "n v"],
    hidden: Sequence[int],
    *,
    k: int = 1,
    persistent: bool = True,
    chains: int = 100,
    epochs: int = 50,
    batch_size: int = 100,
    lr: float = 0.005,
    seed: int = 0,
    progress: bool | None = None,
    callback: Callable[[int, int, RBM], object] | None = None,
) -> list[RBM]:
    """Train a stack of RBMs layer by layer; `DeepBeliefNetwork(greedy(...))` makes a network of it.

    Each RBM sees fresh draws of the layer below in every step. A layer of the same size as the one two
    below starts with transposed weights, hence where the RBM below left off; others start small.

    Args:
        x: the data, 0 or 1.
        hidden: the sizes of the hidden layers, from the bottom to the top.
        k, persistent, chains: of the `ContrastiveLoss`: CD-k or PCD-k.
        epochs, batch_size, lr, progress: of `fit`, for each RBM.
        seed: of all draws.
        callback: called as `callback(layer, epoch, rbm)` after every epoch.

    Returns:
        The trained RBMs, from the bottom to the top.
    """
    require(len(hidden) >= 1, "hidden: got no layer; want at least one size")
    require_tensor("x", x, ("n", "v"), batch=True)
    require_values("x", x, (0, 1))
    rbms: list[RBM] = []
    for layer, size in enumerate(hidden):
        loss = _OnTop(rbms, ContrastiveLoss(k, persistent, chains, seed + layer), seed + layer)
        data = loss.ascend(x)
        rbm = RBM(data.shape[1], size, seed=seed + layer).to(x)
        if rbms and size == rbms[-1].visible:
            rbm.set_weights(*(p.detach() for p in (rbms[-1].W.T, rbms[-1].c, rbms[-1].b)))
        else:
            rbm.set_weights(rbm.W.detach(), base_rates(data), rbm.c.detach())
        fit(
            rbm,
            x,
            loss=loss,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            valid=0.0,
            seed=seed + layer,
            progress=progress,
            callback=callback and (lambda epoch, rbm, layer=layer: callback(layer, epoch, rbm)),
        )
        rbms.append(rbm)
    return rbms


class _OnTop:
    """A loss of the next RBM, on what the frozen ones below make of the data."""

    def __init__(self, below: Sequence[RBM], loss: ContrastiveLoss, seed: int):
        self.below, self.loss = tuple(below), loss
        self.generator: torch.Generator | None = None  # made where the data are
        self.seed = seed

    @torch.no_grad()
    def ascend(self, x: Tensor) -> Tensor:
        if self.generator is None:
            self.generator = torch.Generator(x.device).manual_seed(self.seed)
        for rbm in self.below:
            x = bernoulli(rbm.field(x).sigmoid(), self.generator)
        return x

    def __call__(self, model: RBM, x: Tensor, context: None = None) -> Tensor:
        return self.loss(model, self.ascend(x))
