"""The small real sets: their values, their split, and their labels."""

import pytest
import torch
from sklearn import datasets

from dgm_lib import data

SETS = {
    "binary": lambda seed=0: data.digits("binary", seed=seed),
    "gray": lambda seed=0: data.digits("gray", seed=seed),
    "dequantized": lambda seed=0: data.digits("dequantized", seed=seed),
    "iris": data.iris,
    "wine": data.wine,
}
SIZES = {"iris": (150, 4), "wine": (178, 13)}
each = pytest.mark.parametrize("name", SETS)


@each
def test_split_is_a_stratified_fifth(name):
    d = SETS[name]()
    n, features = SIZES.get(name, (1797, 64))
    assert len(d.train) + len(d.test) == n
    assert d.train.shape[1:] == d.test.shape[1:] == (features,)
    assert len(d.train) == len(d.train_labels)
    assert len(d.test) == len(d.test_labels)
    for label in d.train_labels.unique():
        here = (d.test_labels == label).sum()
        whole = here + (d.train_labels == label).sum()
        assert here == round(whole.item() / 5)


@each
def test_both_parts_are_shuffled(name):
    """The classes come in any order: of 40 rows, none takes more than it would by chance."""
    for labels in (SETS[name]().train_labels, SETS[name]().test_labels[:30]):
        head = labels[:40]
        share = labels.bincount() / len(labels)
        spread = (share * (1 - share) * len(head)).sqrt()
        assert ((head.bincount(minlength=len(share)) - share * len(head)).abs() <= 4 * spread).all()


@each
def test_seed_decides_the_split(name):
    before = torch.get_rng_state()
    first, again, other = SETS[name](), SETS[name](), SETS[name](seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.test_labels, other.test_labels)


@each
def test_every_row_is_used_once(name):
    """Train and test together are the whole set: sorted rows of a linear function agree."""
    d = SETS[name]()
    rows = torch.cat([d.train, d.test])
    if name in SIZES:
        raw = torch.from_numpy(getattr(datasets, f"load_{name}")().data).float()
    else:
        raw = torch.from_numpy(datasets.load_digits().data).float()
        raw = (raw >= 8).float() if name == "binary" else raw / 16
        rows = rows if name != "dequantized" else ((rows * 17).floor() / 16)
    if name in SIZES:  # undo the standardisation: a linear map, fixed by two moments
        rows = rows * raw.std(0) / rows.std(0)
        rows = rows - rows.mean(0) + raw.mean(0)
    order = torch.rand(raw.shape[1], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close((rows @ order).sort().values, (raw @ order).sort().values)


def test_labels_belong_to_their_digits():
    pixels, labels = datasets.load_digits(return_X_y=True)
    known = {tuple(row): label for row, label in zip(pixels.tolist(), labels, strict=True)}
    d = data.digits("gray")
    for x, label in zip((d.test * 16).tolist(), d.test_labels.tolist(), strict=True):
        assert known[tuple(x)] == label


def test_images_are_the_vectors_reshaped():
    flat, square = data.digits("gray"), data.digits("gray", images=True)
    assert square.train.shape == (1438, 1, 8, 8)
    assert torch.equal(square.test.flatten(1), flat.test)


def test_the_three_forms_show_the_same_digits():
    binary, gray, deq = (data.digits(form) for form in ("binary", "gray", "dequantized"))
    assert set(binary.train.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(binary.train, (gray.train >= 0.5).float())
    assert (gray.train.min(), gray.train.max()) == (0, 1)
    assert deq.train.min() > 0
    assert deq.train.max() < 1
    assert torch.equal((deq.train * 17).floor(), gray.train * 16)
    u = deq.train * 17 - gray.train * 16
    assert u.mean().item() == pytest.approx(0.5, abs=0.01)
    assert u.var().item() == pytest.approx(1 / 12, abs=0.001)


@pytest.mark.parametrize("load", [data.iris, data.wine])
def test_standardised_by_the_training_part_alone(load):
    d = load()
    torch.testing.assert_close(d.train.mean(0), torch.zeros(d.train.shape[1]), rtol=0, atol=1e-5)
    torch.testing.assert_close(d.train.std(0), torch.ones(d.train.shape[1]))
    assert d.test.mean(0).abs().max() > 1e-3


@pytest.mark.usefixtures("unchecked")
def test_unknown_form():
    with pytest.raises(ValueError, match=r"form: got 'grey'; want one of 'binary', 'gray'"):
        data.digits("grey")
