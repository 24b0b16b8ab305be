"""Multi-scale RealNVP for images: half of the variables leave early.

    scale    checkerboard couplings → squeeze → channel couplings → Split
    Split    half of the channels go straight to the noise, the rest to the next scale
    last     checkerboard couplings → Flatten

Fine detail is settled at the first scale, coarse structure at the last, and the later steps work
on fewer variables. As a map, image → vector is one bijection like any other.

Dinh et al. (2017), arXiv:1605.08803, section 3.6 and figure 4. Left out: their residual networks and
batch normalisation; ours are plain convolutions, or perceptrons on small images.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.flows.base import StandardNormal
from dgm_lib.flows.compose import Compose
from dgm_lib.flows.coupling import MaskedCoupling
from dgm_lib.flows.flow import Flow
from dgm_lib.flows.masks import channel_mask, checkerboard_mask
from dgm_lib.flows.networks import ImageMLP
from dgm_lib.flows.preprocess import Logit
from dgm_lib.flows.squeeze import Squeeze
from dgm_lib.model import Bijection
from dgm_lib.validate import require


class Flatten(Bijection):
    """An image of a fixed shape to a vector."""

    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return x.flatten(1), x.new_zeros(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return z.reshape(-1, *self.shape), z.new_zeros(z.shape[0])


class Split(Bijection):
    """Sends the first half of the channels to the noise as they are, the rest through `inner`.

    The Jacobian is block-diagonal, so its log-determinant is the inner one's.

    Args:
        inner: maps the second half, (n, c/2, h, w), to vectors of the same size.
        shape: (c, h, w) of the image that comes in.

    Raises:
        ValueError: if there are fewer than two channels.
    """

    def __init__(self, inner: Bijection, shape: Sequence[int]):
        c, h, w = shape
        require(c >= 2, f"shape: got {c} channels; want at least two")
        super().__init__()
        self.inner = inner
        self.shape = (c // 2, h, w)

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        leaving, staying = x.tensor_split([self.shape[0]], dim=1)
        z, log_det = self.inner(staying, context)
        return torch.cat([leaving.flatten(1), z], 1), log_det

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        left, z = z.tensor_split([math.prod(self.shape)], dim=1)
        staying, log_det = self.inner.inverse(z, context)
        return torch.cat([left.reshape(-1, *self.shape), staying], 1), log_det


def multiscale_real_nvp(
    shape: Sequence[int] = (1, 8, 8),
    scales: int = 2,
    couplings: int = 4,
    hidden: Sequence[int] = (256, 256),
    network: type[nn.Module] = ImageMLP,
    margin: float | None = 0.05,
    seed: int = 0,
) -> Flow:
    """A multi-scale RealNVP on images with entries in (0, 1).

    Args:
        shape: (c, h, w) of an image.
        scales: how often half of the variables leave.
        couplings: of each kind, at each scale; masks alternate.
        hidden: widths of the networks' hidden layers.
        network: called as `network(shape, hidden, seed)`; maps (n, c, h, w) to (n, 2c, h, w).
        margin: of the logit that maps (0, 1) to the line; None if the data are on the line already.
        seed: of the initial weights.

    Raises:
        ValueError: if height or width cannot be halved `scales` times.
    """
    c, h, w = shape
    require(
        h % 2**scales == 0 and w % 2**scales == 0,
        f"shape: got {tuple(shape)}; want height and width divisible by 2^scales = {2**scales}",
    )

    def stack(mask: Tensor, seed: int) -> list[Bijection]:
        masks = [mask if i % 2 == 0 else 1 - mask for i in range(couplings)]
        event = tuple(mask.shape)
        return [MaskedCoupling(m, network(event, hidden, seed + i)) for i, m in enumerate(masks)]

    def scale(c: int, h: int, w: int, level: int) -> Bijection:
        steps = stack(checkerboard_mask(c, h, w), 1000 * (seed + 1) + 100 * level)
        if level == scales:
            return Compose([*steps, Flatten(c, h, w)])
        squeezed = (4 * c, h // 2, w // 2)
        steps += [Squeeze(), *stack(channel_mask(*squeezed), 1000 * (seed + 1) + 100 * level + 50)]
        return Compose([*steps, Split(scale(2 * c, h // 2, w // 2, level + 1), squeezed)])

    body = scale(c, h, w, 0)
    steps = [body] if margin is None else [Logit(margin), body]
    return Flow(steps, StandardNormal(math.prod(shape)), shape)
