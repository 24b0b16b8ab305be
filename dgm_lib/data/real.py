"""Small real data sets that scikit-learn ships: no download, loaded in milliseconds.

All three come split into train and test (a fifth), stratified by label, by `seed` alone.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.validate import require


class Dataset(NamedTuple):
    """Examples, the axis of examples first, and their labels."""

    train: Float[Tensor, "n ..."]
    test: Float[Tensor, "m ..."]
    train_labels: Int[Tensor, " n"]
    test_labels: Int[Tensor, " m"]


def digits(
    form: Literal["binary", "gray", "dequantized"] = "binary", images: bool = False, seed: int = 0
) -> Dataset:
    """1797 handwritten digits of 8×8 pixels, each an integer 0 .. 16.

    Args:
        form: `"binary"` is {0, 1} (1 where the pixel is at least 8); `"gray"` is pixel / 16 in
            [0, 1]; `"dequantized"` is (pixel + u) / 17 in (0, 1) with uniform u, so that a
            density on the cube bounds the mass of the integers: log P(pixels) is at least
            the mean of log p(x) minus 64 log 17 (Theis et al. 2016, arXiv:1511.01844, section 3.1).
        images: give shape (n, 1, 8, 8) instead of (n, 64).
        seed: of the split and of the noise u.

    Returns:
        `Dataset(train, test, train_labels, test_labels)`, 1438 and 359 examples.

    >>> digits("gray", images=True).test.shape
    torch.Size([359, 1, 8, 8])
    """
    forms = ("binary", "gray", "dequantized")
    require(form in forms, f"form: got {form!r}; want one of {', '.join(map(repr, forms))}")
    pixels, labels = _load("digits")
    if form == "binary":
        x = (pixels >= 8).to(pixels)
    elif form == "gray":
        x = pixels / 16
    else:
        u = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(seed))
        x = (pixels + u.clamp(1e-5, 1 - 1e-5)) / 17  # float32 must not round onto 0 or 1
    if images:
        x = x.view(-1, 1, 8, 8)
    return _split(x, labels, seed)


def iris(seed: int = 0) -> Dataset:
    """Fisher's 150 irises: 4 lengths in standard deviations of the training part, 3 species.

    >>> iris().train.shape
    torch.Size([120, 4])
    """
    return standardize(_split(*_load("iris"), seed))


def wine(seed: int = 0) -> Dataset:
    """178 wines of 3 growers: 13 measurements in standard deviations of the training part.

    >>> wine().train.shape
    torch.Size([142, 13])
    """
    return standardize(_split(*_load("wine"), seed))


def _load(name: str) -> tuple[Tensor, Tensor]:
    from sklearn import datasets  # slow to import, so only when it is used

    x, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    return torch.from_numpy(x).float(), torch.from_numpy(labels).long()


def _split(x: Tensor, labels: Tensor, seed: int) -> Dataset:
    """A random fifth of every class is the test set; both parts are shuffled."""
    g = torch.Generator().manual_seed(seed)
    in_test = torch.zeros(len(x), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().squeeze(1)
        members = members[torch.randperm(len(members), generator=g)]
        in_test[members[: round(len(members) / 5)]] = True
    order = torch.randperm(len(x), generator=g)
    train, test = order[~in_test[order]], order[in_test[order]]
    return Dataset(x[train], x[test], labels[train], labels[test])


def standardize(data: Dataset) -> Dataset:
    """Both parts in units of the training part: its mean 0, its standard deviation 1."""
    mean, std = data.train.mean(0), data.train.std(0)
    return data._replace(train=(data.train - mean) / std, test=(data.test - mean) / std)
