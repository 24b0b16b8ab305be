"""The uniforms of the inner loops: their law, their independence, and coins made of them."""

import pytest
import torch

from dgm_lib.energy.draws import bernoulli, is_binary, uniforms


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniforms_are_uniform_and_uncorrelated(dtype):
    generator = torch.Generator().manual_seed(0)
    calls = torch.stack([uniforms(torch.empty(7, 5, dtype=dtype), generator) for _ in range(4000)])
    u = calls.flatten().double()
    n = len(u)
    assert calls.dtype == dtype
    assert ((u >= 0) & (u < 1)).all()
    for power in (1, 2, 3):  # five standard errors; the variance of u^k is below 0.1
        assert abs((u**power).mean().item() - 1 / (power + 1)) < 5 * (0.1 / n) ** 0.5
    counts = torch.histc(u, 64, 0, 1) - n / 64
    assert (counts.abs() < 5 * (n / 64) ** 0.5).all()
    correlation = torch.corrcoef(calls.flatten(1).T) - torch.eye(35)
    assert correlation.abs().max() < 5 / 4000**0.5  # units of a call, four of them from one integer
    assert abs(torch.corrcoef(torch.stack([u[:-35], u[35:]]))[0, 1].item()) < 5 / n**0.5


def test_uniforms_have_24_bits_and_share_the_last_8():
    generator = torch.Generator().manual_seed(0)
    grid = [(uniforms(torch.empty(11, 3), generator) * 2**24).long() for _ in range(2000)]
    last = torch.stack([whole % 256 for whole in grid])
    assert (last == last[:, :1, :1]).all()
    times = torch.bincount(last[:, 0, 0], minlength=256)
    assert abs((times**2).sum().item() / 2000 - (1 + 1999 / 256)) < 2  # each equally often


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 2), (6,), (2, 3, 3)])
def test_every_shape_and_certain_events(shape):
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        assert (bernoulli(torch.ones(shape), generator) == 1).all()
        assert (bernoulli(torch.zeros(shape), generator) == 0).all()
    assert bernoulli(torch.full((1,), 0.5).expand(shape), generator).shape == shape


def test_coins_fall_as_often_as_they_should():
    p = torch.tensor([1e-3, 0.1, 0.5, 0.9, 0.999], dtype=torch.float64).expand(200000, 5)
    share = bernoulli(p, torch.Generator().manual_seed(0)).mean(0)
    assert ((share - p[0]).abs() < 5 * (p[0] * (1 - p[0]) / 200000).sqrt()).all()


def test_the_same_seed_draws_the_same():
    p = torch.rand(4, 9, generator=torch.Generator().manual_seed(0))
    a, b = (bernoulli(p, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, bernoulli(p, torch.Generator().manual_seed(4)))


def test_binary_is_zero_or_one_only():
    assert is_binary(torch.tensor([[0.0, 1.0], [1.0, -0.0]]))
    for wrong in (0.5, -1.0, 2.0, 1e-30, 1 + 1e-6, 1 - 1e-7, float("nan"), float("inf")):
        assert not is_binary(torch.tensor([[0.0, wrong, 1.0]])), wrong
