"""Networks for image couplings: (n, c, h, w) to (n, 2c, h, w), beginning at zero."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.nn import MLP, seeded


class ImageMLP(nn.Module):
    """A perceptron on the flattened image: fine for small ones, where every pixel matters to all.

    >>> import torch
    >>> ImageMLP((1, 8, 8), (32,))(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 2, 8, 8])
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int] = (256, 256), seed: int = 0):
        super().__init__()
        c, h, w = shape
        self.shape = (2 * c, h, w)
        d = c * h * w
        self.net = MLP((d, *hidden, 2 * d), zero_last=True, seed=seed)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        return self.net(x.flatten(1)).reshape(-1, *self.shape)


class ImageCNN(nn.Module):
    """Plain 3 × 3 convolutions: the same weights at every place.

    >>> import torch
    >>> ImageCNN((1, 8, 8), (16,))(torch.zeros(3, 1, 8, 8)).shape
    torch.Size([3, 2, 8, 8])
    """

    def __init__(self, shape: Sequence[int], hidden: Sequence[int] = (32, 32), seed: int = 0):
        super().__init__()
        c, _, _ = shape
        widths = [c, *hidden]
        layers: list[nn.Module] = []
        with seeded(seed):
            for a, b in pairwise(widths):
                layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]
            last = nn.Conv2d(widths[-1], 2 * c, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(*layers, last)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h w"]:
        return self.net(x)
