"""Gaussian KL against torch.distributions and quadrature; samples against their moments."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from dgm_lib.variational.gaussian import gaussian_kl, reparameterize, scale_tril


def gaussians(seed, n, d, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    shapes = [(n, d), (n, d), (d,), (d,)]
    return [torch.randn(shape, generator=g, dtype=dtype) for shape in shapes]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 6))
def test_kl_equals_torch_distributions(seed, n, d):
    mean, log_std, prior_mean, prior_log_std = gaussians(seed, n, d)
    want = kl_divergence(
        Independent(Normal(mean, log_std.exp()), 1),
        Independent(Normal(prior_mean, prior_log_std.exp()), 1).expand((n,)),
    )
    torch.testing.assert_close(gaussian_kl(mean, log_std, prior_mean, prior_log_std), want)


def test_kl_by_quadrature():
    mean, log_std, prior_mean, prior_log_std = gaussians(1, 1, 1)
    q, p = Normal(mean[0], log_std[0].exp()), Normal(prior_mean, prior_log_std.exp())
    z = q.mean + q.stddev * torch.linspace(-12, 12, 4001, dtype=torch.float64)
    integrand = q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z))
    want = torch.trapezoid(integrand, z)
    got = gaussian_kl(mean, log_std, prior_mean, prior_log_std)[0]
    assert got.item() == pytest.approx(want.item(), rel=1e-8)


def test_kl_of_nearly_equal_laws_keeps_its_digits():
    zero = torch.zeros(1, 1)
    assert gaussian_kl(zero, zero + 1e-4, zero[0], zero[0]).item() == pytest.approx(1e-8, rel=1e-2)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 4))
def test_samples_have_the_moments_of_the_noise_mapped(seed, n, d):
    """With eps = ±√d e_j the sample mean and covariance are exact, not estimated."""
    g = torch.Generator().manual_seed(seed)
    mean, log_std, _, _ = gaussians(seed, n, d)
    lower = torch.randn(n, d, d, generator=g, dtype=torch.float64)
    axes = math.sqrt(d) * torch.eye(d, dtype=torch.float64)
    eps = torch.cat([axes, -axes])[:, None].expand(2 * d, n, d)
    for below in (lower, None):
        factor = scale_tril(log_std, torch.zeros_like(lower) if below is None else below)
        z = reparameterize(mean, log_std, eps, below)
        torch.testing.assert_close(z.mean(0), mean)
        covariance = torch.einsum("sni,snj->nij", z - mean, z - mean) / (2 * d)
        torch.testing.assert_close(covariance, factor @ factor.mT)


def test_samples_equal_those_of_multivariate_normal():
    mean, log_std, _, _ = gaussians(4, 3, 3)
    lower = torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    law = MultivariateNormal(mean, scale_tril=scale_tril(log_std, lower))
    eps = torch.randn(5, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z = reparameterize(mean, log_std, eps, lower)
    want = -0.5 * (eps**2).sum(-1) - log_std.sum(-1) - 1.5 * math.log(2 * math.pi)
    torch.testing.assert_close(law.log_prob(z), want)


def test_gradients_flow_to_every_parameter_and_match_finite_differences():
    mean, log_std, _, _ = gaussians(5, 2, 3)
    g = torch.Generator().manual_seed(2)
    lower = torch.randn(2, 3, 3, generator=g, dtype=torch.float64)
    eps = torch.randn(4, 2, 3, generator=g, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (mean, log_std, lower)]
    assert torch.autograd.gradcheck(lambda m, s, low: reparameterize(m, s, eps, low), inputs)
    assert torch.autograd.gradcheck(
        gaussian_kl, [*inputs[:2], mean.detach()[0] + 1, log_std.detach()[0] - 1]
    )


def test_bad_input(unchecked):
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="log_std: got shape"):
        gaussian_kl(x, x[:, :2], x[0], x[0])
    with pytest.raises(ValueError, match="prior_mean: got shape"):
        gaussian_kl(x, x, x, x[0])
    with pytest.raises(ValueError, match="mean: got 6 NaN"):
        gaussian_kl(x * math.nan, x, x[0], x[0])
    with pytest.raises(ValueError, match="eps: got shape"):
        reparameterize(x, x, x)
    with pytest.raises(ValueError, match="lower: got shape"):
        reparameterize(x, x, x[None], torch.zeros(2, 3, 2))
    with pytest.raises(ValueError, match="mean: got an empty batch"):
        reparameterize(x[:0], x[:0], x[None, :0])
