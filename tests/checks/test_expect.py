"""Comparisons fail with a sentence, and only when they should."""

import pytest
import torch

from dgm_lib.checks import expect
from dgm_lib.checks.expect import Mismatch


@pytest.mark.parametrize(
    ("got", "message"),
    [
        (torch.zeros(3, 1), r"got shape \(3, 1\); want \(3,\)"),
        (torch.tensor([0.0, 1.0, float("nan")]), "1 of 3 values are NaN or infinite"),
        (torch.tensor([0.0, 1.0, 2.5]), r"got 2.5 where 2 is expected, at index \[2\] \(1 of 3"),
        ("x", "got a str; want a tensor"),
        (None, "return"),
        (torch.zeros(3, dtype=torch.complex64), "complex"),
    ],
)
def test_close_says_what_is_off(got, message):
    with pytest.raises(Mismatch, match=message):
        expect.close("y", got, torch.tensor([0.0, 1.0, 2.0]))


def test_close_takes_numbers_dtypes_and_rounding():
    expect.close("y", 2, torch.tensor(2.0))
    expect.close("y", 2.0, 2.0)
    expect.close("y", torch.tensor([1.0 + 1e-6], dtype=torch.float64), torch.ones(1))
    with pytest.raises(Mismatch, match=r"got 3 where 2 is expected$"):
        expect.close("y", 3, 2)


def test_pair():
    assert expect.pair("y", [1, 2]) == (1, 2)
    with pytest.raises(Mismatch, match="got a Tensor; want a tuple of 2"):
        expect.pair("y", torch.ones(2))
    with pytest.raises(Mismatch, match="got 3 elements; want a tuple of 2"):
        expect.pair("y", (1, 2, 3))
