"""Densities from samples, and distances between distributions.

gaussian     maximum likelihood for one Gaussian: gaussian_mle, gaussian_log_prob, Gaussian
histogram    counting in fixed bins
naive        counting in a cube around the query (Parzen's window): naive_estimate
kernels      the bumps of kernel density estimation, normalised in d dimensions
kde          kernel density estimation: kde_log_prob, KernelDensity
bandwidth    how wide: Silverman's rule, leave-one-out likelihood, a width for each point
knn          the k-nearest-neighbour estimate, which is no density: knn_density
divergence   KL (discrete, Gaussian, Monte Carlo) and Jensen-Shannon: kl_divergence
projection   the Gaussian nearest to a density, by forward and by reverse KL
wasserstein  how far mass must be moved: sorted samples, and a linear programme
"""

from dgm_lib.density.bandwidth import (
    adaptive_bandwidth,
    loo_bandwidth,
    loo_log_likelihood,
    silverman_bandwidth,
)
from dgm_lib.density.divergence import (
    gaussian_kl,
    js_divergence,
    kl_divergence,
    monte_carlo_kl,
)
from dgm_lib.density.gaussian import Gaussian, gaussian_log_prob, gaussian_mle
from dgm_lib.density.histogram import Histogram
from dgm_lib.density.kde import KernelDensity, kde_log_prob, kernel_log_prob
from dgm_lib.density.kernels import KERNELS, kernel_log_norm, log_kernel
from dgm_lib.density.knn import knn_density, knn_log_density
from dgm_lib.density.naive import naive_estimate
from dgm_lib.density.projection import fit_forward, fit_reverse, grid_kl
from dgm_lib.density.wasserstein import optimal_transport, wasserstein_1d

__all__ = [
    "KERNELS",
    "Gaussian",
    "Histogram",
    "KernelDensity",
    "adaptive_bandwidth",
    "fit_forward",
    "fit_reverse",
    "gaussian_kl",
    "gaussian_log_prob",
    "gaussian_mle",
    "grid_kl",
    "js_divergence",
    "kde_log_prob",
    "kernel_log_norm",
    "kernel_log_prob",
    "kl_divergence",
    "knn_density",
    "knn_log_density",
    "log_kernel",
    "loo_bandwidth",
    "loo_log_likelihood",
    "monte_carlo_kl",
    "naive_estimate",
    "optimal_transport",
    "silverman_bandwidth",
    "wasserstein_1d",
]
