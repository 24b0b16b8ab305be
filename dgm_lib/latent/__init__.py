"""Latent variables whose posterior is exact: mixtures, PCA, probabilistic PCA, factor analysis.

    mixture              a mixture of Gaussians: density, responsibilities, M step
    gaussian_mixture     the same as a model that learns by EM, four kinds of covariance
    gaussian_em          its E and M step in one pass over the data
    categorical_mixture  mixtures of Bernoullis and of categorical variables
    em                   the loop of EM, and its promise that the bound never falls
    start                k-means++
    pca                  least squares through a linear bottleneck
    factors              what the next two share: log p(x), posterior, EM
    ppca                 probabilistic PCA, in closed form and by EM
    factor_analysis      the same with a noise variance per variable
    linear_vae           a VAE whose optimum is probabilistic PCA

Where the posterior is not exact, the unit on variational inference goes on.
"""

from dgm_lib.latent.categorical_mixture import CategoricalMixture
from dgm_lib.latent.factor_analysis import FactorAnalysis
from dgm_lib.latent.gaussian_mixture import GaussianMixture
from dgm_lib.latent.linear_vae import linear_vae, linear_vae_loss
from dgm_lib.latent.mixture import m_step, mixture_log_prob, responsibilities
from dgm_lib.latent.pca import PCA, alternating_least_squares, pca_reconstruct
from dgm_lib.latent.ppca import PPCA, ppca_log_prob
from dgm_lib.latent.start import kmeans_plus_plus

__all__ = [
    "PCA",
    "PPCA",
    "CategoricalMixture",
    "FactorAnalysis",
    "GaussianMixture",
    "alternating_least_squares",
    "kmeans_plus_plus",
    "linear_vae",
    "linear_vae_loss",
    "m_step",
    "mixture_log_prob",
    "pca_reconstruct",
    "ppca_log_prob",
    "responsibilities",
]
