"""Which entries a coupling keeps (1) and which it transforms (0).

A stack alternates a mask with its opposite, `1 - mask`, so that everything gets transformed.
Dinh et al. (2017), arXiv:1605.08803, section 3.4.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require


def half_mask(d: int) -> Float[Tensor, " d"]:
    """Keeps the first d // 2 coordinates.

    >>> half_mask(5)
    tensor([1., 1., 0., 0., 0.])
    """
    require(d >= 2, f"d: got {d}; want at least two coordinates, one to keep and one to transform")
    return (torch.arange(d) < d // 2).float()


def alternating_mask(d: int) -> Float[Tensor, " d"]:
    """Keeps every other coordinate.

    >>> alternating_mask(5)
    tensor([1., 0., 1., 0., 1.])
    """
    require(d >= 2, f"d: got {d}; want at least two coordinates, one to keep and one to transform")
    return (torch.arange(d) % 2 == 0).float()


def checkerboard_mask(channels: int, height: int, width: int) -> Float[Tensor, "c h w"]:
    """Keeps the white squares of a chessboard, in every channel.

    >>> checkerboard_mask(1, 2, 3)
    tensor([[[1., 0., 1.],
             [0., 1., 0.]]])
    """
    require(height * width >= 2, f"height, width: got {height}, {width}; want at least two pixels")
    square = torch.arange(height)[:, None] + torch.arange(width)
    return (square % 2 == 0).float().expand(channels, height, width).clone()


def channel_mask(channels: int, height: int, width: int) -> Float[Tensor, "c h w"]:
    """Keeps the first half of the channels.

    >>> channel_mask(2, 1, 2)
    tensor([[[1., 1.]],
    <BLANKLINE>
            [[0., 0.]]])
    """
    require(channels >= 2, f"channels: got {channels}; want at least two")
    kept = (torch.arange(channels) < channels // 2).float()
    return kept[:, None, None].expand(channels, height, width).clone()


def require_mask(mask: Tensor, event: tuple[int, ...] | None = None) -> None:
    """Check that `mask` holds 0 and 1, both of them, and fits one example's shape.

    Raises:
        ValueError: if it does not.
    """
    require(isinstance(mask, Tensor), f"mask: got a {type(mask).__name__}; want a tensor")
    values = set(mask.unique().tolist())
    require(values <= {0, 1}, f"mask: got values {sorted(values)[:4]}; want 0 and 1 only")
    require(values != {1}, "mask: got all ones, which leaves nothing to transform; want some zeros")
    require(values == {0, 1}, "mask: got no ones, so the network would see nothing; want some ones")
    if event is not None:
        require(
            tuple(mask.shape) == event,
            f"mask: got shape {tuple(mask.shape)}; want that of one example, {event}",
        )
