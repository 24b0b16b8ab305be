"""The model on which everything about variational inference can be checked.

    p(z) = N(0, I),  p(x | z) = N(W z + b, σ² I)
    p(x) = N(b, W Wᵀ + σ² I)
    p(z | x) = N(Λ⁻¹ Wᵀ(x - b)/σ², Λ⁻¹),  with precision Λ = I + WᵀW/σ²

It is probabilistic PCA (Tipping and Bishop, 1999, doi:10.1111/1467-9868.00196, section 3) with
given parameters. Here it is fitted by gradient; the closed-form fit belongs to the unit on latent
variables. Its linear encoder can express the posterior if its covariance is full, and not if it
is diagonal: the best diagonal q has the precisions Λ_ii, and a gap of (Σ log Λ_ii - log det Λ)/2.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, MultivariateNormal, Normal, kl_divergence

from dgm_lib.model import LatentVariable
from dgm_lib.validate import require, require_tensor
from dgm_lib.variational.gaussian import scale_tril


def posterior_gap(
    x: Float[Tensor, "n d"],
    mean: Float[Tensor, "n k"],
    scale: Float[Tensor, "n k k"],
    weight: Float[Tensor, "d k"],
    bias: Float[Tensor, " d"],
    sigma: float,
) -> Float[Tensor, " n"]:
    """KL(q ‖ p(z | x)) in the linear-Gaussian model: exactly what the ELBO misses of log p(x).

    The model is z ~ N(0, I), x = weight z + bias + noise, noise ~ N(0, sigma² I).

    Args:
        x: data.
        mean: means of q(z | x).
        scale: lower Cholesky factors of the covariances of q(z | x).
        weight: W of the model.
        bias: b of the model.
        sigma: standard deviation of the noise.

    Returns:
        log p(x) - ELBO of each example, in nats.

    Raises:
        ValueError: on wrong shapes, NaN, a sigma that is not positive, or a singular scale.
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    (n, d), k = x.shape, mean.shape[-1]
    require_tensor("mean", mean, (n, k))
    require_tensor("scale", scale, (n, k, k))
    require_tensor("weight", weight, (d, k))
    require_tensor("bias", bias, (d,))
    require(sigma > 0 and math.isfinite(sigma), f"sigma: got {sigma:g}; want a positive number")
    diagonal = scale.diagonal(dim1=-2, dim2=-1)
    require(bool((diagonal > 0).all()), "scale: got a factor with a diagonal entry <= 0; want > 0")

    precision = torch.eye(k, dtype=x.dtype, device=x.device) + weight.mT @ weight / sigma**2
    factor = torch.linalg.cholesky(precision)
    centre = torch.cholesky_solve((weight.mT @ (x - bias).mT) / sigma**2, factor).mT
    trace = ((factor.mT @ scale) ** 2).sum((-2, -1))
    distance = (((mean - centre) @ factor) ** 2).sum(-1)
    log_det = 2 * (factor.diagonal().log().sum() + diagonal.log().sum(-1))
    return 0.5 * (trace + distance - k - log_det)


class LinearGaussian(LatentVariable):
    """The linear-Gaussian model with a linear encoder, which starts at the prior.

    Args:
        weight: W, shape (d, k).
        bias: b, shape (d,).
        sigma: standard deviation of the noise.
        full: whether q(z | x) has a full covariance; else diagonal.

    Raises:
        ValueError: on wrong shapes or a sigma that is not positive.
    """

    def __init__(
        self,
        weight: Float[Tensor, "d k"],
        bias: Float[Tensor, " d"],
        sigma: float,
        full: bool = True,
    ):
        require_tensor("weight", weight, ("d", "k"), batch=True)
        d, k = weight.shape
        require_tensor("bias", bias, (d,))
        require(sigma > 0 and math.isfinite(sigma), f"sigma: got {sigma:g}; want a positive number")
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.bias = nn.Parameter(bias.clone())
        self.log_sigma = nn.Parameter(weight.new_tensor(math.log(sigma)))
        self.gain = nn.Parameter(weight.new_zeros(k, d))
        self.offset = nn.Parameter(weight.new_zeros(k))
        self.log_std = nn.Parameter(weight.new_zeros(k))
        self.lower = nn.Parameter(weight.new_zeros(k, k), requires_grad=full)

    def prior(self, context: Tensor | None = None) -> Distribution:
        zero = torch.zeros_like(self.offset)
        return MultivariateNormal(zero, scale_tril=torch.diag_embed(torch.ones_like(zero)))

    def encode(self, x: Float[Tensor, "n d"], context: Tensor | None = None) -> Distribution:
        mean = x @ self.gain.mT + self.offset
        return MultivariateNormal(mean, scale_tril=scale_tril(self.log_std, self.lower))

    def decode(self, z: Float[Tensor, "*n k"], context: Tensor | None = None) -> Distribution:
        return Independent(Normal(z @ self.weight.mT + self.bias, self.log_sigma.exp()), 1)

    def posterior(self, x: Float[Tensor, "n d"]) -> MultivariateNormal:
        """p(z | x), exact."""
        noise = torch.exp(2 * self.log_sigma)
        eye = torch.eye(self.weight.shape[1], dtype=x.dtype, device=x.device)
        precision = eye + self.weight.mT @ self.weight / noise
        mean = torch.linalg.solve(precision, self.weight.mT @ (x - self.bias).mT / noise).mT
        return MultivariateNormal(mean, precision_matrix=precision)

    def log_prob(
        self, x: Float[Tensor, "n d"], context: Tensor | None = None
    ) -> Float[Tensor, " n"]:
        """log p(x), exact, in nats."""
        require_tensor("x", x, ("n", self.bias.shape[0]), batch=True)
        eye = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        covariance = self.weight @ self.weight.mT + torch.exp(2 * self.log_sigma) * eye
        return MultivariateNormal(self.bias, covariance).log_prob(x)

    def gap(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """KL(encoder ‖ posterior), exact, in nats."""
        return kl_divergence(self.encode(x), self.posterior(x))
