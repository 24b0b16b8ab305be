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
from dgm_lib.latent.em import ascend
from dgm_lib.latent.start import kmeans_plus_plus
from dgm_lib.model import LatentVariable
from dgm_lib.validate import require, require_tensor

KINDS = ("full", "diagonal", "spherical", "tied")


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
        centre = x.mean(0)
        x = x - centre  # far from the origin, products would lose digits
        spread = x.double().square().mean().item()
        require(
            spread > torch.finfo(x.dtype).eps ** 2 * centre.double().square().mean().item(),
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

            bounds = ascend(step, steps, tol, torch.finfo(x.dtype).eps)
            if best is None or bounds[-1] > best[1][-1]:
                best = theta, bounds
        (weights, means, scales), self.bounds_ = best
        self.weights_, self.means_, self.scales_ = weights, means + centre, scales
        return self

    def _start(self, x: Tensor, floor: float, generator: torch.Generator) -> tuple:
        nearest = kmeans_plus_plus(x, self.k, generator)
        weights, means, covariances = mixture.m_step(x, torch.eye(self.k).to(x)[nearest])
        return weights, means, constrained(covariances, weights, self.kind, floor)

    def _warm(self, x: Tensor, centre: Tensor, floor: float) -> tuple:
        require(self.weights_ is not None, "warm: got True before any fit; want parameters first")
        require_tensor("x", x, ("n", self.means_.shape[1]))
        scales = constrained(self.covariances_, self.weights_, self.kind, floor)
        return self.weights_, self.means_ - centre, scales

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


def em_iteration(
    x: Float[Tensor, "n d"],
    weights: Float[Tensor, " k"],
    means: Float[Tensor, "k d"],
    scales: Float[Tensor, "k d d"],
    kind: str,
    floor: float,
) -> tuple[tuple[Tensor, Tensor, Tensor], float, float]:
    """One E and one M step in a single pass over the data, in memory that does not grow with n.

    The E step whitens each point, y = L_k⁻¹(x - μ_k). The M step needs only Σ r, Σ r y and Σ r y yᵀ,
    in those same coordinates: they are centred at the old mean, so nothing cancels.

    Returns:
        the new (weights, means, scales), and the ELBO per example after the E and after the M step.
    """
    (k, d), n = means.shape, len(x)
    inverse, constants = mixture.inverses(scales), mixture.log_constants(weights, scales)
    mass, first = x.new_zeros(k), x.new_zeros(k, d)
    second = x.new_zeros(k, d, d)
    log_likelihood = entropy = 0.0
    for part in x.split(rows_at_once(k, d)):
        y = mixture.whiten(part, means, inverse)  # (k, c, d)
        joint = constants[:, None] - 0.5 * y.square().sum(-1)  # (k, c)
        log_p = joint.logsumexp(0)
        log_r = joint - log_p
        r = log_r.exp()
        weighted = r[:, :, None] * y
        mass += r.sum(1)
        first += weighted.sum(1)
        second += weighted.mT @ y
        log_likelihood += log_p.double().sum().item()
        entropy -= (r * log_r.clamp_min(-1e4)).double().sum().item()  # 0 · -inf is 0 here

    alive = mass > torch.finfo(x.dtype).tiny * n
    share = torch.where(alive, 1 / mass, 0)[:, None]
    shift = first * share
    spread = second * share[:, :, None] - shift[:, :, None] * shift[:, None]
    covariances = torch.where(alive[:, None, None], scales @ spread @ scales.mT, scales @ scales.mT)
    new_weights = torch.where(alive, mass, 0)
    new_weights = new_weights / new_weights.sum()
    new_means = means + (scales @ shift[:, :, None]).squeeze(-1)
    new_scales = constrained(covariances, new_weights, kind, floor)

    # E_q[log p(x, z)] under the new parameters needs the same sums only
    distance = torch.linalg.solve_triangular(new_scales, covariances, upper=False)
    distance = torch.linalg.solve_triangular(new_scales, distance.mT, upper=False)
    trace = distance.diagonal(dim1=-2, dim2=-1).sum(-1)
    terms = mixture.log_constants(new_weights, new_scales) - 0.5 * trace
    expected = torch.where(alive, mass * terms, 0).double().sum().item()
    theta = new_weights, new_means, new_scales
    return theta, log_likelihood / n, (expected + entropy) / n


def constrained(
    covariances: Float[Tensor, "k d d"], weights: Float[Tensor, " k"], kind: str, floor: float
) -> Float[Tensor, "k d d"]:
    """Cholesky factors of the most likely covariances of this kind with no variance below `floor`.

    Of all Σ with eigenvalues of at least c, -log det Σ - tr(Σ⁻¹ S) is largest at S with its
    eigenvalues below c lifted to c.
    """
    covariances = covariances.double()
    if kind == "tied":
        pooled = (weights.double()[:, None, None] * covariances).sum(0)
        covariances = pooled.expand_as(covariances)
    if kind in ("diagonal", "spherical"):
        variances = covariances.diagonal(dim1=-2, dim2=-1)
        if kind == "spherical":
            variances = variances.mean(-1, keepdim=True).expand_as(variances)
        return variances.clamp_min(floor).sqrt().diag_embed().to(weights.dtype)
    values, vectors = torch.linalg.eigh((covariances + covariances.mT) / 2)
    if (values < floor).any():
        covariances = (vectors * values.clamp_min(floor)[:, None]) @ vectors.mT
    return torch.linalg.cholesky(covariances).to(weights.dtype)


def rows_at_once(k: int, d: int) -> int:
    """How many points to treat together, so that their k · d numbers stay in the cache."""
    return max(64, 2**17 // (k * d))
