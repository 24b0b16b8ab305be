"""Kernel density estimation beside scikit-learn, KDEpy and SciPy, and nearest neighbours beside
scikit-learn: 10,000 points, 2,000 queries, at d = 2, 10 and 64.

Same data, same bandwidth (Silverman's), log densities, one thread. Ours is exact in float32, the
others in float64; `error` is the largest difference to a float64 sum over all pairs.
"""

import math
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from timing import apart, best_of, peak_memory

from dgm_lib.density import kde_log_prob, knn_density, silverman_bandwidth

POINTS, QUERIES = 10_000, 2_000


def make(d: int) -> tuple[torch.Tensor, torch.Tensor, float]:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(POINTS, d, generator=generator, dtype=torch.float64)
    # SciPy's kernels take the shape of the data's covariance: make that the identity
    L = torch.linalg.cholesky(data.T.cov())
    data = torch.linalg.solve_triangular(L, data.T, upper=False).T.contiguous().float()
    return data, torch.randn(QUERIES, d, generator=generator), silverman_bandwidth(data)


def exact(x: torch.Tensor, data: torch.Tensor, h: float) -> torch.Tensor:
    x, data, d = x.double(), data.double(), data.shape[1]
    rows = [-((part[:, None] - data) ** 2).sum(2) / (2 * h * h) for part in x.split(20)]
    log_sum = torch.cat([row.logsumexp(1) for row in rows])
    return log_sum - math.log(len(data)) - d / 2 * math.log(2 * math.pi * h * h)


def peers(x: np.ndarray, data: np.ndarray, h: float) -> dict[str, Callable]:
    """A function for each peer that computes its log densities."""
    from KDEpy import NaiveKDE, TreeKDE
    from scipy.stats import gaussian_kde
    from sklearn.neighbors import KernelDensity

    found = {}
    for tree in ("kd_tree", "ball_tree"):
        for rtol in (0, 1e-4):
            model = KernelDensity(bandwidth=h, algorithm=tree, rtol=rtol).fit(data)
            found[f"sklearn {tree} rtol={rtol:g}"] = lambda model=model: model.score_samples(x)
    scipy_kde = gaussian_kde(data.T, h)
    found["scipy logpdf"] = lambda: scipy_kde.logpdf(x.T)
    found["scipy pdf"] = lambda: np.log(scipy_kde.pdf(x.T))  # quicker, but underflows far away
    found["KDEpy tree"] = lambda: np.log(TreeKDE(bw=h).fit(data)(x))  # cuts kernels off
    found["KDEpy naive"] = lambda: np.log(NaiveKDE(bw=h).fit(data)(x))
    return found


def kernel_density() -> None:
    for d in (2, 10, 64):
        data, x, h = make(d)
        want = exact(x, data, h)
        error = (kde_log_prob(x, data, h) - want).abs().max().item()
        ours = best_of(lambda x=x, data=data, h=h: kde_log_prob(x, data, h), 7)
        print(f"KDE, d = {d}, h = {h:.3f}: ours {1000 * ours:.0f} ms, error {error:.0e} nats")
        times = {}
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for name, run in peers(x.double().numpy(), data.double().numpy(), h).items():
                start = time.perf_counter()
                got = run()
                times[name] = time.perf_counter() - start
                if times[name] < 3:
                    times[name] = min(times[name], best_of(run, 2))
                off = np.abs(got - want.numpy()).max()
                print(
                    f"  {name:28s} {times[name]:7.2f} s = {times[name] / ours:5.0f} × ours, ",
                    end="",
                )
                print(f"error {off:.0e}", flush=True)
        fastest = min(times, key=times.get)
        sklearn = min(t for name, t in times.items() if name.startswith("sklearn"))
        print(
            f"  ours takes {ours / times[fastest]:.3f} of the time of the fastest, {fastest} "
            f"(target 1); {sklearn / ours:.0f} × scikit-learn" + (" (target 10)" if d == 64 else "")
        )


def neighbours() -> None:
    from sklearn.neighbors import NearestNeighbors

    for d in (2, 10, 64):
        data, x, _ = make(d)
        ours = best_of(lambda x=x, data=data: knn_density(x, data, 10), 3)
        model = NearestNeighbors(n_neighbors=10).fit(data.numpy())
        theirs = best_of(lambda x=x, model=model: model.kneighbors(x.numpy()), 3)
        print(f"10 nearest, d = {d}: ours {ours:.2f} s; {ours / theirs:.2f} of scikit-learn's time")


def memory() -> None:
    """Peak memory that `kde_log_prob` adds, in a process of its own for each size."""
    for n in (5_000, 10_000, 20_000):
        (mib,) = apart(__file__, str(n))
        print(
            f"{n:,} points, as many queries: {mib:.0f} MiB more; "
            f"a table of all pairs would take {n * n * 4 / 2**20:.0f} MiB"
        )


def peak(n: int) -> None:
    data = torch.randn(n, 10, generator=torch.Generator().manual_seed(0))
    kde_log_prob(data[:1], data, 0.5)  # what torch loads at its first call is not ours
    before = peak_memory()
    kde_log_prob(data, data, 0.5)
    print(peak_memory() - before)


def main() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    kernel_density()
    neighbours()
    memory()
    torch.set_num_threads(threads)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        peak(int(sys.argv[1]))
    else:
        main()
