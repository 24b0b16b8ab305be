"""Bounds of models: the three forms, naive and weighted likelihoods, amortisation, the VAE."""

import itertools
import math

import pytest
import torch
from torch.distributions import Independent, Normal

from dgm_lib.data import digits
from dgm_lib.fit import fit
from dgm_lib.model import HasElbo, HasLogProb, HasLoss, HasSample
from dgm_lib.variational.amortised import fit_per_point
from dgm_lib.variational.forms import closed_form_elbo, closed_form_loss, elbo_samples
from dgm_lib.variational.likelihood import importance_log_likelihood, naive_log_likelihood
from dgm_lib.variational.linear_gaussian import LinearGaussian, posterior_gap
from dgm_lib.variational.vae import VAE


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(d=3, k=2, full=True):
    g = generator(1)
    return LinearGaussian(torch.randn(d, k, generator=g), torch.randn(d, generator=g), 0.7, full)


@torch.no_grad()
def test_all_forms_have_the_exact_elbo_as_their_mean():
    model = linear()
    x = model.sample(4, generator=generator())
    exact = model.log_prob(x) - model.gap(x)
    for values in elbo_samples(model, x, model.encode(x), 40_000, generator()).values():
        error = values.std(0) / math.sqrt(40_000)
        assert ((values.mean(0) - exact).abs() < 5 * error).all()
    got = closed_form_elbo(model, x, 40_000, generator())
    torch.testing.assert_close(got, exact, atol=0.2, rtol=0)


@torch.no_grad()
def test_at_the_posterior_only_the_log_ratio_is_free_of_noise():
    model = linear()
    x = model.sample(3, generator=generator())
    forms = elbo_samples(model, x, model.posterior(x), 50, generator())
    want = model.log_prob(x).expand(50, 3)
    torch.testing.assert_close(forms["log ratio"], want, atol=1e-3, rtol=0)
    assert (forms["energy + entropy"].std(0) > 0.1).all()
    assert (forms["reconstruction - KL"].std(0) > 0.1).all()


@torch.no_grad()
def test_likelihood_estimates_reach_the_exact_value_in_low_dimension():
    model = linear()
    x = model.sample(5, generator=generator())
    for estimate in (naive_log_likelihood, importance_log_likelihood):
        got = estimate(model, x, 200_000, generator(3), chunk=50_000)
        torch.testing.assert_close(got, model.log_prob(x), atol=0.1, rtol=0)


@torch.no_grad()
def test_chunks_do_not_change_what_is_averaged():
    model = linear()
    x = model.sample(2, generator=generator())
    single = importance_log_likelihood(model, x, 7, generator(), chunk=7)
    weights = model.log_weights(x, samples=7, generator=generator())
    torch.testing.assert_close(single, weights.logsumexp(0) - math.log(7))
    uneven = importance_log_likelihood(model, x, 7, generator(), chunk=3)
    g = generator()
    parts = [model.log_weights(x, samples=s, generator=g) for s in (3, 3, 1)]
    torch.testing.assert_close(uneven, torch.cat(parts).logsumexp(0) - math.log(7))


@torch.no_grad()
def test_naive_estimate_collapses_as_the_dimension_grows():
    errors = []
    for k in (1, 5, 20):
        model = LinearGaussian(torch.eye(k), torch.zeros(k), 0.2)
        x = model.sample(20, generator=generator(7))
        estimate = naive_log_likelihood(model, x, 500, generator(8))
        errors.append((estimate - model.log_prob(x)).mean())
    assert abs(errors[0]) < 0.3
    assert errors[1] < -1
    assert errors[2] < errors[1] - 20


def test_per_point_inference_reaches_the_best_diagonal_q():
    model = linear(full=False)
    with torch.no_grad():
        x = model.sample(6, generator=generator())
    q = fit_per_point(model, x, steps=400, lr=0.05, samples=16)
    with torch.no_grad():
        parts = model.weight, model.bias, model.log_sigma.exp().item()
        gap = posterior_gap(x, q.mean, torch.diag_embed(q.stddev), *parts)
        precision = torch.eye(2) + model.weight.mT @ model.weight / torch.exp(2 * model.log_sigma)
        best = 0.5 * (precision.diagonal().log().sum() - precision.logdet())
    assert (gap > best - 1e-5).all()
    assert (gap < best + 0.01).all()
    assert model.gain.grad is None


def test_vae_speaks_the_verbs_and_every_parameter_gets_a_gradient():
    vae = VAE(6, latent=2, hidden=(5,), seed=3)
    for protocol in (HasElbo, HasSample, HasLoss):
        assert isinstance(vae, protocol)
    assert not isinstance(vae, HasLogProb)
    x = torch.randint(2, (4, 6), generator=generator()).float()
    for loss in (vae.loss(x), closed_form_loss(vae, x)):
        vae.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())
    samples = vae.sample(7, generator=generator())
    assert samples.shape == (7, 6)
    assert set(samples.unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(samples, vae.sample(7, generator=generator()))
    assert vae.elbo(x[:1], samples=3).shape == (1,)


@torch.no_grad()
def test_vae_mass_sums_to_one_and_the_bounds_keep_their_order():
    """With a one-dimensional z the exact p(x) is a quadrature away."""
    vae = VAE(4, latent=1, hidden=(8,))
    x = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)))
    z = torch.linspace(-8, 8, 2001)[:, None, None]
    joint = vae.prior().log_prob(z) + vae.decode(z).log_prob(x)
    exact = torch.trapezoid(joint.exp(), z[:, :, 0], dim=0)
    assert exact.sum().item() == pytest.approx(1, abs=1e-4)
    torch.nn.init.zeros_(vae.encoder[-1].weight)  # q = N(0, 1.5²), wider than any posterior
    vae.encoder[-1].bias.copy_(torch.tensor([0.0, math.log(1.5)]))
    weighted = importance_log_likelihood(vae, x, 20_000, generator(), chunk=10_000)
    torch.testing.assert_close(weighted, exact.log(), atol=0.02, rtol=0)
    assert (vae.elbo(x, samples=2000, generator=generator()) < exact.log() + 0.02).all()


def test_vae_learns_digits():
    data = digits("binary")
    vae = VAE(64, latent=8, hidden=(64,))
    before = vae.elbo(data.test, samples=2).mean().item()
    fit(vae, data.train, loss=closed_form_loss, epochs=15, batch_size=100, lr=3e-3, valid=0)
    after = vae.elbo(data.test, samples=2).mean().item()
    factorised = Independent(torch.distributions.Bernoulli(data.train.mean(0).clamp(0.01, 0.99)), 1)
    assert before < -44
    assert after > factorised.log_prob(data.test).mean().item() + 1


def test_bad_input(unchecked):
    vae, x = VAE(4), torch.zeros(3, 4)
    with pytest.raises(ValueError, match="x: got shape"):
        vae.elbo(x[:, :2])
    with pytest.raises(ValueError, match="x: got an empty batch"):
        vae.elbo(x[:0])
    with pytest.raises(ValueError, match=r"support|constraint"):
        vae.elbo(x + 0.5)
    with pytest.raises(ValueError, match="samples: got 0"):
        importance_log_likelihood(vae, x, 0)
    with pytest.raises(ValueError, match="latent: got 0"):
        VAE(4, latent=0)
    with pytest.raises(ValueError, match="q: got a batch"):
        elbo_samples(vae, x, Independent(Normal(torch.zeros(2, 2), 1.0), 1))
    with pytest.raises(ValueError, match="steps: got 0"):
        fit_per_point(vae, x, steps=0)
