"""Mixtures: densities against quadrature and torch.distributions, M steps against autograd."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from dgm_lib.latent import kmeans_plus_plus, m_step, mixture_log_prob, responsibilities

double = torch.float64


def normal(*shape, dtype=torch.float32):
    """The same standard normal numbers in each run, others for each shape."""
    g = torch.Generator().manual_seed(sum(10**i * size for i, size in enumerate(shape)))
    return torch.randn(*shape, generator=g, dtype=dtype)


def random_mixture(k, d, seed=0, dtype=double):
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(k, d, d, generator=g, dtype=dtype)
    covariances = a @ a.mT + 0.3 * torch.eye(d, dtype=dtype)
    weights = torch.rand(k, generator=g, dtype=dtype) + 0.1
    return weights / weights.sum(), 2 * torch.randn(k, d, generator=g, dtype=dtype), covariances


def test_density_integrates_to_one_by_quadrature():
    theta = random_mixture(3, 2)
    grid = torch.linspace(-25, 25, 801, dtype=double)
    points = torch.cartesian_prod(grid, grid)
    total = mixture_log_prob(points, *theta).exp().sum() * (grid[1] - grid[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.integers(0, 10**6))
def test_density_and_posterior_are_those_of_torch_distributions(k, d, n, seed):
    weights, means, covariances = random_mixture(k, d, seed)
    x = normal(n, d, dtype=double)
    components = MultivariateNormal(means, covariances)
    law = MixtureSameFamily(Categorical(weights), components)
    log_p = law.log_prob(x)
    assert torch.allclose(mixture_log_prob(x, weights, means, covariances), log_p)
    joint = weights.log() + components.log_prob(x[:, None])
    r = responsibilities(x, weights, means, covariances)
    assert torch.allclose(r, (joint - log_p[:, None]).exp())


def test_far_away_points_and_zero_weights_stay_finite():
    theta = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([[0.0], [1.0], [2.0]]), torch.ones(3, 1, 1)
    x = torch.tensor([[1e4], [-1e4]])
    assert torch.isfinite(mixture_log_prob(x, *theta)).all()
    r = responsibilities(x, *theta)
    assert torch.equal(r, torch.tensor([[0.0, 1, 0], [1, 0, 0]]))


def test_m_step_is_stationary_for_the_expected_log_likelihood():
    x = normal(40, 3, dtype=double)
    r = normal(40, 2, dtype=double).softmax(1)
    logits, means, factors = (
        value.requires_grad_()
        for value in (lambda w, m, c: (w.log(), m, torch.linalg.cholesky(c)))(*m_step(x, r))
    )
    joint = logits.log_softmax(0) + MultivariateNormal(means, scale_tril=factors).log_prob(
        x[:, None]
    )
    gradients = torch.autograd.grad((r * joint).sum(), [logits, means, factors])
    for gradient in gradients:
        assert gradient.abs().max() < 1e-9


def test_m_step_with_hard_assignments_is_the_mean_and_covariance_of_each_group():
    x = normal(30, 2, dtype=double)
    group = torch.arange(30) % 3
    weights, means, covariances = m_step(x, torch.eye(3, dtype=double)[group])
    assert torch.allclose(weights, torch.full((3,), 1 / 3, dtype=double))
    for k in range(3):
        assert torch.allclose(means[k], x[group == k].mean(0))
        assert torch.allclose(covariances[k], torch.cov(x[group == k].T, correction=0))


@pytest.mark.parametrize("dtype", [torch.float32, double])
def test_an_empty_component_gets_the_data_s_moments(dtype):
    x = normal(20, 2, dtype=dtype)
    r = torch.zeros(20, 3, dtype=dtype)
    r[:, 0], r[0, 0], r[0, 2] = 1, 1 - 1e-6, 1e-6
    weights, means, covariances = m_step(x, r)
    assert weights[1] == 0
    assert torch.allclose(means[1], x.mean(0), atol=1e-6)
    assert torch.allclose(covariances[1], torch.cov(x.T, correction=0), atol=1e-6)
    assert torch.allclose(means[2], x[0], atol=1e-5)  # a tiny mass is a mass
    r[0, 2] = torch.finfo(dtype).tiny / 1000  # too small to divide by
    assert all(torch.isfinite(value).all() for value in m_step(x, r))


def test_k_means_plus_plus_spreads_and_survives_duplicates():
    g = torch.Generator().manual_seed(0)
    x = torch.cat([torch.randn(50, 2, generator=g) + c for c in (-100, 0, 100)])
    nearest = kmeans_plus_plus(x, 3, g)
    for part in nearest.split(50):
        assert len(part.unique()) == 1
    assert len(nearest.unique()) == 3
    assert (kmeans_plus_plus(torch.ones(5, 2), 3, g) == 0).all()
    pairs = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    assert len(kmeans_plus_plus(pairs, 4, g).unique()) == 2


def test_k_means_plus_plus_draws_in_proportion_to_the_squared_distance():
    """From 0, 1 and 3: given a first centre 0, the second is 3 with probability 9/10."""
    x = torch.tensor([[0.0], [1.0], [3.0]])
    g = torch.Generator().manual_seed(0)
    drawn = torch.stack([kmeans_plus_plus(x, 2, g) for _ in range(1500)])
    # centres {0, 3} and {0, 1} and {1, 3}, each from two orders
    outer = 9 / 10 / 3 + 9 / 13 / 3
    together = (drawn[:, 0] == drawn[:, 1]).double().mean().item()  # 0 and 1 share {0,3} or {1,3}
    expected = outer + 4 / 13 / 3 + 4 / 5 / 3
    assert together == pytest.approx(expected, abs=5 * math.sqrt(0.25 / 1500))


def test_bad_input_is_named(unchecked):
    w, m, c = torch.tensor([0.5, 0.5]), torch.zeros(2, 2), torch.eye(2).repeat(2, 1, 1)
    x = torch.zeros(3, 2)
    lopsided = c + torch.tensor([[0.0, 0.5], [0, 0]])
    singular = c.clone()
    singular[1] = 1
    for call, message in [
        (lambda: mixture_log_prob(torch.zeros(3, 1), w, m, c), r"x: got shape \(3, 1\)"),
        (lambda: mixture_log_prob(torch.zeros(0, 2), w, m, c), "x: got an empty batch"),
        (lambda: mixture_log_prob(x * torch.nan, w, m, c), "x: got 6 NaN"),
        (lambda: mixture_log_prob(x, w + 1, m, c), "weights: got probabilities with sum 3"),
        (lambda: mixture_log_prob(x, torch.tensor([-0.5, 1.5]), m, c), "weights: got the entry"),
        (lambda: mixture_log_prob(x, w[:1], m, c), r"weights: got shape \(1,\)"),
        (lambda: mixture_log_prob(x, w, m, c[:1]), r"covariances: got shape"),
        (lambda: mixture_log_prob(x, w, m[:, :0], c), "means: got shape"),
        (lambda: responsibilities(x, w, m, singular), "covariances: got a matrix for component 1"),
        (lambda: responsibilities(x, w, m, lopsided), "covariances: .* differs from its transpose"),
        (lambda: m_step(x, torch.ones(3, 2)), "r: got probabilities with sum 2"),
        (lambda: m_step(x, torch.ones(2, 1)), r"r: got shape \(2, 1\)"),
        (lambda: m_step(x.int(), torch.ones(3, 1)), "x: got dtype"),
        (lambda: kmeans_plus_plus(x, 4), "k: got 4 components for 3 points"),
        (lambda: kmeans_plus_plus(x, 0), "k: got 0 components"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
