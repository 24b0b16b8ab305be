"""Errors that name the argument, what came, and what is wanted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib.validate import require, require_finite, require_tensor, require_values


def test_require():
    require(True, "never seen")
    with pytest.raises(ValueError, match=r"^h: got 0; want more$"):
        require(False, "h: got 0; want more")


@given(n=st.integers(0, 4), d=st.integers(0, 4), want=st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_a_fixed_size_must_agree_and_a_named_one_may_be_anything(n, d, want):
    x = torch.zeros(n, d)
    require_tensor("x", x, ("n", "d"))
    if d == want:
        require_tensor("x", x, ("n", want))
    else:
        with pytest.raises(ValueError, match=rf"^x: got shape \({n}, {d}\); want \(n, {want}\)$"):
            require_tensor("x", x, ("n", want))


@pytest.mark.parametrize("x", [torch.zeros(3), torch.zeros(3, 2, 1), torch.tensor(0.0)])
def test_number_of_axes(x):
    with pytest.raises(ValueError, match=r"W: got shape .*; want \(d, d\)"):
        require_tensor("W", x, ("d", "d"))


def test_a_single_axis_is_written_like_a_tuple():
    with pytest.raises(ValueError, match=r"b: got shape \(2,\); want \(3,\)"):
        require_tensor("b", torch.zeros(2), (3,))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("x", [None, 1.0, [[0.0]], np.zeros((2, 2))])
def test_no_tensor(x):
    with pytest.raises(ValueError, match=rf"x: got a {type(x).__name__}; want a tensor of shape"):
        require_tensor("x", x, ("n", "d"))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_dtype(dtype):
    with pytest.raises(ValueError, match=rf"x: got dtype {dtype}; want a floating-point tensor"):
        require_tensor("x", torch.zeros(2, 2).to(dtype), ("n", "d"))
    require_tensor("x", torch.zeros(2, 2, dtype=torch.float64), ("n", "d"))


def test_an_empty_batch_is_an_error_only_where_a_batch_is_wanted():
    require_tensor("x", torch.zeros(0, 2), ("n", 2))
    with pytest.raises(ValueError, match="x: got an empty batch; want at least one example"):
        require_tensor("x", torch.zeros(0, 2), ("n", 2), batch=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_not_finite(bad):
    x = torch.zeros(3, 2)
    require_finite("x", x)
    x[1, 1] = x[2, 0] = bad
    for call in (lambda: require_finite("x", x), lambda: require_tensor("x", x, ("n", 2))):
        with pytest.raises(ValueError, match="x: got 2 NaN or infinite entries; want finite"):
            call()


def test_values_outside_the_support():
    require_values("x", torch.tensor([[0.0, 1.0]]), (0, 1))
    require_values("x", torch.tensor([]), (0, 1))
    with pytest.raises(ValueError, match=r"x: got the value -1; want only 0 or 1"):
        require_values("x", torch.tensor([0.0, -1.0, 5.0]), (0, 1))
    with pytest.raises(ValueError, match=r"x: got the value 0; want only -1 or 1"):
        require_values("x", torch.tensor([0.0]), (-1, 1))
    with pytest.raises(ValueError, match=r"x: got the value nan"):
        require_values("x", torch.tensor([math.nan]), (0, 1))
