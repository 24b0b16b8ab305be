"""Coins for the inner loops: what training and Gibbs sampling of an RBM do besides products."""

import torch
from jaxtyping import Float
from torch import Tensor


def bernoulli(
    p: Float[Tensor, "*shape"], generator: torch.Generator | None
) -> Float[Tensor, "*shape"]:
    """Draws of 0 or 1 with these probabilities of 1."""
    u = uniforms(p, generator)
    return torch.lt(u, p.detach(), out=u)


def uniforms(
    like: Float[Tensor, "*shape"], generator: torch.Generator | None
) -> Float[Tensor, "*shape"]:
    """Multiples of 2⁻²⁴ in [0, 1), as torch.rand makes in float32, in a third of its time.

    The leading 16 bits of each number are its own, four from each random integer of 64; all
    numbers of a call share the other 8. So each is uniform, and the events u_i < p_i and u_j < p_j
    have a covariance of at most 2⁻³⁴: given the shared bits, their probabilities move by 2⁻¹⁶.
    """
    count, device = like.numel(), like.device
    bits = torch.empty(-(-count // 4), dtype=torch.int64, device=device)
    bits.random_(-(2**63), None, generator=generator)
    shared = torch.randint(256, (), generator=generator, device=device) / 256
    leading = bits.view(torch.int16)[:count].view(like.shape)
    return leading.to(like.dtype).add_(2**15 + shared).mul_(2**-16)


def is_binary(x: Tensor) -> bool:
    """Whether every entry is 0 or 1, that is x - x² = 0; quick, since each batch is asked."""
    return torch.addcmul(x, x, x, value=-1).abs_().sum().item() == 0
