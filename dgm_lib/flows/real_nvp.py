"""The two classic flows on vectors: stacks of couplings whose masks take turns.

    NICE       additive couplings, each with |det| = 1, and a diagonal scaling on top
               Dinh et al. (2014), arXiv:1410.8516
    RealNVP    affine couplings
               Dinh et al. (2017), arXiv:1605.08803

Density and samples cost the same: one run of each network.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.flows.base import StandardLogistic, StandardNormal
from dgm_lib.flows.elementwise import Scale
from dgm_lib.flows.flow import Flow
from dgm_lib.flows.masks import half_mask
from dgm_lib.flows.vector import Coupling
from dgm_lib.validate import require


def real_nvp(
    d: int,
    couplings: int = 8,
    hidden: Sequence[int] = (64, 64),
    mask: Float[Tensor, " d"] | None = None,
    context_dim: int = 0,
    bound: float | None = 2.0,
    activation: type[nn.Module] = nn.ReLU,
    seed: int = 0,
) -> Flow:
    """RealNVP on vectors, with a standard normal base.

    Args:
        d: features, at least two.
        couplings: how many; odd ones take the opposite mask.
        hidden: widths of each network's hidden layers.
        mask: of the first coupling; keeps the first half if left out.
        context_dim: length of the context vector, 0 for none.
        bound: log-scales stay within (-bound, bound); None for no bound.
        activation: of the networks.
        seed: of the initial weights.

    Raises:
        ValueError: if d < 2, couplings < 1, or the mask keeps everything or nothing.

    >>> import torch
    >>> flow = real_nvp(2)
    >>> flow.log_prob(torch.zeros(1, 2)).exp().item()  # before training: the base, 1 / 2π
    0.159...
    """
    masks = _masks(d, couplings, mask)
    options = {"context_dim": context_dim, "bound": bound, "activation": activation}
    steps = [Coupling(m, hidden, seed=1000 * seed + i, **options) for i, m in enumerate(masks)]
    return Flow(steps, StandardNormal(d))


def nice(
    d: int,
    couplings: int = 4,
    hidden: Sequence[int] = (64, 64),
    mask: Float[Tensor, " d"] | None = None,
    context_dim: int = 0,
    logistic: bool = True,
    seed: int = 0,
) -> Flow:
    """NICE: additive couplings, then one positive factor per coordinate.

    Args:
        d: features, at least two.
        couplings: how many; odd ones take the opposite mask.
        hidden: widths of each network's hidden layers.
        mask: of the first coupling; keeps the first half if left out.
        context_dim: length of the context vector, 0 for none.
        logistic: whether the base is logistic, as in the paper's image models, or normal.
        seed: of the initial weights.

    Raises:
        ValueError: if d < 2, couplings < 1, or the mask keeps everything or nothing.
    """
    steps = [
        Coupling(m, hidden, additive=True, context_dim=context_dim, seed=1000 * seed + i)
        for i, m in enumerate(_masks(d, couplings, mask))
    ]
    return Flow([*steps, Scale(d)], StandardLogistic(d) if logistic else StandardNormal(d))


def _masks(d: int, couplings: int, mask: Tensor | None) -> list[Tensor]:
    require(couplings >= 1, f"couplings: got {couplings}; want at least one")
    mask = half_mask(d) if mask is None else mask
    require(tuple(mask.shape) == (d,), f"mask: got shape {tuple(mask.shape)}; want ({d},)")
    return [mask if i % 2 == 0 else 1 - mask for i in range(couplings)]
