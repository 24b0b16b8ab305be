"""The affine coupling of RealNVP, as the paper writes it: with a mask, on any shape.

A mask b keeps some entries (1) and transforms the others (0). A network sees the kept ones only,
b ⊙ x, and says how to scale and shift the rest. Data to noise, with (s, t) = net(b ⊙ x):

    z = b ⊙ x + (1 - b) ⊙ (x ⊙ exp(s) + t)          log|det ∂z/∂x| = Σ_i (1 - b_i) s_i
    x = b ⊙ z + (1 - b) ⊙ ((z - t) ⊙ exp(-s))       log|det ∂x/∂z| = minus that

The kept entries are the same in x and z, so the inverse can run the same network on b ⊙ z: it is
never inverted itself. With s = 0 this is the additive coupling of NICE, which keeps volume.

Dinh et al. (2017), arXiv:1605.08803, equations 6 and 9. This form costs a full-width network and
fits images; `dgm_lib.flows.vector` has the one that cuts vectors in two, which is faster.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.flows.masks import require_mask
from dgm_lib.model import Bijection
from dgm_lib.validate import require, require_tensor


def coupling_forward(
    x: Float[Tensor, "n *event"],
    mask: Float[Tensor, "*event"],
    net: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n *event"]:
    """One affine coupling, from data to noise.

    Args:
        x: a batch of vectors (n, d) or images (n, c, h, w).
        mask: 1 where an entry is kept, 0 where it is transformed; the shape of one example.
        net: maps a batch (n, d, ...) to (n, 2d, ...): along dimension 1, the first half is the
            log-scale s and the second half the shift t, one of each per entry of x. It must be
            given the kept entries only, with zeros in place of the others.

    Returns:
        z, of the shape and dtype of x.

    Raises:
        ValueError: if the mask keeps everything or nothing, or shapes do not fit.
    """
    _require(x, "x", mask)
    s, t = _scale_and_shift(x, mask, net)
    return x * s.exp() + t


def coupling_inverse(
    z: Float[Tensor, "n *event"],
    mask: Float[Tensor, "*event"],
    net: Callable[[Tensor], Tensor],
) -> Float[Tensor, "n *event"]:
    """The same coupling from noise to data: undoes `coupling_forward`.

    Args:
        z: a batch of vectors (n, d) or images (n, c, h, w).
        mask: 1 where an entry is kept, 0 where it is transformed; the shape of one example.
        net: the network of `coupling_forward`: (n, d, ...) to (n, 2d, ...), log-scale s first and
            shift t second along dimension 1.

    Returns:
        x, of the shape and dtype of z.

    Raises:
        ValueError: if the mask keeps everything or nothing, or shapes do not fit.
    """
    _require(z, "z", mask)
    s, t = _scale_and_shift(z, mask, net)
    return (z - t) * torch.exp(-s)


def coupling_log_det(
    x: Float[Tensor, "n *event"],
    mask: Float[Tensor, "*event"],
    net: Callable[[Tensor], Tensor],
) -> Float[Tensor, " n"]:
    """log|det ∂z/∂x| of `coupling_forward` at each example: data to noise.

    Args:
        x: a batch of vectors (n, d) or images (n, c, h, w).
        mask: 1 where an entry is kept, 0 where it is transformed; the shape of one example.
        net: the network of `coupling_forward`: (n, d, ...) to (n, 2d, ...), log-scale s first and
            shift t second along dimension 1.

    Returns:
        one number per example, in nats.

    Raises:
        ValueError: if the mask keeps everything or nothing, or shapes do not fit.
    """
    _require(x, "x", mask)
    s, _ = _scale_and_shift(x, mask, net)
    return s.flatten(1).sum(1)


def _scale_and_shift(x: Tensor, mask: Tensor, net: Callable) -> tuple[Tensor, Tensor]:
    """Log-scale and shift, both zero where the mask keeps: x · e⁰ + 0 leaves those entries be."""
    s, t = net(mask * x).chunk(2, dim=1)
    return (1 - mask) * s, (1 - mask) * t


def _require(x: Tensor, name: str, mask: Tensor) -> None:
    require(x.dim() >= 2, f"{name}: got shape {tuple(x.shape)}; want (n, d) or (n, c, h, w)")
    require_tensor(name, x, ("n", *x.shape[1:]), batch=True)
    require_mask(mask, tuple(x.shape[1:]))


class MaskedCoupling(Bijection):
    """An affine coupling of any shape, made of the functions above with one run of the network.

    Args:
        mask: 1 where an entry is kept, 0 where it is transformed.
        net: as in `coupling_forward`.
        bound: log-scales are bound · tanh(output), which keeps training stable.

    Raises:
        ValueError: if the mask keeps everything or nothing, or bound <= 0.
    """

    def __init__(self, mask: Float[Tensor, "*event"], net: nn.Module, bound: float = 2.0):
        require_mask(mask)
        require(bound > 0, f"bound: got {bound}; want a positive number")
        super().__init__()
        self.register_buffer("mask", mask)
        self.net = net
        self.bound = bound

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        s, t = self._scale_and_shift(x)
        return x * s.exp() + t, s.flatten(1).sum(1)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        s, t = self._scale_and_shift(z)
        return (z - t) * torch.exp(-s), -s.flatten(1).sum(1)

    def _scale_and_shift(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = _scale_and_shift(x, self.mask, self.net)
        return self.bound * s.tanh(), t
