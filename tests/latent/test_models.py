"""Models that learn by EM: the bound, its maximum, and everything that can go wrong with data."""

import itertools
import math

import pytest
import torch

from dgm_lib import data
from dgm_lib.latent import (
    CategoricalMixture,
    GaussianMixture,
    m_step,
    mixture_log_prob,
    responsibilities,
)
from dgm_lib.latent.em import ascend
from dgm_lib.latent.gaussian_em import KINDS, constrained, em_iteration

double = torch.float64


def normal(*shape, dtype=torch.float32):
    """The same standard normal numbers in each run, others for each shape."""
    g = torch.Generator().manual_seed(sum(10**i * size for i, size in enumerate(shape)))
    return torch.randn(*shape, generator=g, dtype=dtype)


def blobs(n=300, d=2, dtype=torch.float32, seed=0):
    g = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(3, d, generator=g)
    x = centres[torch.randint(3, (n,), generator=g)] + torch.randn(n, d, generator=g)
    return x.to(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, double])
def test_em_climbs_and_the_bound_touches_after_each_e_step(kind, dtype):
    x = blobs(dtype=dtype)
    model = GaussianMixture(4, kind).fit(x, steps=30, tol=0)
    rises = model.bounds_.diff()
    assert len(model.bounds_) == 60
    assert rises.min() > -1e-11
    assert model.log_prob(x).double().mean() >= model.bounds_[-1] - 1e-5
    shorter = GaussianMixture(4, kind).fit(x, steps=29, tol=0)
    assert shorter.log_prob(x).double().mean().item() == pytest.approx(
        model.bounds_[-2].item(), abs=1e-5
    )


def test_one_iteration_is_responsibilities_then_m_step():
    x = blobs(dtype=double)
    covariances = torch.stack([torch.eye(2, dtype=double) * (1 + k) for k in range(3)])
    theta = torch.tensor([0.2, 0.3, 0.5], dtype=double), x[:3], covariances
    scales = torch.linalg.cholesky(covariances)
    (weights, means, scales), after_e, after_m = em_iteration(x, *theta[:2], scales, "full", 1e-9)
    r = responsibilities(x, *theta)
    wanted = m_step(x, r)
    found = weights, means, scales @ scales.mT
    for got, want in zip(found, wanted, strict=True):
        assert torch.allclose(got, want, atol=1e-10)
    assert after_e == pytest.approx(mixture_log_prob(x, *theta).mean().item())
    q = torch.xlogy(r, r).sum(1)
    one = torch.eye(3, dtype=double)
    joint = torch.stack(
        [
            mixture_log_prob(x, one[k], *wanted[1:]) + wanted[0][k].log()
            for k in range(3)  # all weight on one component
        ],
        1,
    )
    assert after_m == pytest.approx(((r * joint).sum(1) - q).mean().item())


def test_the_floor_gives_the_best_covariance_above_it():
    """Against random covariances that also keep the floor."""
    g = torch.Generator().manual_seed(0)
    a = torch.randn(3, 3, generator=g, dtype=double)
    S = a @ torch.diag(torch.tensor([2.0, 0.5, 0.0], dtype=double)) @ a.T
    floor, one = 0.3, torch.ones(1, dtype=double)

    def value(covariance):
        return -torch.logdet(covariance) - torch.linalg.solve(covariance, S).trace()

    scales = constrained(S[None], one, "full", floor)[0]
    best = value(scales @ scales.T)
    assert torch.linalg.eigvalsh(scales @ scales.T).min() > floor - 1e-9
    for _ in range(300):
        nearby = scales @ scales.T + 0.2 * (lambda e: e + e.T)(
            torch.randn(3, 3, generator=g, dtype=double)
        )
        values, vectors = torch.linalg.eigh(nearby)
        assert value((vectors * values.clamp_min(floor)) @ vectors.T) <= best + 1e-9


def test_kinds_have_their_form():
    x = blobs(d=3)
    for kind in KINDS:
        c = GaussianMixture(3, kind).fit(x, steps=5).covariances_
        off = c - c.diagonal(dim1=-2, dim2=-1).diag_embed()
        assert (off.abs().max() < 1e-6) == (kind in ("diagonal", "spherical"))
        same = c.diagonal(dim1=-2, dim2=-1)
        assert torch.allclose(same, same[:, :1]) == (kind == "spherical")
        assert torch.allclose(c, c[:1]) == (kind == "tied")


def test_true_parameters_are_found():
    x = data.old_faithful(4000)
    model = GaussianMixture(2).fit(x)
    order = model.weights_.argsort()
    assert model.weights_[order[1]].item() == pytest.approx(0.644, abs=0.04)
    wanted = torch.tensor([[2.036, 54.48], [4.290, 79.97]])
    assert torch.allclose(model.means_[order], wanted, rtol=0.02)
    assert torch.allclose(
        model.covariances_[order][:, 1, 1], torch.tensor([33.70, 36.05]), rtol=0.15
    )


def test_the_elbo_is_exact_for_any_draw_of_z_and_samples_follow_the_model():
    x = blobs(dtype=double)
    model = GaussianMixture(3).fit(x)
    assert torch.allclose(model.elbo(x, samples=3), model.log_prob(x))
    samples = model.sample(20000, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(samples.mean(0), x.mean(0), atol=0.2)
    assert torch.allclose(torch.cov(samples.T), torch.cov(x.T), rtol=0.1, atol=0.3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "x", "k"),
    [
        ("fewer points than dimensions", normal(4, 9), 2),
        ("as many components as points", normal(5, 2), 5),
        ("a constant column", torch.cat([normal(40, 2), torch.full((40, 1), 7.0)], 1), 3),
        ("duplicated points", normal(5, 2).repeat(10, 1), 8),
        ("two places only", torch.tensor([[0.0, 0.0], [1.0, 1.0]]).repeat(20, 1), 4),
        ("a copied column", normal(50, 1).repeat(1, 3), 2),
        ("far from the origin", normal(50, 2) + 1000.0, 2),
        ("one point far out", torch.cat([normal(50, 2), torch.full((1, 2), 1000.0)]), 3),
        ("one dimension", normal(30, 1), 2),
    ],
)
def test_awkward_data_give_a_finite_model(kind, name, x, k):
    for points in (x, x.double()):
        model = GaussianMixture(k, kind).fit(points, steps=40)
        assert torch.isfinite(model.log_prob(points)).all(), name
        assert model.weights_.sum().item() == pytest.approx(1, abs=1e-5)
        least = torch.linalg.eigvalsh(model.covariances_.double()).min().item()
        assert least > 0.5e-6 * (points - points.mean(0)).square().mean().item()


def test_a_component_that_dies_keeps_its_place_with_weight_zero():
    x = blobs(dtype=double)
    start = (
        torch.tensor([0.5, 0.5, 0.0], dtype=double),
        torch.tensor([[0.0, 0], [1, 1], [1e4, 1e4]], dtype=double),
        torch.eye(2, dtype=double).repeat(3, 1, 1),
    )
    for weights in (start[0], torch.tensor([0.4, 0.4, 0.2], dtype=double)):
        model = GaussianMixture(3).set_parameters(weights, *start[1:]).fit(x, warm=True)
        assert model.weights_[2] == 0
        assert torch.allclose(model.means_[2], start[1][2])
        two = GaussianMixture(2)
        two.set_parameters(start[0][:2], start[1][:2], start[2][:2]).fit(x, warm=True)
        assert torch.allclose(model.log_prob(x), two.log_prob(x), atol=1e-6)
        assert torch.isfinite(model.elbo(x)).all()


def test_restarts_keep_the_best_and_save_and_load_keep_all():
    x = blobs(600)
    runs = [GaussianMixture(5).fit(x, seed=3).bounds_[-1], GaussianMixture(5).fit(x, seed=3)]
    many = GaussianMixture(5).fit(x, restarts=4, seed=3)
    assert many.bounds_[-1] >= runs[0]
    copy = GaussianMixture(5).set_parameters(many.weights_, many.means_, many.covariances_)
    assert torch.allclose(copy.log_prob(x), many.log_prob(x), atol=1e-4)


def test_gradients_flow_to_the_data():
    model = GaussianMixture(2).fit(blobs(dtype=double))
    x = blobs(5, dtype=double).requires_grad_()
    assert torch.autograd.gradcheck(model.log_prob, [x])


def test_the_loop_stops_when_the_bound_falls():
    fallen = iter([(0.0, 1.0), (0.5, 2.0)])
    with pytest.raises(ArithmeticError, match="iteration 2, E step"):
        ascend(lambda: next(fallen), 5, 0.0)
    with pytest.raises(ArithmeticError, match="nan"):
        ascend(lambda: (0.0, math.nan), 5, 0.0)
    slow = iter([(0.0, 1.0), (2.0, 2.1), (2.2, 2.3), (2.3, 2.3)])
    assert len(ascend(lambda: next(slow), 9, 0.15)) == 8


# --- discrete data --------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [2, 3])
def test_discrete_mixture_sums_to_one_and_its_elbo_is_exact(levels):
    g = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (60, 4), generator=g).double()
    model = CategoricalMixture(3, levels).fit(x)
    every = torch.tensor(list(itertools.product(range(levels), repeat=4))).double()
    assert model.log_prob(every).exp().sum().item() == pytest.approx(1)
    assert torch.allclose(model.elbo(x, samples=2), model.log_prob(x))
    by_hand = torch.stack([model.probs_[:, i, x[:, i].long()] for i in range(4)]).prod(0)  # (k, n)
    assert torch.allclose(model.log_prob(x), (model.weights_ @ by_hand).log())
    samples = model.sample(5, generator=g)
    assert torch.isfinite(model.log_prob(samples)).all()
    assert torch.allclose(model.log_prob(x), model.log_prob(x.long()), atol=1e-5)


@pytest.mark.parametrize("levels", [2, 4])
@pytest.mark.parametrize("smoothing", [1e-3, 1.0, 10.0])
def test_discrete_em_climbs(levels, smoothing):
    g = torch.Generator().manual_seed(0)
    x = torch.randint(levels, (100, 6), generator=g).double()
    model = CategoricalMixture(4, levels, smoothing).fit(x, steps=40, tol=0)
    assert model.bounds_.diff().min() > -1e-12


def test_discrete_m_step_is_stationary_with_its_prior():
    """At convergence, the gradient of likelihood + prior along the simplex is zero."""
    x = (torch.rand(80, 5, generator=torch.Generator().manual_seed(1)) < 0.3).double()
    model = CategoricalMixture(2, smoothing=2.0).fit(x, steps=3000, tol=0)
    seen = torch.stack([(x == 0).sum(0) + 1, (x == 1).sum(0) + 1], -1) / (len(x) + 2)
    weights = model.weights_.log().requires_grad_()
    probs = model.probs_.log().requires_grad_()
    log_theta = probs.log_softmax(-1)
    joint = weights.log_softmax(0) + torch.einsum("ni,ki->nk", 1 - x, log_theta[..., 0])
    joint = joint + torch.einsum("ni,ki->nk", x, log_theta[..., 1])
    objective = joint.logsumexp(1).sum() + 2.0 * (seen * log_theta).sum()
    for gradient in torch.autograd.grad(objective, [weights, probs]):
        assert gradient.abs().max() < 1e-6


def test_digits_are_told_apart_without_labels():
    digits = data.digits()
    model = CategoricalMixture(20).fit(digits.train)
    one = CategoricalMixture(1).fit(digits.train)
    assert model.log_prob(digits.test).mean() > one.log_prob(digits.test).mean() + 5
    cluster = model.encode(digits.train).probs.argmax(1)
    table = torch.zeros(20, 10).index_put_(
        (cluster, digits.train_labels), torch.ones(len(cluster)), accumulate=True
    )
    assert table.amax(1).sum() / len(cluster) > 0.7  # most of a cluster is one digit


def test_bad_input_is_named(unchecked):
    x, bits = normal(5, 2), torch.ones(3, 2)
    fitted = GaussianMixture(1).fit(x)
    for call, message in [
        (lambda: GaussianMixture(0), "k: got 0"),
        (lambda: GaussianMixture(2, "round"), "kind: got 'round'; want one of 'full'"),
        (lambda: GaussianMixture(2, floor=0.0), "floor: got 0"),
        (lambda: GaussianMixture(6).fit(x), "k: got 6 components for 5 points"),
        (lambda: GaussianMixture(2).fit(x[:0]), "x: got an empty batch"),
        (lambda: GaussianMixture(2).fit(torch.ones(4, 2) / 3), "x: got 4 times the same point"),
        (lambda: GaussianMixture(2).fit(x * torch.inf), "x: got 10 NaN or infinite"),
        (lambda: GaussianMixture(2).fit(x, restarts=0), "restarts: got 0"),
        (lambda: GaussianMixture(2).fit(x, steps=0), "steps: got 0"),
        (lambda: GaussianMixture(2).fit(x, tol=-1.0), "tol: got -1"),
        (lambda: GaussianMixture(2).fit(x, warm=True), "warm: got True before any fit"),
        (lambda: GaussianMixture(2).log_prob(x), r"want fit\(x\) first"),
        (lambda: fitted.log_prob(torch.zeros(2, 3)), r"x: got shape \(2, 3\); want \(n, 2\)"),
        (
            lambda: fitted.set_parameters(
                torch.ones(2) / 2, torch.zeros(2, 2), torch.eye(2).repeat(2, 1, 1)
            ),
            "weights: got 2 components; want 1",
        ),
        (lambda: CategoricalMixture(0), "k: got 0"),
        (lambda: CategoricalMixture(2, 1), "levels: got 1"),
        (lambda: CategoricalMixture(2, smoothing=0.0), "smoothing: got 0"),
        (lambda: CategoricalMixture(4).fit(bits), "k: got 4 components for 3 points"),
        (lambda: CategoricalMixture(2).fit(bits / 2), "x: got the value 0.5; want only 0 or 1"),
        (lambda: CategoricalMixture(2).fit(bits, restarts=0), "restarts: got 0"),
        (lambda: CategoricalMixture(2).log_prob(bits), r"want fit\(x\) first"),
        (
            lambda: CategoricalMixture(1).fit(bits).log_prob(torch.ones(1, 3)),
            r"x: got shape \(1, 3\)",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
