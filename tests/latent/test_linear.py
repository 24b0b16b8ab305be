"""PCA, probabilistic PCA, factor analysis, the linear VAE: one subspace, found in many ways."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from dgm_lib import data
from dgm_lib.fit import fit
from dgm_lib.latent import (
    PCA,
    PPCA,
    FactorAnalysis,
    alternating_least_squares,
    linear_vae,
    linear_vae_loss,
    pca_reconstruct,
    ppca_log_prob,
)

double = torch.float64


def normal(*shape, dtype=torch.float32):
    """The same standard normal numbers in each run, others for each shape."""
    g = torch.Generator().manual_seed(sum(10**i * size for i, size in enumerate(shape)))
    return torch.randn(*shape, generator=g, dtype=dtype)


def factor_data(n=500, d=5, q=2, noise=None, seed=0):
    g = torch.Generator().manual_seed(seed)
    weight = torch.randn(d, q, generator=g, dtype=double)
    noise = torch.full((d,), 0.3, dtype=double) if noise is None else noise
    z = torch.randn(n, q, generator=g, dtype=double)
    eps = torch.randn(n, d, generator=g, dtype=double)
    return z @ weight.mT + 3 + noise.sqrt() * eps, weight


# --- PCA ------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 7), st.integers(1, 6), st.integers(0, 10**6))
def test_reconstruction_is_a_projection_through_the_mean(n, d, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=g, dtype=double) + 5
    for q in range(1, d + 1):
        once = pca_reconstruct(x, q)
        assert torch.allclose(pca_reconstruct(once, q), once, atol=1e-9)
        assert torch.allclose(once.mean(0), x.mean(0))
        assert torch.linalg.matrix_rank(once - x.mean(0), atol=1e-8) <= q
        error = (x - once).square().sum().item()
        singular = torch.linalg.svdvals(x - x.mean(0))
        assert error == pytest.approx(singular[q:].square().sum().item(), abs=1e-9)


def test_no_random_subspace_does_better_and_all_roads_lead_to_the_same():
    x, _ = factor_data()
    best = (x - pca_reconstruct(x, 2)).square().sum(1).mean().item()
    centred = x - x.mean(0)
    for V in torch.linalg.qr(normal(100, 5, 2, dtype=double)).Q:
        assert (centred - centred @ V @ V.mT).square().sum(1).mean().item() >= best
    V, z, errors = alternating_least_squares(x, 2, steps=60)
    assert errors[-1] == pytest.approx(best, rel=1e-9)
    assert (torch.tensor(errors).diff() < 1e-12).all()
    assert torch.allclose(x.mean(0) + z @ V.mT, pca_reconstruct(x, 2), atol=1e-6)
    pca = PCA(2).fit(x)
    assert torch.allclose(pca.decode(pca.encode(x)), pca_reconstruct(x, 2))
    assert torch.allclose(pca.components_ @ pca.components_.mT, torch.eye(2, dtype=double))
    values = torch.linalg.eigvalsh(torch.cov(x.mT, correction=0)).flip(0)
    assert torch.allclose(pca.variances_, values)


# --- probabilistic PCA and factor analysis --------------------------------------------------------


@pytest.mark.parametrize(("d", "q"), [(1, 1), (4, 2), (3, 5)])
def test_ppca_density_is_that_of_its_gaussian(d, q):
    weight, mean = normal(d, q, dtype=double), normal(d, dtype=double)
    x = normal(6, d, dtype=double)
    covariance = weight @ weight.mT + 0.49 * torch.eye(d, dtype=double)
    want = MultivariateNormal(mean, covariance).log_prob(x)
    assert torch.allclose(ppca_log_prob(x, weight, mean, 0.7), want)
    z = torch.linspace(-9, 9, 4001, dtype=double)  # integrate one latent out by quadrature
    if q == 1:
        joint = -0.5 * ((x - mean - z[:, None, None] * weight.mT) / 0.7).square().sum(-1)
        joint = (
            joint - d * math.log(0.7) - (d + 1) / 2 * math.log(2 * math.pi) - z[:, None] ** 2 / 2
        )
        assert torch.allclose(joint.logsumexp(0) + (z[1] - z[0]).log(), want, atol=1e-6)


def test_ppca_closed_form_is_the_top_of_the_likelihood():
    x, _ = factor_data()
    model = PPCA(2).fit(x)
    weight, mean, log_sigma = (
        value.requires_grad_()
        for value in (model.weight_.clone(), model.mean_.clone(), model.noise_[0].log() / 2)
    )
    eye = torch.eye(5, dtype=double)
    law = MultivariateNormal(mean, weight @ weight.mT + (2 * log_sigma).exp() * eye)
    for gradient in torch.autograd.grad(law.log_prob(x).mean(), [weight, mean, log_sigma]):
        assert gradient.abs().max() < 1e-9
    by_em = PPCA(2).fit_em(x, steps=5000, tol=1e-14)
    assert torch.allclose(by_em.log_prob(x), model.log_prob(x), atol=1e-5)
    assert by_em.bounds_.diff().min() > -1e-12
    assert by_em.bounds_[-1].item() == pytest.approx(model.log_prob(x).mean().item(), abs=1e-9)


def test_factor_analysis_is_stationary_and_finds_the_noise():
    noise = torch.tensor([0.1, 0.4, 1.0, 2.0, 0.2, 0.6], dtype=double)
    x, _ = factor_data(20000, 6, 2, noise)
    model = FactorAnalysis(2).fit(x, steps=3000, tol=1e-13)
    assert torch.allclose(model.noise_, noise, rtol=0.12)
    weight, log_noise = model.weight_.clone().requires_grad_(), model.noise_.log().requires_grad_()
    law = MultivariateNormal(model.mean_, weight @ weight.mT + log_noise.exp().diag())
    for gradient in torch.autograd.grad(law.log_prob(x).mean(), [weight, log_noise]):
        assert gradient.abs().max() < 1e-4
    assert model.bounds_.diff().min() > -1e-12
    assert model.log_prob(x).mean() > PPCA(2).fit(x).log_prob(x).mean() + 0.1


@pytest.mark.parametrize("model", [PPCA(2), FactorAnalysis(2)])
def test_posterior_is_exact_so_every_elbo_is_log_p(model):
    x, _ = factor_data(100)
    model.fit(x) if isinstance(model, PPCA) else model.fit(x, steps=100)
    assert torch.allclose(model.elbo(x, samples=4), model.log_prob(x))
    samples = model.sample(40000, generator=torch.Generator().manual_seed(0))
    wanted = model.weight_ @ model.weight_.mT + model.noise_.diag()
    assert torch.allclose(torch.cov(samples.mT), wanted, atol=0.15)
    assert isinstance(model.loss(x).item(), float)


@pytest.mark.parametrize(
    "x",
    [
        normal(3, 8),  # fewer points than dimensions
        torch.cat([normal(30, 2), torch.full((30, 2), 4.0)], 1),  # constant columns
        normal(4, 3).repeat(5, 1),  # duplicates
        normal(30, 1).repeat(1, 3),  # one column, three times
        normal(30, 3) + 1000.0,
        normal(2, 3),
    ],
)
def test_awkward_data_give_a_finite_model(x):
    for points in (x, x.double()):
        for model in (
            PPCA(2).fit(points),
            PPCA(2).fit_em(points, steps=100),
            FactorAnalysis(2).fit(points, steps=100),
        ):
            assert torch.isfinite(model.log_prob(points)).all()
            assert (model.noise_ > 0).all()


def test_the_linear_vae_climbs_to_ppca():
    x, _ = factor_data(400)
    x = x.float()
    model = linear_vae(5, 2)
    bound = -linear_vae_loss(model, x)
    assert bound.item() == pytest.approx((model.log_prob(x) - model.gap(x)).mean().item(), abs=1e-4)
    fit(model, x, loss=linear_vae_loss, epochs=400, lr=0.03, batch_size=400, valid=0.0)
    fit(model, x, loss=linear_vae_loss, epochs=300, lr=0.003, batch_size=400, valid=0.0)
    best = PPCA(2).fit(x)
    assert -linear_vae_loss(model, x).item() == pytest.approx(
        best.log_prob(x).mean().item(), abs=2e-3
    )
    columns = model.weight.detach()
    overlap = columns[:, 0] @ columns[:, 1] / columns.norm(dim=0).prod()
    assert abs(overlap.item()) < 0.05
    assert (2 * model.log_sigma).exp().item() == pytest.approx(best.noise_[0].item(), rel=0.02)


def test_bad_input_is_named(unchecked):
    x, w, m = normal(4, 3), torch.ones(3, 1), torch.zeros(3)
    for call, message in [
        (lambda: pca_reconstruct(x, 0), "q: got 0; want 1 to 3"),
        (lambda: pca_reconstruct(x, 4), "q: got 4; want 1 to 3"),
        (lambda: pca_reconstruct(x[:0], 1), "x: got an empty batch"),
        (lambda: PCA(0), "q: got 0"),
        (lambda: PCA(4).fit(x), "q: got 4; want 1 to 3"),
        (lambda: PCA(3).fit(x[:2]), "q: got 3; want 1 to 2"),
        (lambda: alternating_least_squares(x, 4), "q: got 4"),
        (lambda: alternating_least_squares(x, 1, 0), "steps: got 0"),
        (lambda: ppca_log_prob(x, w, m, 0.0), "sigma: got 0; want a positive number"),
        (lambda: ppca_log_prob(x, w, m[:2], 1.0), r"mean: got shape \(2,\)"),
        (lambda: ppca_log_prob(x[:, :2], w, m, 1.0), r"x: got shape \(4, 2\)"),
        (lambda: ppca_log_prob(x, w * torch.nan, m, 1.0), "weight: got 3 NaN"),
        (lambda: PPCA(0), "q: got 0"),
        (lambda: PPCA(1, floor=1.0), "floor: got 1"),
        (lambda: PPCA(3).fit(x), "q: got 3 latent dimensions for data of 3"),
        (lambda: FactorAnalysis(1).fit(x[:1]), "x: got 1 times the same point"),
        (lambda: FactorAnalysis(1).fit(x, steps=0), "steps: got 0"),
        (lambda: PPCA(1).log_prob(x), r"want fit\(x\) first"),
        (lambda: PPCA(1).fit(x).encode(x[:, :2]), r"x: got shape \(4, 2\)"),
        (lambda: linear_vae(3, 4), "q: got 4; want 1 to 3"),
        (lambda: linear_vae_loss(linear_vae(3, 1), x[:, :2]), r"x: got shape \(4, 2\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()


def test_digits_need_few_directions():
    digits = data.digits("gray").train
    pca = PCA(10).fit(digits)
    assert pca.variances_[:10].sum() / pca.variances_.sum() > 0.7
