"""Mixtures and linear latent models beside their peers: an EM iteration, the optimum, DNA.

Times are the processor's own (all threads together), so a busy machine does not distort ratios.
"""

import warnings

import numpy as np
import torch
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as SklearnMixture
from timing import in_turns

from dgm_lib import data
from dgm_lib.latent import PPCA, CategoricalMixture, FactorAnalysis, GaussianMixture
from dgm_lib.latent.gaussian_em import em_iteration

N, D, K = 100_000, 16, 10


def blobs(n: int, d: int, k: int, spread: float) -> tuple[torch.Tensor, tuple]:
    """Data from k correlated Gaussians, and a start for EM that is not the truth; float64."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(k, d, d, generator=g, dtype=torch.float64) / d**0.5
    z = torch.randint(k, (n,), generator=g)
    noise = torch.randn(n, d, generator=g, dtype=torch.float64)
    x = spread * torch.randn(k, d, generator=g, dtype=torch.float64)[z]
    x = x + torch.einsum("nij,nj->ni", a[z], noise) + 0.5 * noise
    weights = torch.full((k,), 1 / k, dtype=torch.float64)
    return x, (weights, x[:k].clone(), torch.cov(x.T).repeat(k, 1, 1))


def sklearn_mixture(theta: tuple, **settings) -> SklearnMixture:
    weights, means, covariances = (value.numpy() for value in theta)
    return SklearnMixture(
        len(weights),
        reg_covar=0,
        weights_init=weights,
        means_init=means,
        precisions_init=np.linalg.inv(covariances),
        **settings,
    )


def pomegranate_iteration(x: torch.Tensor, theta: tuple):
    """One pass of sufficient statistics and update; None where it is not installed."""
    try:
        from pomegranate.distributions import Normal
        from pomegranate.gmm import GeneralMixtureModel
    except ImportError:
        return None
    weights, means, covariances = (value.float() for value in theta)  # it works in float32
    parts = [Normal(m.clone(), c.clone()) for m, c in zip(means, covariances, strict=True)]
    model = GeneralMixtureModel(parts, priors=weights)
    x = x.float()

    def run() -> None:
        model.summarize(x)
        model.from_summaries()

    return run


def iteration() -> None:
    x, theta = blobs(N, D, K, 2.0)
    weights, means, covariances = theta
    scales = torch.linalg.cholesky(covariances)
    peer = sklearn_mixture(theta, max_iter=1, tol=0)
    points = x.numpy()
    peer.fit(points)

    def sklearn_run() -> None:
        _, log_r = peer._e_step(points)
        peer._m_step(points, log_r)

    runs = {
        "ours": lambda: em_iteration(x, weights, means, scales, "full", 1e-9),
        "scikit-learn": sklearn_run,
    }
    if (other := pomegranate_iteration(x, theta)) is not None:
        runs["pomegranate (float32)"] = other
    torch.set_num_threads(1)  # importing pomegranate raises it
    found = {name: min(times) for name, times in in_turns(runs, 7).items()}
    print(f"an EM iteration, {N} × {D}, {K} full components, float64, both bounds included")
    for name, seconds in found.items():
        print(f"  {name:22} {1000 * seconds:7.1f} ms  {seconds / found['ours']:5.2f} × ours")
    print(
        f"  target: scikit-learn at least 2 × ours; got {found['scikit-learn'] / found['ours']:.2f}"
    )


def same_optimum() -> None:
    x, theta = blobs(3000, 4, 3, 0.8)  # overlapping, so EM takes many steps
    ours = GaussianMixture(3).set_parameters(*theta).fit(x, steps=2000, tol=1e-15, warm=True)
    peer = sklearn_mixture(theta, max_iter=2000, tol=1e-15).fit(x.numpy())
    gaps = {
        "weights": ours.weights_ - torch.from_numpy(peer.weights_),
        "means": ours.means_ - torch.from_numpy(peer.means_),
        "covariances": ours.covariances_ - torch.from_numpy(peer.covariances_),
        "log p(x)": ours.log_prob(x) - torch.from_numpy(peer.score_samples(x.numpy())),
    }
    print("same start, same optimum as scikit-learn, largest difference (target 1e-6):")
    print("  " + ", ".join(f"{name} {gap.abs().max():.1e}" for name, gap in gaps.items()))


def linear() -> None:
    x = data.wine().train.double()
    ppca = PPCA(3).fit(x).log_prob(x).mean().item()
    peer = decomposition.PCA(3, svd_solver="full").fit(x.numpy()).score(x.numpy())
    print(f"PPCA(3) on wine: {ppca:.4f} nats; scikit-learn's PCA.score {peer:.4f}")
    print("  (it divides the covariance by n - 1, which is not the maximum)")
    factors = FactorAnalysis(3).fit(x, steps=5000, tol=1e-10)
    peer = decomposition.FactorAnalysis(3, tol=1e-6, max_iter=5000, svd_method="lapack")
    peer = peer.fit(x.numpy()).score(x.numpy())
    print(
        f"FactorAnalysis(3) on wine: {factors.log_prob(x).mean():.4f} nats; scikit-learn {peer:.4f}"
    )


def dna() -> None:
    """The size and the smoothing that are best on the validation set, tested once."""
    try:
        splits = data.dna()
    except data.DataError as error:
        print(f"DNA: {error}")
        return
    scores = {}
    for k in (8, 16, 32, 64):
        for smoothing in (4.0, 16.0):
            model = CategoricalMixture(k, smoothing=smoothing).fit(splits.train, steps=100)
            scores[k, smoothing] = -model.log_prob(splits.valid).mean().item(), model
    (k, smoothing), (valid, model) = min(scores.items(), key=lambda item: item[1][0])
    test = -model.log_prob(splits.test).mean().item()
    print(
        f"DNA, mixture of Bernoullis: {k} components, smoothing {smoothing:g} (chosen on the "
        f"validation set, {valid:.2f}): test NLL {test:.2f} nats (target 98.19 or better)"
    )


def main() -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # peers that are stopped on purpose
    iteration()
    same_optimum()
    linear()
    dna()


if __name__ == "__main__":
    main()
