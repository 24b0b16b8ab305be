"""The laws that noise has: independent coordinates, nothing learned.

    StandardNormal     log p(z) = -½ Σ z_i² - ½ d log 2π          most flows
    StandardLogistic   log p(z) = -Σ [softplus(z_i) + softplus(-z_i)]   NICE on images: heavier tails

They are modules, so that they follow their flow through `.to(device)` and `.double()`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus


class StandardNormal(nn.Module):
    """N(0, I) on tensors of a fixed shape.

    >>> StandardNormal(2).log_prob(torch.zeros(1, 2)).exp()  # 1 / 2π
    tensor([0.1592])
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape
        self.log_norm = -0.5 * math.prod(shape) * math.log(2 * math.pi)
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def log_prob(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """log p(z), in nats."""
        return torch.add(self.log_norm, z.square().flatten(1).sum(1), alpha=-0.5)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *event"]:
        """n independent draws."""
        at = self.origin if generator is None else generator
        z = torch.randn(
            n, *self.shape, generator=generator, device=at.device, dtype=self.origin.dtype
        )
        return z.to(self.origin.device)


class StandardLogistic(nn.Module):
    """Independent logistic coordinates with location 0 and scale 1.

    >>> StandardLogistic(1).log_prob(torch.zeros(1, 1)).exp()
    tensor([0.2500])
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.shape = shape
        self.register_buffer("origin", torch.zeros(()), persistent=False)

    def log_prob(self, z: Float[Tensor, "n *event"]) -> Float[Tensor, " n"]:
        """log p(z), in nats."""
        return -(softplus(z) + softplus(-z)).flatten(1).sum(1)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Float[Tensor, "n *event"]:
        """n independent draws: the logit of uniforms, kept off 0 and 1."""
        at = self.origin if generator is None else generator
        u = torch.rand(
            n, *self.shape, generator=generator, device=at.device, dtype=self.origin.dtype
        )
        return torch.logit(u, eps=1e-7).to(self.origin.device)
