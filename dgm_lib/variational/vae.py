"""A first variational autoencoder: Gaussian code, Bernoulli pixels.

    p(z) = N(0, I),  p(x | z) = Π_i Bernoulli(x_i; σ(f_θ(z)_i)),  q(z | x) = N(μ_φ(x), diag σ_φ(x)²)

f_θ (decoder) and μ_φ, log σ_φ (encoder) are networks, trained together on the ELBO. Kingma and
Welling (2014), arXiv:1312.6114. Other decoders, IWAE, conditional and hierarchical VAEs belong to
the unit on VAEs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from dgm_lib.model import LatentVariable
from dgm_lib.nn import MLP
from dgm_lib.validate import require, require_tensor


class VAE(LatentVariable):
    """A variational autoencoder for vectors of {0,1}.

    Args:
        d: number of pixels.
        latent: number of coordinates of z.
        hidden: widths of the hidden layers, encoder order; the decoder mirrors them.
        seed: of the initial weights.

    Raises:
        ValueError: if d or latent is not positive.

    >>> vae = VAE(64, latent=2)
    >>> vae.sample(5).shape, vae.elbo(torch.zeros(3, 64)).shape
    (torch.Size([5, 64]), torch.Size([3]))
    """

    def __init__(self, d: int = 64, latent: int = 2, hidden: Sequence[int] = (128,), seed: int = 0):
        require(d >= 1, f"d: got {d}; want a positive number of pixels")
        require(latent >= 1, f"latent: got {latent}; want a positive number of coordinates")
        super().__init__()
        self.d, self.latent = d, latent
        self.encoder = MLP((d, *hidden, 2 * latent), nn.Tanh, seed=2 * seed)
        self.decoder = MLP((latent, *reversed(hidden), d), nn.Tanh, seed=2 * seed + 1)

    def prior(self, context: Tensor | None = None) -> Distribution:
        zero = next(self.parameters()).new_zeros(self.latent)
        return Independent(Normal(zero, torch.ones_like(zero)), 1)

    def encode(self, x: Float[Tensor, "n d"], context: Tensor | None = None) -> Distribution:
        require_tensor("x", x, ("n", self.d), batch=True)
        mean, log_std = self.encoder(x).chunk(2, -1)
        return Independent(Normal(mean, log_std.exp()), 1)

    def decode(self, z: Float[Tensor, "*n k"], context: Tensor | None = None) -> Distribution:
        return Independent(Bernoulli(logits=self.decoder(z)), 1)
