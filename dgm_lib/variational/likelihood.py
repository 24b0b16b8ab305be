"""log p(x) of a latent-variable model by Monte Carlo.

Naive: average p(x | z) over the prior. Unbiased for p(x), but hardly any draw of z explains a
given x, so the average sees nothing, and its variance grows exponentially with the dimension.
Importance-weighted: draw z where it matters, from q(z | x), and weigh. Both report the log of an
average, which by Jensen is low on average and rises to log p(x) with the number of samples
(Burda et al., 2016, arXiv:1509.00519, theorem 1).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.model import LatentVariable
from dgm_lib.nn import draw
from dgm_lib.validate import require


@torch.no_grad()
def naive_log_likelihood(
    model: LatentVariable,
    x: Float[Tensor, "n *event"],
    samples: int = 1000,
    generator: torch.Generator | None = None,
    chunk: int = 100,
) -> Float[Tensor, " n"]:
    """log of (1/S) Σ_s p(x | z_s) with z_s from the prior, in nats.

    Args:
        samples: S, draws of z per example (shared by the batch).
        chunk: how many of them to hold in memory at a time.

    Raises:
        ValueError: if samples < 1 or chunk < 1.
    """

    def weights(size: int) -> Tensor:
        z = draw(model.prior(), (size, 1), generator)
        return model.decode(z).log_prob(x)

    return _log_mean_exp(weights, samples, chunk)


@torch.no_grad()
def importance_log_likelihood(
    model: LatentVariable,
    x: Float[Tensor, "n *event"],
    samples: int = 1000,
    generator: torch.Generator | None = None,
    chunk: int = 100,
) -> Float[Tensor, " n"]:
    """log of (1/S) Σ_s p(x, z_s) / q(z_s | x) with z_s from the encoder, in nats.

    With one sample this is a draw of the ELBO; the report of a trained VAE uses a thousand or more.

    Raises:
        ValueError: if samples < 1 or chunk < 1.
    """
    return _log_mean_exp(
        lambda size: model.log_weights(x, samples=size, generator=generator), samples, chunk
    )


def _log_mean_exp(weights: Callable[[int], Tensor], samples: int, chunk: int) -> Tensor:
    """The log of the mean of exp(weights), gathered chunk by chunk."""
    require(samples >= 1, f"samples: got {samples}; want at least 1")
    require(chunk >= 1, f"chunk: got {chunk}; want at least 1")
    sizes = [chunk] * (samples // chunk) + [samples % chunk] * (samples % chunk > 0)
    parts = [weights(size).logsumexp(0) for size in sizes]
    return torch.stack(parts).logsumexp(0) - math.log(samples)
