"""Couplings of vectors, quick: cut x in two, run the network on the kept part, transform the rest.

The same map as in `dgm_lib.flows.coupling`, with less work: the network sees only the kept
coordinates and answers only for the others, and nothing is multiplied by zeros. Data to noise,
x = (a, b) with a kept:

    z = (a, b ⊙ exp(s) + t),   (s, t) = net(a, context),   log|det ∂z/∂x| = Σ s

A context (a class, say) is one more input of the network: nothing about invertibility changes.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.flows.masks import require_mask
from dgm_lib.model import Bijection
from dgm_lib.nn import MLP
from dgm_lib.validate import require, require_tensor


class Coupling(Bijection):
    """Affine (RealNVP) or additive (NICE) coupling of vectors; begins as the identity.

    Args:
        mask: (d,), 1 where a coordinate is kept, 0 where it is transformed.
        hidden: widths of the network's hidden layers.
        additive: shift only, as in NICE; the log-determinant is zero.
        context_dim: length of the context vector, 0 for none.
        bound: log-scales are bound · tanh(output), so training stays stable; None leaves them
            as the network gives them.
        activation: of the network.
        seed: of the network's initial weights.

    Raises:
        ValueError: if the mask keeps everything or nothing, or bound <= 0; on use, if the context
            does not have the promised shape.
    """

    def __init__(
        self,
        mask: Float[Tensor, " d"],
        hidden: Sequence[int] = (64, 64),
        additive: bool = False,
        context_dim: int = 0,
        bound: float | None = 2.0,
        activation: type[nn.Module] = nn.ReLU,
        seed: int = 0,
    ):
        require_mask(mask)
        require(bound is None or bound > 0, f"bound: got {bound}; want a positive number or None")
        super().__init__()
        self.additive = additive
        self.context_dim = context_dim
        self.bound = bound
        kept = mask.bool()
        self.d, self.k = len(kept), int(kept.sum())
        outputs = (self.d - self.k) * (1 if additive else 2)
        sizes = (self.k + context_dim, *hidden, outputs)
        self.net = MLP(sizes, activation, zero_last=True, seed=seed)
        for layer in self.net:
            if isinstance(layer, nn.ReLU):
                layer.inplace = True  # nobody needs what it overwrites, and memory costs time
        self.layout = (
            "kept first"
            if kept[: self.k].all()
            else "kept last"
            if kept[-self.k :].all()
            else "mixed"
        )
        order = torch.cat([kept.nonzero()[:, 0], (~kept).nonzero()[:, 0]])
        self.register_buffer("order", order)
        self.register_buffer("back", torch.argsort(order))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        kept, rest = self._cut(x)
        out = self._run(kept, context)
        if self.additive:
            return self._join(kept, rest + out), x.new_zeros(x.shape[0])
        s, t = self._scale_and_shift(out)
        return self._join(kept, torch.addcmul(t, rest, s.exp())), s.sum(1)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        kept, rest = self._cut(z)
        out = self._run(kept, context)
        if self.additive:
            return self._join(kept, rest - out), z.new_zeros(z.shape[0])
        minus_s, t = self._scale_and_shift(out, sign=-1)
        return self._join(kept, (rest - t) * minus_s.exp()), minus_s.sum(1)

    def _run(self, kept: Tensor, context: Tensor | None) -> Tensor:
        if self.context_dim == 0:
            return self.net(kept)
        shape = (kept.shape[0], self.context_dim)
        if context is None:
            raise ValueError(f"context: got None; want shape {shape}")
        require_tensor("context", context, shape)
        return self.net(torch.cat([kept, context], 1))

    def _scale_and_shift(self, out: Tensor, sign: int = 1) -> tuple[Tensor, Tensor]:
        s, t = out.chunk(2, dim=1)
        return (sign * s if self.bound is None else (sign * self.bound) * s.tanh()), t

    def _cut(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(kept, rest): views where the halves are contiguous, else a gather."""
        if self.layout == "kept last":
            rest, kept = x.split((self.d - self.k, self.k), 1)
            return kept, rest
        if self.layout == "mixed":
            x = x.index_select(1, self.order)
        return x.split((self.k, self.d - self.k), 1)

    def _join(self, kept: Tensor, rest: Tensor) -> Tensor:
        if self.layout == "kept first":
            return torch.cat([kept, rest], 1)
        if self.layout == "kept last":
            return torch.cat([rest, kept], 1)
        return torch.cat([kept, rest], 1).index_select(1, self.back)
