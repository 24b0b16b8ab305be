"""Trading space for channels: half the height and width, four times the channels.

Each 2 × 2 block of pixels becomes four channels of one pixel. Only a reordering: |det| = 1.
After it, a channel mask can separate neighbouring pixels, and a small network sees further.
Dinh et al. (2017), arXiv:1605.08803, section 3.6.
"""

from jaxtyping import Float
from torch import Tensor

from dgm_lib.model import Bijection
from dgm_lib.validate import require, require_tensor


def squeeze(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c4 h2 w2"]:
    """Turn each 2 × 2 block of pixels into four channels.

    With `z = squeeze(x)`, channel c of x goes to channels 4c, 4c+1, 4c+2, 4c+3 of z, in reading
    order: top left, top right, bottom left, bottom right of each block. In a formula,
    z[n, 4c + 2i + j, r, q] = x[n, c, 2r + i, 2q + j] for i, j in {0, 1}.

    Args:
        x: images of even height and width.

    Returns:
        (n, 4c, h/2, w/2), the same numbers in another order.

    Raises:
        ValueError: if `x` is not (n, c, h, w), or h or w is odd.

    >>> import torch
    >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> squeeze(x)[0, :, 0, 0]
    tensor([0., 1., 4., 5.])
    """
    require_tensor("x", x, ("n", "c", "h", "w"), batch=True)
    n, c, h, w = x.shape
    require(h % 2 == 0 and w % 2 == 0, f"x: got height {h} and width {w}; want both even")
    blocks = x.reshape(n, c, h // 2, 2, w // 2, 2)  # n, c, row, i, column, j
    return blocks.permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)


def unsqueeze(z: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c1 h2 w2"]:
    """The inverse of `squeeze`.

    Raises:
        ValueError: if `z` is not (n, c, h, w), or c is no multiple of 4.
    """
    require_tensor("z", z, ("n", "c", "h", "w"), batch=True)
    n, c, h, w = z.shape
    require(c % 4 == 0, f"z: got {c} channels; want a multiple of 4")
    blocks = z.reshape(n, c // 4, 2, 2, h, w)  # n, c, i, j, row, column
    return blocks.permute(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)


class Squeeze(Bijection):
    """`squeeze` as a bijection."""

    def forward(
        self, x: Float[Tensor, "n c h w"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n c4 h2 w2"], Float[Tensor, " n"]]:
        return squeeze(x), x.new_zeros(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n c4 h2 w2"], context: Float[Tensor, "n k"] | None = None
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, " n"]]:
        return unsqueeze(z), z.new_zeros(z.shape[0])
