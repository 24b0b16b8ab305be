"""Larger data sets, on which papers publish their numbers; see `dgm_lib.data.download`.

The checksums of MNIST are those of its four files; the others are of the values, which the
tests recompute from the files where `$DGM_DATA` has them.
"""

import gzip
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.data.download import Source, fetch
from dgm_lib.data.real import Dataset, standardize
from dgm_lib.validate import require

_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_BINARIZED = "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/"
_TWENTY = (
    "https://raw.githubusercontent.com/UCLA-StarAI/Density-Estimation-Datasets/master/datasets/"
)
_WINE = "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/"

# set -> part -> (shape, SHA-256)
CHECKSUMS = {
    "mnist": {
        "train-images-idx3-ubyte.gz": (
            (60000, 28, 28),
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "t10k-images-idx3-ubyte.gz": (
            (10000, 28, 28),
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "train-labels-idx1-ubyte.gz": (
            (60000,),
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            (10000,),
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
    "binarized_mnist": {
        "train": ((50000, 784), "43490d4d6ac9002727af4426d8748609fdb7e4094fa65ad8d681ea60082a7a5a"),
        "valid": ((10000, 784), "069b4f0beb389b776478c3e872b4df71c95ac4be64d7cbe6d32e24ebac8e6d5e"),
        "test": ((10000, 784), "ca0294c3b8d984c7a1dc891015a8eea6f37bae59a34e35ea0fc8c47110a8dd86"),
    },
    "dna": {
        "train": ((1600, 180), "922e56f8c6c678f5f5cf3199ac80782855dc0121db2afcb247af12e0e29f2a0f"),
        "valid": ((400, 180), "4793c5edd798f7c884a969820f1a9c65888d2d0205200384fce23b9ff8f1568f"),
        "test": ((1186, 180), "183aa2a8acb410c9d950e26030da5b30e3176da04b2ed2566c03565a5c3479a1"),
    },
    "nltcs": {
        "train": ((16181, 16), "73385b66808848c9fb7380fbe1581f56108da45a2c07c3d6fa4049d84e573243"),
        "valid": ((2157, 16), "41bb0f2f25694dbc5f9d29a1a01df5a0832b7dfaf113fc52726c691130798391"),
        "test": ((3236, 16), "72c1a049d0fa72c165ca12d830a7523f9e8365f25e4adb01f170c480dcded06a"),
    },
    "wine": {
        "red": ((1599, 12), "da9bbe9f20bb6a6b4982175467da6e6561f1e6b8566eb6029e4ef32f3533c641"),
    },
}


class Splits(NamedTuple):
    """The three parts that the literature uses, without labels."""

    train: Float[Tensor, "n d"]
    valid: Float[Tensor, "m d"]
    test: Float[Tensor, "k d"]


def mnist(images: bool = False) -> Dataset:
    """60,000 and 10,000 handwritten digits in [0, 1], (n, 784) or (n, 1, 28, 28), and labels.

    LeCun, Bottou, Bengio & Haffner 1998, doi:10.1109/5.726791. The four files
    `train-images-idx3-ubyte.gz` and so on stand in a folder `mnist`.
    """
    arrays = [
        fetch(Source("mnist", (name,), _MNIST + name, sha256), partial(parse_idx, shape=shape))
        for name, (shape, sha256) in CHECKSUMS["mnist"].items()
    ]
    shape = (-1, 1, 28, 28) if images else (-1, 784)
    train, test = (torch.from_numpy(x).view(shape) / 255 for x in arrays[:2])
    return Dataset(train, test, *(torch.from_numpy(labels).long() for labels in arrays[2:]))


def binarized_mnist() -> Splits:
    """MNIST binarised once and for all: 50,000, 10,000 and 10,000 vectors of 784 bits.

    Salakhutdinov & Murray 2008, doi:10.1145/1390156.1390266; the split of Larochelle & Murray
    2011. Files `binarized_mnist_train.amat` (text) or `.mat` and so on, in `binarized_mnist`.
    """
    return _bit_splits("binarized_mnist", "binarized_mnist_{}", ("amat", "mat"), _BINARIZED)


def dna() -> Splits:
    """Splice junctions in the DNA of primates: 1,600, 400 and 1,186 vectors of 180 bits.

    One of the twenty sets of Van Haaren & Davis (AAAI 2012). Files
    `dna.train.data` and so on, in a folder `dna`.
    """
    return _bit_splits("dna", "dna.{}", ("data",), _TWENTY + "dna/")


def nltcs() -> Splits:
    """Sixteen abilities of elderly people: 16,181, 2,157 and 3,236 vectors of 16 bits.

    The National Long Term Care Survey, as split by Lowd & Davis (ICDM 2010).
    Files `nltcs.train.data` and so on, in a folder `nltcs`.
    """
    return _bit_splits("nltcs", "nltcs.{}", ("data",), _TWENTY + "nltcs/")


def red_wine(fold: int = 0) -> Dataset:
    """1,599 Portuguese red wines: 11 measurements, and a quality from 3 to 8 as the label.

    Cortez et al. 2009, doi:10.1016/j.dss.2009.05.016. Published likelihoods average ten folds
    (Uria, Murray & Larochelle 2013, arXiv:1306.0186): `fold` chooses the tenth that is the test
    set. Measurements are in standard deviations of the training part. The file
    `winequality-red.csv` stands in a folder `wine`.
    """
    require(0 <= fold < 10, f"fold: got {fold}; want 0 to 9")
    shape, sha256 = CHECKSUMS["wine"]["red"]
    name = "winequality-red.csv"
    table = fetch(Source("wine", (name,), _WINE + name, sha256), partial(parse_csv, shape=shape))
    x, quality = torch.from_numpy(table[:, :-1]).float(), torch.from_numpy(table[:, -1]).long()
    folds = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).tensor_split(10)
    train, test = torch.cat([*folds[:fold], *folds[fold + 1 :]]), folds[fold]
    return standardize(Dataset(x[train], x[test], quality[train], quality[test]))


def parse_bits(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Zeros and ones: text with any separators, or the matrix X of a MATLAB file."""
    if path.suffix == ".mat":
        from scipy.io import loadmat  # slow to import, so only when it is used

        bits = np.ascontiguousarray(loadmat(path)["X"])
    else:
        text = np.fromfile(path, dtype=np.uint8)
        digit = (text == ord("0")) | (text == ord("1"))
        only_digits = bool(np.isin(text[~digit], list(b" ,\r\n")).all())
        require(only_digits, "it holds more than zeros and ones")
        bits = (text[digit] - ord("0")).reshape(-1, shape[1])
    require(bits.shape == shape, f"it has shape {bits.shape}; want {shape}")
    require(int(bits.max()) <= 1, "it holds more than zeros and ones")
    return bits


def parse_csv(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers separated by commas or semicolons, below a line of names or none."""
    lines = path.read_text().replace(";", ",").splitlines()
    table = np.loadtxt([line for line in lines if line[:1].isdigit()], delimiter=",", ndmin=2)
    require(table.shape == shape, f"it has shape {table.shape}; want {shape}")
    return table


def parse_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a gzipped IDX file: two zeros, the type (8: bytes), the axes, their sizes."""
    raw = gzip.decompress(path.read_bytes())
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    require(raw.startswith(header), f"it does not begin like an IDX file of shape {shape}")
    return np.frombuffer(bytearray(raw), dtype=np.uint8, offset=len(header)).reshape(shape)


def _bit_splits(name: str, file: str, ends: tuple[str, ...], url: str) -> Splits:
    parts = {}
    for part, (shape, sha256) in CHECKSUMS[name].items():
        names = tuple(f"{file.format(part)}.{end}" for end in ends)
        bits = fetch(Source(name, names, url + names[0], sha256), partial(parse_bits, shape=shape))
        parts[part] = torch.from_numpy(bits).float()
    return Splits(**parts)
