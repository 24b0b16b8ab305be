"""Maximum likelihood against autograd, finite changes, SciPy, and exact integrals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dgm_lib.density import Gaussian, gaussian_log_prob, gaussian_mle
from dgm_lib.model import HasLogProb, HasSample

few = settings(max_examples=25, deadline=None)


def cloud(n, d, seed, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    mix = torch.randn(d, d, generator=g, dtype=dtype)
    return torch.randn(n, d, generator=g, dtype=dtype) @ mix + 3


@given(d=st.integers(1, 5), seed=st.integers(0, 10**6))
@few
def test_mle_solves_the_score_equations(d, seed):
    x = cloud(5 * d + 5, d, seed)
    mean, covariance = gaussian_mle(x)
    parameters = mean.clone().requires_grad_(), covariance.clone().requires_grad_()
    mean_slope, covariance_slope = torch.autograd.grad(
        gaussian_log_prob(x, *parameters).mean(), parameters
    )
    assert mean_slope.abs().max() < 1e-9
    # relative to Σ, since the slope by Σ scales like Σ⁻¹
    assert (covariance_slope @ covariance).abs().max() < 1e-9


@given(d=st.integers(1, 4), seed=st.integers(0, 10**6))
@few
def test_no_other_gaussian_is_likelier(d, seed):
    x = cloud(30, d, seed)
    mean, covariance = gaussian_mle(x)
    best = gaussian_log_prob(x, mean, covariance).mean()
    g = torch.Generator().manual_seed(seed + 1)
    step = 0.1 * torch.randn(d, d, generator=g).double()
    turn = torch.eye(d).double() + step
    assert gaussian_log_prob(x, mean, turn @ covariance @ turn.T).mean() < best
    assert gaussian_log_prob(x, mean + step[0], covariance).mean() < best


def test_mle_of_two_points_by_hand():
    mean, covariance = gaussian_mle(torch.tensor([[0.0, 0.0], [2.0, 4.0]]))
    assert mean.tolist() == [1, 2]
    assert covariance.tolist() == [[1, 2], [2, 4]]


def test_mle_keeps_its_digits_far_from_the_origin():
    x = cloud(100, 3, 0)
    far = (x + 1e3).float()
    want = gaussian_mle(far.double())[1]
    assert torch.allclose(gaussian_mle(far)[1].double(), want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_log_prob_is_scipy_s(d):
    x = cloud(20, d, d)
    mean, covariance = gaussian_mle(x)
    want = stats.multivariate_normal(mean.numpy(), covariance.numpy()).logpdf(x.numpy())
    assert torch.allclose(gaussian_log_prob(x, mean, covariance), torch.as_tensor(want))


def test_log_prob_integrates_to_one():
    covariance = torch.tensor([[1.0, 0.7], [0.7, 2.0]]).double()
    t = torch.linspace(-12, 12, 400, dtype=torch.float64)
    grid = torch.cartesian_prod(t, t)
    total = gaussian_log_prob(grid, torch.zeros(2).double(), covariance).exp().sum()
    assert (total * (t[1] - t[0]) ** 2).item() == pytest.approx(1, abs=1e-6)


def test_model_fits_samples_and_speaks_the_verbs(generator):
    x = cloud(200, 3, 1, torch.float32)
    model = Gaussian().fit(x)
    assert isinstance(model, HasLogProb)
    assert isinstance(model, HasSample)
    assert torch.allclose(model.log_prob(x), gaussian_log_prob(x, *gaussian_mle(x)))
    draws = model.sample(200_000, generator=generator)
    mean, covariance = gaussian_mle(draws)
    scale = covariance.diagonal().sqrt()
    assert ((mean - model.mean_) / scale).abs().max() < 6 / math.sqrt(200_000)
    error = (covariance - model.covariance_) / scale.outer(scale)
    assert error.abs().max() < 6 * math.sqrt(2 / 200_000)
    again = model.sample(3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(again, model.sample(3, generator=torch.Generator().manual_seed(5)))


x2, zero, eye = torch.zeros(3, 2), torch.zeros(2), torch.eye(2)
column = torch.tensor([[1.0, 5.0], [2.0, 5.0], [4.0, 5.0]])
twice = torch.tensor([[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]])
BAD = [
    (gaussian_mle, (torch.zeros(0, 2),), "x: got an empty batch"),
    (gaussian_mle, (torch.zeros(3),), r"x: got shape \(3,\); want \(n, d\)"),
    (gaussian_mle, (x2 * math.nan,), "x: got 6 NaN"),
    (gaussian_mle, (x2.long(),), "x: got dtype torch.int64"),
    (gaussian_log_prob, (torch.zeros(3, 1), zero, eye), r"x: got shape \(3, 1\); want \(n, 2\)"),
    (gaussian_log_prob, (x2, zero, torch.ones(2, 2)), "covariance: got a singular matrix"),
    (gaussian_log_prob, (x2, zero, torch.zeros(2, 2)), "covariance: got variance 0 in column 0"),
    (gaussian_log_prob, (x2, zero, torch.tensor([[1, 0.5], [0, 1.0]])), "not symmetric"),
    (gaussian_log_prob, (x2, zero, torch.eye(3)), r"covariance: got shape \(3, 3\)"),
    (Gaussian().fit, (torch.randn(3, 3),), "data: got 3 points in 3 dimensions"),
    (Gaussian().fit, (column,), "variance 0 in column 1, which is constant"),
    (Gaussian().fit, (twice,), "singular matrix"),
    (Gaussian().fit, (torch.ones(9, 2),), "variance 0 in column 0"),
    (Gaussian().fit(torch.randn(9, 2)).sample, (0,), "n: got 0"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(unchecked, function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
