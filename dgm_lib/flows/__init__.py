"""Normalizing flows: exact densities from invertible maps.

    change_of_variables   the formula, with autograd's Jacobian
    base, compose, flow   the law of the noise; bijections in a row; the model
    elementwise, affine, rotation      bijections without a network
    coupling, vector, masks, networks  bijections with one
    squeeze, multiscale, preprocess    images
    real_nvp, divergence  the classic stacks, and the second way to train them

Every bijection maps data to noise in `forward` and noise to data in `inverse`; each returns the
log-determinant of its own direction.
"""

from dgm_lib.flows.affine import Affine, Cholesky
from dgm_lib.flows.base import StandardLogistic, StandardNormal
from dgm_lib.flows.change_of_variables import change_of_variables, jacobian
from dgm_lib.flows.compose import Compose, Inverse
from dgm_lib.flows.coupling import (
    MaskedCoupling,
    coupling_forward,
    coupling_inverse,
    coupling_log_det,
)
from dgm_lib.flows.divergence import reverse_kl
from dgm_lib.flows.elementwise import Scale, SinhArcsinh
from dgm_lib.flows.flow import Flow
from dgm_lib.flows.masks import alternating_mask, channel_mask, checkerboard_mask, half_mask
from dgm_lib.flows.multiscale import Flatten, Split, multiscale_real_nvp
from dgm_lib.flows.networks import ImageCNN, ImageMLP
from dgm_lib.flows.preprocess import Logit, bits_per_dim, dequantize
from dgm_lib.flows.real_nvp import nice, real_nvp
from dgm_lib.flows.rotation import Givens, Householder, Permutation, reverse
from dgm_lib.flows.squeeze import Squeeze, squeeze, unsqueeze
from dgm_lib.flows.vector import Coupling

__all__ = [
    "Affine",
    "Cholesky",
    "Compose",
    "Coupling",
    "Flatten",
    "Flow",
    "Givens",
    "Householder",
    "ImageCNN",
    "ImageMLP",
    "Inverse",
    "Logit",
    "MaskedCoupling",
    "Permutation",
    "Scale",
    "SinhArcsinh",
    "Split",
    "Squeeze",
    "StandardLogistic",
    "StandardNormal",
    "alternating_mask",
    "bits_per_dim",
    "change_of_variables",
    "channel_mask",
    "checkerboard_mask",
    "coupling_forward",
    "coupling_inverse",
    "coupling_log_det",
    "dequantize",
    "half_mask",
    "jacobian",
    "multiscale_real_nvp",
    "nice",
    "real_nvp",
    "reverse",
    "reverse_kl",
    "squeeze",
    "unsqueeze",
]
