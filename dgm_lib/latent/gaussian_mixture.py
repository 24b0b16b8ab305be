"""A mixture of Gaussians that learns by EM, with four kinds of covariance.

    full        each component has a covariance of its own
    diagonal    its own variances, no correlations
    spherical   its own variance, the same in all directions
    tied        one covariance for all

The likelihood of a mixture has no maximum: a component that shrinks onto a single point makes it
infinite. So no variance in any direction may fall below a floor, a small share of the data's. The
maximum under that constraint is still in closed form (eigenvalues below the floor are lifted to it),
so the M step stays exact and the ELBO never falls. A component that no point needs any more keeps
its place with weight zero. Sources: Dempster et al. (1977); Bishop (2006), section 9.2; Hathaway
(1985), doi:10.1214/aos/1176349557, for the constraint.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Categorical, Distribution, MultivariateNormal

from dgm_lib.latent import mixture
from dgm_lib.latent.em import ascend, rounding_for
from dgm_lib.latent.gaussian_em import KINDS, constrained, em_iteration, rows_at_once
from dgm_lib.latent.start import kmeans_plus_plus
from dgm_lib.model import LatentVariable
from dgm_lib.validate import require, require_tensor


class GaussianMixture(LatentVariable):
    """p(x) = Σ_k π_k N(x; μ_k, Σ_k), learnt by EM.

    After `fit`: `weights_` (k,), `means_` (k, d), `scales_` (k, d, d), the Cholesky factors of
    `covariances_`, and `bounds_`, the ELBO per example after every half step of EM.

    Args:
        k: how many components.
        kind: "full", "diagonal", "spherical" or "tied".
        floor: the least variance in any direction, as a share of the data's mean variance.

    Raises:
        ValueError: if an argument makes no sense.

    >>> x = torch.cat([torch.randn(50, 1) - 9, torch.randn(50, 1) + 9])
    >>> GaussianMixture(2).fit(x).weights_
    tensor([0.5000, 0.5000])
    """

    def __init__(
        self,
        k: int,
        kind: Literal["full", "diagonal", "spherical", "tied"] = "full",
        floor: float = 1e-6,
    ):
        super().__init__()
        require(k >= 1, f"k: got {k}; want at least one component")
        require(kind in KINDS, f"kind: got {kind!r}; want one of {', '.join(map(repr, KINDS))}")
        require(0 < floor < 1, f"floor: got {floor:g}; want a share between 0 and 1")
        self.k, self.kind, self.floor = k, kind, floor
        for name in ("weights_", "means_", "scales_", "bounds_"):
            self.register_buffer(name, None)

    def set_parameters(
        self,
        weights: Float[Tensor, " k"],
        means: Float[Tensor, "k d"],
        covariances: Float[Tensor, "k d d"],
    ) -> "GaussianMixture":
        """Give the model these parameters; returns the model.

        Raises:
            ValueError: as `mixture.mixture_log_prob`.
        """
        scales = mixture.require_mixture(weights, means, covariances)
        require(len(weights) == self.k, f"weights: got {len(weights)} components; want {self.k}")
        self.weights_, self.means_, self.scales_ = weights.clone(), means.clone(), scales
        return self

    @property
    def covariances_(self) -> Float[Tensor, "k d d"]:
        return self.scales_ @ self.scales_.mT

    @torch.no_grad()
    def fit(
        self,
        x: Float[Tensor, "n d"],
        steps: int = 200,
        tol: float = 1e-6,
        restarts: int = 1,
        seed: int = 0,
        warm: bool = False,
    ) -> "GaussianMixture":
        """Maximise the likelihood by EM from a k-means++ start; returns the model.

        Args:
            x: data.
            steps: the most iterations.
            tol: stop when an iteration gains less than this many nats per example.
            restarts: independent starts; the one with the highest bound stays.
            seed: of the starts.
            warm: go on from the parameters that the model has, instead of a new start.

        Raises:
            ValueError: if there are fewer points than components, or all points are the same.
        """
        require_tensor("x", x, ("n", "d"), batch=True)
        require(self.k <= len(x), f"k: got {self.k} components for {len(x)} points; want fewer")
        require(restarts >= 1, f"restarts: got {restarts}; want at least 1")
        dtype, x = x.dtype, x.double()  # components may be thin, and sums long
        centre = x.mean(0)
        x = x - centre  # far from the origin, products would lose digits
        spread = x.square().mean().item()
        require(
            spread > torch.finfo(dtype).eps ** 2 * centre.square().mean().item(),
            f"x: got {len(x)} times the same point; want data that vary",
        )
        floor = self.floor * spread
        generator = torch.Generator(x.device).manual_seed(seed)
        best: tuple | None = None
        for _ in range(1 if warm else restarts):
            theta = self._warm(x, centre, floor) if warm else self._start(x, floor, generator)

            def step() -> tuple[float, float]:
                nonlocal theta
                theta, after_e, after_m = em_iteration(x, *theta, self.kind, floor)
                return after_e, after_m

            bounds = ascend(step, steps, tol, rounding_for(self.floor))
            if best is None or bounds[-1] > best[1][-1]:
                best = theta, bounds
        (weights, means, scales), self.bounds_ = best
        self.weights_, self.means_ = weights.to(dtype), (means + centre).to(dtype)
        self.scales_ = scales.to(dtype)
        return self

    def _start(self, x: Tensor, floor: float, generator: torch.Generator) -> tuple:
        nearest = kmeans_plus_plus(x, self.k, generator)
        weights, means, covariances = mixture.m_step(x, torch.eye(self.k).to(x)[nearest])
        return weights, means, constrained(covariances, weights, self.kind, floor)

    def _warm(self, x: Tensor, centre: Tensor, floor: float) -> tuple:
        require(self.weights_ is not None, "warm: got True before any fit; want parameters first")
        require_tensor("x", x, ("n", self.means_.shape[1]))
        weights, scales = self.weights_.double(), self.scales_.double()
        scales = constrained(scales @ scales.mT, weights, self.kind, floor)
        return weights, self.means_.double() - centre, scales

    def log_prob(
        self, x: Float[Tensor, "n d"], context: Tensor | None = None
    ) -> Float[Tensor, " n"]:
        """log p(x), exact, in nats."""
        return self._log_joint(x).logsumexp(1)

    def prior(self, context: Tensor | None = None) -> Categorical:
        self._require_fitted()
        return Categorical(logits=self.weights_.log())

    def encode(self, x: Float[Tensor, "n d"], context: Tensor | None = None) -> Categorical:
        """p(z | x), exact: its `probs` are the responsibilities."""
        return Categorical(logits=self._log_joint(x))

    def decode(self, z: Tensor, context: Tensor | None = None) -> Distribution:
        self._require_fitted()
        return MultivariateNormal(self.means_[z], scale_tril=self.scales_[z])

    def _log_joint(self, x: Tensor) -> Tensor:
        self._require_fitted()
        require_tensor("x", x, ("n", self.means_.shape[1]), batch=True)
        parts = x.split(rows_at_once(*self.means_.shape))
        theta = self.weights_, self.means_, self.scales_
        return torch.cat([mixture.log_joint(part, *theta) for part in parts])

    def _require_fitted(self) -> None:
        require(self.weights_ is not None, "model: got one without parameters; want fit(x) first")
