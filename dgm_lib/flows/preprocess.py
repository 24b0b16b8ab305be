"""From pixels that are whole numbers to densities on the whole line, and back to bits.

A flow is a density on a continuous space. Pixel values are counts 0 … L-1, and a density fitted to
them can grow without bound by putting spikes on the L values. Three steps make it honest:

    dequantize     y = (x + u)/L with u uniform in [0, 1): spreads each value over its own bin
    Logit          z = logit(α + (1 - 2α) y): the unit interval, and a margin, to the whole line
    bits_per_dim   the average number of bits for a pixel; an upper bound for the discrete data

By Jensen, log P(x) >= E_u[log p(y)] - d log L (Theis et al. 2016, arXiv:1511.01844, section 3.1).
The logit with a margin α is from Dinh et al. (2017), arXiv:1605.08803, section 4.1, here with the
same margin on both sides.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from dgm_lib.model import Bijection
from dgm_lib.validate import require


def dequantize(
    x: Float[Tensor, "n *event"], u: Float[Tensor, "n *event"], levels: int
) -> Float[Tensor, "n *event"]:
    """(x + u) / levels, in [0, 1).

    Args:
        x: whole numbers 0 … levels - 1, as floats.
        u: uniform noise in [0, 1), of the same shape.
        levels: how many values a pixel can have.

    Raises:
        ValueError: if the shapes differ, or `x` is not a whole number in the range.
    """
    require(u.shape == x.shape, f"u: got shape {tuple(u.shape)}; want that of x, {tuple(x.shape)}")
    whole = bool(((x >= 0) & (x <= levels - 1) & (x == x.round())).all())
    require(whole, f"x: got values other than 0 … {levels - 1}; want whole numbers in that range")
    return (x + u) / levels


def bits_per_dim(log_prob: Float[Tensor, " n"], d: int, levels: int) -> Float[Tensor, " n"]:
    """Bits per pixel of quantised data, from the log density of their dequantised version.

    Args:
        log_prob: log p(y) on the unit cube, in nats.
        d: pixels in an example.
        levels: values a pixel can have.

    >>> bits_per_dim(torch.zeros(1), d=64, levels=16)  # the uniform density: log2(16) bits
    tensor([4.])
    """
    return (math.log(levels) - log_prob / d) / math.log(2)


class Logit(Bijection):
    """A little more than the unit cube to the whole space, entry by entry.

    z = logit(α + (1 - 2α) x) is finite on [0, 1]. What is mapped to the whole line is the interval
    from -α / (1 - 2α) to (1 - α) / (1 - 2α), so a sample may lie just outside [0, 1].

    Raises:
        ValueError: if `margin` is outside (0, 0.5).
    """

    def __init__(self, margin: float = 0.05):
        require(0 < margin < 0.5, f"margin: got {margin}; want 0 < margin < 0.5")
        super().__init__()
        self.margin = margin

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        p = self.margin + (1 - 2 * self.margin) * x
        log_slope = math.log(1 - 2 * self.margin) - torch.log(p) - torch.log1p(-p)
        return torch.logit(p), log_slope.flatten(1).sum(1)

    def inverse(
        self, z: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        log_slope = logsigmoid(z) + logsigmoid(-z) - math.log(1 - 2 * self.margin)
        return (torch.sigmoid(z) - self.margin) / (1 - 2 * self.margin), log_slope.flatten(1).sum(1)
