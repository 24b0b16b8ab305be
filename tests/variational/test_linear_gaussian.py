"""The linear-Gaussian model: quadrature, Bayes' theorem, and the gap in every way it can be had."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal, kl_divergence

from dgm_lib.fit import fit
from dgm_lib.variational.gaussian import scale_tril
from dgm_lib.variational.linear_gaussian import LinearGaussian, posterior_gap


def problem(seed, n, d, k, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=g, dtype=dtype)

    sigma = 0.3 + torch.rand((), generator=g).item()
    scale = scale_tril(0.5 * normal(n, k), 0.5 * normal(n, k, k))
    return normal(n, d), normal(n, k), scale, normal(d, k), normal(d), sigma


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
def test_gap_is_evidence_minus_elbo_and_kl_to_the_posterior(seed, n, d, k):
    x, mean, scale, weight, bias, sigma = problem(seed, n, d, k)
    model = LinearGaussian(weight, bias, sigma)
    q = MultivariateNormal(mean, scale_tril=scale)
    gap = posterior_gap(x, mean, scale, weight, bias, sigma)
    torch.testing.assert_close(gap, kl_divergence(q, model.posterior(x)).detach())
    # E_q log p(x|z) in closed form: the error at the mean plus the spread that W lets through.
    error = ((x - mean @ weight.mT - bias) ** 2).sum(-1) + ((weight @ scale) ** 2).sum((-2, -1))
    fit_ = -0.5 * error / sigma**2 - d * math.log(sigma) - 0.5 * d * math.log(2 * math.pi)
    elbo = fit_ - kl_divergence(q, model.prior()).detach()
    torch.testing.assert_close(model.log_prob(x).detach() - elbo, gap, rtol=1e-6, atol=1e-8)
    assert (gap > 0).all()


def test_evidence_and_posterior_by_quadrature():
    x, _, _, weight, bias, sigma = problem(1, 3, 2, 1)
    model = LinearGaussian(weight, bias, sigma)
    z = torch.linspace(-12, 12, 20001, dtype=torch.float64)[:, None, None]
    joint = (model.prior().log_prob(z) + model.decode(z).log_prob(x)).exp().detach()
    evidence = torch.trapezoid(joint, z[:, :, 0], dim=0)
    torch.testing.assert_close(model.log_prob(x).detach(), evidence.log())
    mean = torch.trapezoid(joint * z[:, :, 0], z[:, :, 0], dim=0) / evidence
    torch.testing.assert_close(model.posterior(x).mean.detach()[:, 0], mean)


def test_gap_is_zero_at_the_posterior():
    x, _, _, weight, bias, sigma = problem(2, 4, 3, 2)
    q = LinearGaussian(weight, bias, sigma).posterior(x)
    gap = posterior_gap(x, q.mean, q.scale_tril, weight, bias, sigma)
    torch.testing.assert_close(gap, torch.zeros_like(gap))


def test_best_diagonal_q_has_the_precisions_and_the_known_gap():
    x, _, _, weight, bias, sigma = problem(3, 4, 3, 2)
    post = LinearGaussian(weight, bias, sigma).posterior(x)
    precision = torch.eye(2) + weight.mT @ weight / sigma**2
    scale = torch.diag_embed(precision.diagonal() ** -0.5).expand(4, 2, 2)
    best = posterior_gap(x, post.mean, scale, weight, bias, sigma)
    want = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
    torch.testing.assert_close(best, want.expand(4))
    for factor in (0.9, 1.1):
        assert (posterior_gap(x, post.mean, factor * scale, weight, bias, sigma) > best).all()


@pytest.mark.parametrize("full", [True, False])
def test_a_trained_encoder_reaches_the_smallest_gap_of_its_family(full):
    _, _, _, weight, bias, _ = problem(3, 4, 3, 2, torch.float32)
    model = LinearGaussian(weight, bias, 0.8, full=full)
    for p in (model.weight, model.bias, model.log_sigma):
        p.requires_grad_(False)
    x = model.sample(400, generator=torch.Generator().manual_seed(0))
    start = model.gap(x).mean().item()
    fit(model, x, epochs=40, batch_size=50, lr=0.03, valid=0)
    fit(model, x, epochs=30, batch_size=400, lr=0.003, valid=0)
    precision = torch.eye(2) + weight.mT @ weight / 0.64
    best = 0.0 if full else 0.5 * (precision.diagonal().log().sum() - precision.logdet()).item()
    assert start > best + 1
    assert best <= model.gap(x).mean().item() + 1e-5
    assert model.gap(x).mean().item() < best + 0.02


def test_bad_input(unchecked):
    x, mean, scale, weight, bias, sigma = problem(0, 3, 4, 2)
    with pytest.raises(ValueError, match="sigma: got 0"):
        posterior_gap(x, mean, scale, weight, bias, 0.0)
    with pytest.raises(ValueError, match="scale: got a factor with a diagonal entry"):
        posterior_gap(x, mean, 0 * scale, weight, bias, sigma)
    with pytest.raises(ValueError, match="weight: got shape"):
        posterior_gap(x, mean, scale, weight.mT, bias, sigma)
    with pytest.raises(ValueError, match="x: got an empty batch"):
        posterior_gap(x[:0], mean, scale, weight, bias, sigma)
    with pytest.raises(ValueError, match="bias: got shape"):
        LinearGaussian(weight, bias[:2], sigma)
    with pytest.raises(ValueError, match="sigma"):
        LinearGaussian(weight, bias, -1.0)
