"""Data sets, offline by default.

Real (shipped with scikit-learn): `digits`, `iris`, `wine`. Made: `two_moons`, `pinwheel`,
`eight_gaussians`, `checkerboard`, `swiss_roll`, `rings`, `bars_and_stripes`, `old_faithful`,
`audio`. Larger sets, read from `$DGM_DATA` or downloaded once: `mnist`, `binarized_mnist`,
`nltcs`, `dna`, `red_wine`.

`ENTROPY` holds the best possible negative log-likelihood of the made sets where it is known.
"""

from dgm_lib.data.download import DataError
from dgm_lib.data.exact import (
    ENTROPY,
    checkerboard_log_prob,
    eight_gaussians_log_prob,
    rings_log_prob,
    two_moons_log_prob,
)
from dgm_lib.data.external import Splits, binarized_mnist, dna, mnist, nltcs, red_wine
from dgm_lib.data.real import Dataset, digits, iris, wine
from dgm_lib.data.toys import (
    audio,
    bars_and_stripes,
    checkerboard,
    eight_gaussians,
    old_faithful,
    pinwheel,
    rings,
    swiss_roll,
    two_moons,
)

__all__ = [
    "ENTROPY",
    "DataError",
    "Dataset",
    "Splits",
    "audio",
    "bars_and_stripes",
    "binarized_mnist",
    "checkerboard",
    "checkerboard_log_prob",
    "digits",
    "dna",
    "eight_gaussians",
    "eight_gaussians_log_prob",
    "iris",
    "mnist",
    "nltcs",
    "old_faithful",
    "pinwheel",
    "red_wine",
    "rings",
    "rings_log_prob",
    "swiss_roll",
    "two_moons",
    "two_moons_log_prob",
    "wine",
]
