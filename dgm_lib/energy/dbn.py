"""The deep belief network: directed layers of binary units below an RBM.

    p(v, h_1, ..., h_L) = p(v | h_1) p(h_1 | h_2) ··· p(h_{L-2} | h_{L-1}) p(h_{L-1}, h_L)

The last factor is an RBM between the two top layers; all others are layers of independent units, each
a sigmoid of the layer above. Inference runs the other way, through weights of its own:

    q(h_1, ..., h_{L-1} | v) = q(h_1 | v) q(h_2 | h_1) ···,    again with independent units.

The top layer h_L is summed out by hand (the RBM's free energy F), so with h short for h_1 .. h_{L-1}

    log p(v) >= E_q[log p(v | h_1) + ··· - F(h_{L-1}) - log q(h | v)] - log Z,

where Z belongs to the top RBM. A stack of RBMs, each trained on what the one below makes of the data,
is such a network: see `dbn_training`, which also fine-tunes it.

Source: Hinton, Osindero and Teh (2006), "A fast learning algorithm for deep belief nets", Neural
Computation 18.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from dgm_lib.energy.draws import bernoulli
from dgm_lib.energy.rbm_machine import RBM
from dgm_lib.energy.states import TABLE, all_states, require_enumerable, require_states
from dgm_lib.validate import require, require_values


class BernoulliLayer(nn.Module):
    """p(y | x): independent binary units y_j, on with probability σ(bias_j + (xᵀW)_j)."""

    def __init__(self, W: Float[Tensor, "x y"], bias: Float[Tensor, " y"]):
        super().__init__()
        self.W = nn.Parameter(W.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())

    def forward(self, x: Float[Tensor, "n x"]) -> Float[Tensor, "n y"]:
        """The logits of p(y_j = 1 | x)."""
        return torch.addmm(self.bias, x, self.W)

    def log_prob(self, y: Float[Tensor, "n y"], x: Float[Tensor, "n x"]) -> Float[Tensor, " n"]:
        """log p(y | x), row by row."""
        logits = self(x)
        return (y * logits - softplus(logits, threshold=40)).sum(-1)

    @torch.no_grad()
    def draw(
        self, x: Float[Tensor, "n x"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "n y"]:
        """A draw of y for each row of x."""
        return bernoulli(self(x).sigmoid(), generator)


class DeepBeliefNetwork(nn.Module):
    """A stack of RBMs, read as one network. It takes copies: the RBMs stay as they are.

    `down[l]` is p(h_l | h_{l+1}) with h_0 = v, `up[l]` is q(h_{l+1} | h_l), `top` is the RBM. `down`
    and `up` begin with the same weights (those of an RBM, transposed and as they are), and part in
    fine tuning.

    Args:
        rbms: from the bottom to the top; the hidden units of each are the visible units of the next.

    One RBM alone is a DBN without directed layers, and the bound is its exact log-likelihood:

    >>> DeepBeliefNetwork([RBM(3, 2, scale=0.0)]).elbo(torch.ones(1, 3)).exp()
    tensor([0.1250], grad_fn=<ExpBackward0>)
    """

    def __init__(self, rbms: Sequence[RBM]):
        super().__init__()
        require(len(rbms) >= 1, "rbms: got none; want at least one RBM")
        for i, (below, above) in enumerate(pairwise(rbms)):
            came = f"{below.hidden} hidden units in rbms[{i}], {above.visible} visible in the next"
            require(below.hidden == above.visible, f"rbms: got {came}; want equally many")
        self.sizes = (rbms[0].visible, *(rbm.hidden for rbm in rbms))
        self.down = nn.ModuleList(BernoulliLayer(rbm.W.T, rbm.b) for rbm in rbms[:-1])
        self.up = nn.ModuleList(BernoulliLayer(rbm.W, rbm.c) for rbm in rbms[:-1])
        W, b, c = (p.detach() for p in (rbms[-1].W, rbms[-1].b, rbms[-1].c))
        self.top = RBM(*self.sizes[-2:], scale=0.0).to(W).set_weights(W, b, c)

    def log_weights(
        self,
        x: Float[Tensor, "n v"],
        samples: int = 1,
        generator: torch.Generator | None = None,
        log_z: float | None = None,
    ) -> Float[Tensor, "samples n"]:
        """log p(x, h) - log q(h | x) at `samples` draws of h from q. Their mean estimates the bound,
        their log-mean-exp estimates log p(x) from below.

        Args:
            log_z: of the top RBM, estimated by `ais_log_partition(model.top)`; by default it is
                enumerated, which needs a side of at most 20 units.
        """
        self._check(x, samples)
        normaliser = self.top.log_partition() if log_z is None else log_z
        directed, log_q, top = self._ascend(x, samples, generator)
        weights = directed - log_q - self.top.energy(top) - normaliser
        return weights.view(samples, len(x))

    def elbo(
        self,
        x: Float[Tensor, "n v"],
        context: None = None,
        samples: int = 1,
        generator: torch.Generator | None = None,
        log_z: float | None = None,
    ) -> Float[Tensor, " n"]:
        """An unbiased estimate of the lower bound on log p(x), in nats; arguments as `log_weights`.

        It falls below log p(x) by KL(q(h | x) || p(h | x)). With an estimated log Z it is a bound up
        to the error of that estimate."""
        return self.log_weights(x, samples, generator, log_z).mean(0)

    def log_prob(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), exact and differentiable, in nats: sums over the states of all directed layers.

        Needs at most 20 units in each hidden layer but the last (and in any two neighbours of these
        together), and a side of at most 20 units in the top RBM."""
        self._check(x)
        for units in self.sizes[1:-1]:
            require_enumerable(units, "units of a hidden layer")
        for pair in pairwise(self.sizes[1:-1]):
            require_enumerable(sum(pair), "units of two neighbouring hidden layers")
        return self._log_marginal(0, x)

    def loss(self, x: Float[Tensor, "n v"], context: None = None) -> Float[Tensor, ""]:
        """Minus the bound, with four draws of h for each example; its gradient is unbiased for all
        weights, `up` included. Needs a top RBM that can be enumerated; for others give `fit` a
        `dbn_training.BoundLoss`."""
        return self.bound_loss(x, RBM.loss, 4)

    def bound_loss(
        self,
        x: Float[Tensor, "n v"],
        top_loss: Callable[[RBM, Tensor], Tensor],
        samples: int,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Minus the bound, where `top_loss(top, h)` stands for the mean of -log p(h) under the top.

        A draw of h lets no gradient through to q, so q learns by the score function: each draw's
        log q is pushed by how far its log-weight exceeds the mean of the example's other draws.
        """
        self._check(x, samples)
        require(samples >= 2, f"samples: got {samples}; want at least 2, to compare a draw with")
        directed, log_q, top = self._ascend(x, samples, generator)
        with torch.no_grad():
            weights = (directed - log_q - self.top.energy(top)).view(samples, -1)
            others = (weights.sum(0) - weights) / (samples - 1)
            advantage = (weights - others).flatten()
        fixed = log_q.detach()
        bound = directed - fixed + advantage * (log_q - fixed)  # the last term is 0, its slope not
        return top_loss(self.top, top) - bound.mean()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: None = None,
        generator: torch.Generator | None = None,
        sweeps: int = 500,
    ) -> Float[Tensor, "n v"]:
        """n draws of v: h_{L-1} from the top RBM (exact, or by `sweeps` sweeps of block Gibbs if
        both its layers exceed 20 units), then down layer by layer, each once."""
        return self.descend(self.top.sample(n, generator=generator, sweeps=sweeps), generator)

    def descend(
        self, h: Float[Tensor, "n h"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "n v"]:
        """A draw of v for each state of h_{L-1}, the visible layer of the top RBM."""
        for layer in reversed(self.down):
            h = layer.draw(h, generator)
        return h

    def ascend(
        self, x: Float[Tensor, "n v"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "n h"]:
        """A draw of h_{L-1} from q for each example: where the top RBM takes over."""
        self._check(x)
        return self._ascend(x, 1, generator)[2]

    def _ascend(
        self, x: Tensor, samples: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log p(x | h_1) + ··· of the directed layers, log q(h | x), and h_{L-1}, at draws of h
        from q: `samples` blocks of rows, each with all examples."""
        below = x.repeat(samples, 1)
        directed = log_q = x.new_zeros(len(below))
        for up, down in zip(self.up, self.down, strict=True):
            h = up.draw(below, generator)
            directed = directed + down.log_prob(below, h)
            log_q = log_q + up.log_prob(h, below)
            below = h
        return directed, log_q, below

    def _log_marginal(self, layer: int, x: Tensor) -> Tensor:
        """log p of states of layer `layer`, summed over everything above."""
        if layer == len(self.down):
            return self.top.log_prob(x)
        down = self.down[layer]
        above = all_states(self.sizes[layer + 1], dtype=x.dtype, device=x.device)
        logits = down(above)
        log_p = self._log_marginal(layer + 1, above) - softplus(logits, threshold=40).sum(-1)
        rows = x.split(max(1, TABLE // len(above)))
        return torch.cat([torch.logsumexp(row @ logits.T + log_p, 1) for row in rows])

    def _check(self, x: Tensor, samples: int = 1) -> None:
        require_states("x", x, self.down[0].bias if self.down else self.top.b)
        require_values("x", x, (0, 1))
        require(samples >= 1, f"samples: got {samples}; want at least 1")
