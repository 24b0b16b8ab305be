"""Mean field against enumeration; EM against the likelihood it climbs."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib.variational.em import Mixture, e_step, em, m_step
from dgm_lib.variational.mean_field import mean_field, mean_field_bound


def machine(seed, d, scale=1.0):
    g = torch.Generator().manual_seed(seed)
    upper = torch.triu(torch.randn(d, d, generator=g, dtype=torch.float64), 1)
    return scale * (upper + upper.mT), torch.randn(d, generator=g, dtype=torch.float64)


def all_states(d):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)), dtype=torch.float64)


def minus_energy(x, weight, bias):
    d = len(bias)
    pairs = sum(
        weight[i, j] * x[:, i] * x[:, j] for i in range(d) for j in range(i + 1, d)
    ) + torch.zeros(len(x), dtype=x.dtype)
    return pairs + x @ bias


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_bound_by_enumeration(seed, d):
    weight, bias = machine(seed, d)
    x = all_states(d)
    g = torch.Generator().manual_seed(seed)
    m = torch.rand(d, generator=g, dtype=torch.float64)
    log_q = (x * m.log() + (1 - x) * (1 - m).log()).sum(-1)
    want = (log_q.exp() * (minus_energy(x, weight, bias) - log_q)).sum()
    torch.testing.assert_close(mean_field_bound(m, weight, bias), want)
    assert want <= minus_energy(x, weight, bias).logsumexp(0) + 1e-9


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_coordinate_ascent_never_falls_and_every_update_is_the_best(seed, d):
    weight, bias = machine(seed, d)
    m, bounds = mean_field(weight, bias, torch.full((d,), 0.5, dtype=torch.float64), 5)
    assert (bounds.diff() >= -1e-10).all()
    assert bounds[-1] <= minus_energy(all_states(d), weight, bias).logsumexp(0) + 1e-9
    grid = m.repeat(99, 1)
    grid[:, -1] = torch.linspace(0.01, 0.99, 99)  # the unit that was updated last
    assert (mean_field_bound(grid, weight, bias) <= bounds[-1] + 1e-10).all()


def test_coordinate_ascent_ends_at_a_fixed_point():
    weight, bias = machine(0, 6)
    m, _ = mean_field(weight, bias, torch.full((6,), 0.5, dtype=torch.float64), 100)
    torch.testing.assert_close(m, torch.sigmoid(bias + weight @ m), atol=1e-9, rtol=0)


def test_independent_units_have_no_gap():
    _, bias = machine(0, 4)
    m, bounds = mean_field(torch.zeros(4, 4).double(), bias, torch.rand(4).double(), 1)
    torch.testing.assert_close(m, torch.sigmoid(bias))
    torch.testing.assert_close(bounds[-1], torch.log1p(bias.exp()).sum())


def mixture(seed, n=60, k=3, d=2):
    g = torch.Generator().manual_seed(seed)
    centres = 3 * torch.randn(k, d, generator=g, dtype=torch.float64)
    z = torch.randint(k, (n,), generator=g)
    x = centres[z] + torch.randn(n, d, generator=g, dtype=torch.float64)
    theta = Mixture(
        torch.full((k,), 1 / k).double().log(), x[:k], torch.eye(d).double().repeat(k, 1, 1)
    )
    return x, theta


@pytest.mark.parametrize("seed", range(4))
def test_em_climbs_and_closes_the_gap_at_every_e_step(seed):
    x, theta = mixture(seed)
    _, record = em(x, theta, 15)
    assert (record["elbo"].diff() >= -1e-10).all()
    assert (record["log_prob"].diff() >= -1e-10).all()
    torch.testing.assert_close(record["gap"][::2], torch.zeros(15, dtype=torch.float64))
    assert (record["gap"][1::2] >= 0).all()
    torch.testing.assert_close(record["elbo"] + record["gap"], record["log_prob"])


def test_m_step_is_a_stationary_point_of_the_expected_joint():
    x, theta = mixture(1)
    q = e_step(x, theta)
    new = m_step(x, q)

    def expected(means, scales, logits):
        law = Mixture(logits.log_softmax(-1), means, torch.tril(scales))
        return (q * (law.log_weights + law.log_likelihood(x))).sum()

    slopes = torch.autograd.functional.jacobian(expected, (new.means, new.scales, new.log_weights))
    for slope in slopes:
        torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-9, rtol=0)


def test_bad_input(unchecked):
    weight, bias = machine(0, 3)
    m = torch.full((3,), 0.5, dtype=torch.float64)
    with pytest.raises(ValueError, match="weight: got a matrix that is not symmetric"):
        mean_field(torch.triu(weight), bias, m)
    with pytest.raises(ValueError, match="weight: got shape"):
        mean_field(weight[:2], bias, m)
    with pytest.raises(ValueError, match="m: got values outside"):
        mean_field_bound(m + 1, weight, bias)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="too few points"):
        m_step(x, torch.tensor([[1.0, 0.0], [1, 0], [1, 0], [1, 0], [0, 1]]))
