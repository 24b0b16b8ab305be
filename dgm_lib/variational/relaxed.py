"""Gradients through a categorical choice: Gumbel-softmax and straight-through.

Adding Gumbel noise g = -log(-log u) to logits and taking the argmax draws exactly from
softmax(logits). The argmax has no gradient; a softmax at temperature τ in its place has one, and
tends to the argmax as τ → 0. Low τ: little bias, large variance; high τ: the reverse.
Straight-through hands the hard choice forward and the soft gradient back: biased, often useful.
Jang et al. (2017), arXiv:1611.01144; Maddison et al. (2017), arXiv:1611.00712; Bengio et al.
(2013), arXiv:1308.3432.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import one_hot

from dgm_lib.validate import require, require_tensor


def gumbel_softmax(
    logits: Float[Tensor, "n k"], u: Float[Tensor, "n k"], temperature: float
) -> Float[Tensor, "n k"]:
    """A relaxed one-hot sample: softmax((logits + g) / temperature), with g = -log(-log u).

    Args:
        logits: unnormalised log-probabilities.
        u: independent uniforms on [0, 1).
        temperature: τ > 0.

    Raises:
        ValueError: on wrong shapes, a temperature that is not positive, or u outside [0, 1].
    """
    return torch.softmax(_perturbed(logits, u, temperature) / temperature, -1)


def straight_through(
    logits: Float[Tensor, "n k"], u: Float[Tensor, "n k"], temperature: float = 1.0
) -> Float[Tensor, "n k"]:
    """An exact one-hot sample whose gradient is that of `gumbel_softmax` at the same noise.

    Raises:
        ValueError: as `gumbel_softmax`.
    """
    soft = gumbel_softmax(logits, u, temperature)
    hard = one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    return hard + soft - soft.detach()


def _perturbed(logits: Tensor, u: Tensor, temperature: float) -> Tensor:
    require_tensor("logits", logits, ("n", "k"), batch=True)
    require_tensor("u", u, tuple(logits.shape))
    require(temperature > 0, f"temperature: got {temperature:g}; want a positive number")
    require(bool(((u >= 0) & (u <= 1)).all()), "u: got values outside [0, 1]; want uniforms")
    limits = torch.finfo(u.dtype)
    u = u.clamp(limits.tiny, 1 - limits.eps)
    return logits - torch.log(-torch.log(u))
