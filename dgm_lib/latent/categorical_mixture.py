"""A mixture for discrete data: within a component all variables are independent.

    z ~ Categorical(π),  p(x | z = k) = Π_i θ_k,i(x_i),   x_i one of L levels

With two levels it is the mixture of Bernoullis, for binary images. EM is as for Gaussians, the M step
counts instead of averaging. A level that a component never saw would get probability zero, and the
first test image that has it the likelihood zero. So each component also counts `smoothing` imagined
examples, spread like the training data; that is a Dirichlet prior on θ, and EM then climbs
ELBO + log prior. Sources: Bishop (2006), section 9.3.3; Lazarsfeld (1950), latent class analysis.
"""

import torch
from jaxtyping import Float, Real
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from dgm_lib.latent.em import ascend
from dgm_lib.latent.start import kmeans_plus_plus
from dgm_lib.model import LatentVariable
from dgm_lib.validate import require, require_tensor, require_values


class CategoricalMixture(LatentVariable):
    """p(x) = Σ_k π_k Π_i θ_k,i(x_i) for x_i in {0, ..., levels - 1}, learnt by EM.

    After `fit`: `weights_` (k,), `probs_` (k, d, levels), and `bounds_`, ELBO + log prior per
    example after every half step of EM.

    Args:
        k: how many components.
        levels: how many values a variable takes; 2 is a mixture of Bernoullis.
        smoothing: how many imagined examples each component counts, more than 0.

    Raises:
        ValueError: if an argument makes no sense.

    >>> x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    >>> CategoricalMixture(2, smoothing=0.01).fit(x).weights_
    tensor([0.5000, 0.5000])
    """

    def __init__(self, k: int, levels: int = 2, smoothing: float = 1.0):
        super().__init__()
        require(k >= 1, f"k: got {k}; want at least one component")
        require(levels >= 2, f"levels: got {levels}; want at least two")
        require(smoothing > 0, f"smoothing: got {smoothing:g}; want more than 0")
        self.k, self.levels, self.smoothing = k, levels, smoothing
        for name in ("weights_", "probs_", "bounds_"):
            self.register_buffer(name, None)

    @torch.no_grad()
    def fit(
        self,
        x: Real[Tensor, "n d"],
        steps: int = 200,
        tol: float = 1e-5,
        restarts: int = 1,
        seed: int = 0,
    ) -> "CategoricalMixture":
        """Maximise likelihood and prior by EM from a k-means++ start; returns the model.

        Args:
            x: data, whole numbers from 0 to levels - 1.
            steps: the most iterations.
            tol: stop when an iteration gains less than this many nats per example.
            restarts: independent starts; the one with the highest bound stays.
            seed: of the starts.

        Raises:
            ValueError: on values outside the levels, or fewer points than components.
        """
        x = self._validated(x)
        dtype, x = x.dtype, x.double()
        n = len(x)
        require(self.k <= n, f"k: got {self.k} components for {n} points; want 1 to {n}")
        require(restarts >= 1, f"restarts: got {restarts}; want at least 1")
        hot = one_hot(x, self.levels)  # (n, d, levels - 1)
        imagined = spread_like(hot, x.new_ones(n, 1), 1.0)[0]  # (d, levels), add-one frequencies
        generator = torch.Generator(x.device).manual_seed(seed)
        best: tuple | None = None
        for _ in range(restarts):
            nearest = kmeans_plus_plus(x, self.k, generator)
            theta = self._m_step(hot, torch.eye(self.k).to(x)[nearest], imagined)

            def step() -> tuple[float, float]:
                nonlocal theta
                joint = log_joint(hot, *theta)
                r = joint.softmax(1)
                after_e = joint.logsumexp(1).mean().item()
                after_e += self._log_prior(theta[1], imagined) / n
                theta = self._m_step(hot, r, imagined)
                joint = log_joint(hot, *theta).clamp_min(torch.finfo(x.dtype).min)
                expected = (r * joint).sum(1) - torch.xlogy(r, r).sum(1)
                after_m = expected.mean().item() + self._log_prior(theta[1], imagined) / n
                return after_e, after_m

            bounds = ascend(step, steps, tol)
            if best is None or bounds[-1] > best[1][-1]:
                best = theta, bounds
        (weights, probs), self.bounds_ = best
        self.weights_, self.probs_ = weights.to(dtype), probs.to(dtype)
        return self

    def _m_step(self, hot: Tensor, r: Tensor, imagined: Tensor) -> tuple[Tensor, Tensor]:
        return r.mean(0), spread_like(hot, r, self.smoothing * imagined)

    def _log_prior(self, probs: Tensor, imagined: Tensor) -> float:
        return self.smoothing * (imagined * probs.log()).sum().item()

    def log_prob(
        self, x: Real[Tensor, "n d"], context: Tensor | None = None
    ) -> Float[Tensor, " n"]:
        """log p(x), exact, in nats."""
        return self._log_joint(x).logsumexp(1)

    def prior(self, context: Tensor | None = None) -> Categorical:
        self._require_fitted()
        return Categorical(logits=self.weights_.log())

    def encode(self, x: Real[Tensor, "n d"], context: Tensor | None = None) -> Categorical:
        """p(z | x), exact: its `probs` are the responsibilities."""
        return Categorical(logits=self._log_joint(x))

    def decode(self, z: Tensor, context: Tensor | None = None) -> Distribution:
        self._require_fitted()
        if self.levels == 2:
            return Independent(Bernoulli(self.probs_[z, :, 1]), 1)
        return Independent(Categorical(self.probs_[z]), 1)

    def _log_joint(self, x: Tensor) -> Tensor:
        self._require_fitted()
        x = self._validated(x, self.probs_.shape[1])
        return log_joint(one_hot(x, self.levels), self.weights_, self.probs_)

    def _validated(self, x: Tensor, d: int | str = "d") -> Tensor:
        if not x.is_floating_point():
            x = x.to(torch.get_default_dtype() if self.probs_ is None else self.probs_.dtype)
        require_tensor("x", x, ("n", d), batch=True)
        require_values("x", x, range(self.levels))
        return x

    def _require_fitted(self) -> None:
        require(self.probs_ is not None, "model: got one without parameters; want fit(x) first")


def one_hot(x: Float[Tensor, "n d"], levels: int) -> Float[Tensor, "n d m"]:
    """Whether x_i is 1, 2, ..., levels - 1; it is 0 where all of these are 0."""
    return (x[:, :, None] == torch.arange(1, levels, device=x.device)).to(x.dtype)


def log_joint(
    hot: Float[Tensor, "n d m"], weights: Float[Tensor, " k"], probs: Float[Tensor, "k d levels"]
) -> Float[Tensor, "n k"]:
    """log π_k + Σ_i log θ_k,i(x_i), as one product of matrices."""
    log_probs = probs.log()
    odds = (log_probs[:, :, 1:] - log_probs[:, :, :1]).flatten(1)
    return weights.log() + log_probs[:, :, 0].sum(1) + hot.flatten(1) @ odds.mT


def spread_like(
    hot: Float[Tensor, "n d m"], r: Float[Tensor, "n k"], imagined: Float[Tensor, "#d #l"] | float
) -> Float[Tensor, "k d l"]:
    """The frequency of each level in each component, with imagined counts added."""
    seen = (r.mT @ hot.flatten(1)).view(-1, *hot.shape[1:])
    zero = (r.sum(0)[:, None] - seen.sum(-1)).clamp_min(0)
    counts = torch.cat([zero[:, :, None], seen], -1) + imagined
    return counts / counts.sum(-1, keepdim=True)
