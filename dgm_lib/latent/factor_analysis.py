"""Factor analysis: z ~ N(0, I), x | z ~ N(W z + μ, Ψ) with Ψ diagonal.

Each variable has noise of its own, so the latents explain what variables have in common and nothing
else; rescaling a variable only rescales its row of W and its noise. There is no closed form, EM finds
the maximum. Rubin and Thayer (1982), doi:10.1007/BF02293851.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.latent.factors import Factors


class FactorAnalysis(Factors):
    """Factor analysis: x = W z + μ + noise, with a noise variance of its own for each variable.

    After `fit`: `weight_` (d, q), `mean_` (d,), `noise_` (d,), and `bounds_`, the ELBO per example
    after every half step of EM.

    Args:
        q: latent dimensions, fewer than the data have.
        floor: the least noise variance, as a share of the data's mean variance.
    """

    def noise_from(self, variances: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        return variances

    @torch.no_grad()
    def fit(
        self, x: Float[Tensor, "n d"], steps: int = 1000, tol: float = 1e-7, seed: int = 0
    ) -> "FactorAnalysis":
        """Maximise the likelihood by EM from a random W; returns the model.

        Raises:
            ValueError: if q is not below d, or all points are the same.
        """
        return self._em(x, steps, tol, seed)
