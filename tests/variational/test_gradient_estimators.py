"""Unbiased where they should be (by enumeration and quadrature), and less noisy where claimed."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import MultivariateNormal

from dgm_lib.variational.gradients import control_variate, pathwise_gradients, score_gradients
from dgm_lib.variational.relaxed import gumbel_softmax, straight_through
from dgm_lib.variational.score_function import centre_leave_one_out, score_function_gradient


def states(d):
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)), dtype=torch.float64)


def law(logits, z):
    p = torch.sigmoid(logits)
    return torch.where(z == 1, p, 1 - p).prod(-1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 2), st.booleans())
def test_score_function_is_unbiased_by_enumerating_all_pairs_of_samples(seed, d, leave_one_out):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(d, generator=g, dtype=torch.float64).requires_grad_()
    z = states(d)
    f = torch.randn(2**d, generator=g, dtype=torch.float64)
    (want,) = torch.autograd.grad((law(logits, z) * f).sum(), logits)
    logits = logits.detach()
    p = law(logits, z)
    got = sum(
        p[i]
        * p[j]
        * score_function_gradient(logits, z[[i, j]], f[[i, j]], leave_one_out=leave_one_out)
        for i, j in itertools.product(range(2**d), repeat=2)
    )
    torch.testing.assert_close(got, want)


def test_leave_one_out_ignores_a_constant_and_lowers_the_variance():
    g = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.3, -1.0, 0.5])
    z = (torch.rand(200, 10, 3, generator=g) < torch.sigmoid(logits)).float()
    f = 5 + z.sum(-1)
    plain = torch.stack([score_function_gradient(logits, a, b) for a, b in zip(z, f, strict=True)])
    loo = torch.stack(
        [score_function_gradient(logits, a, b, True) for a, b in zip(z, f, strict=True)]
    )
    again = torch.stack(
        [score_function_gradient(logits, a, b + 100, True) for a, b in zip(z, f, strict=True)]
    )
    torch.testing.assert_close(loo, again, atol=1e-3, rtol=1e-3)
    assert (10 * loo.var(0) < plain.var(0)).all()


def test_leave_one_out_by_its_definition():
    f = torch.randn(5, generator=torch.Generator().manual_seed(0))
    want = torch.stack([f[s] - torch.cat([f[:s], f[s + 1 :]]).mean() for s in range(5)])
    torch.testing.assert_close(centre_leave_one_out(f), want)


def quartic(z):
    return (z**2).sum(-1) + z[..., 0] * z[..., -1] + 0.1 * z.sum(-1) ** 3


def hermite_grid(d, order=12):
    """Nodes and weights that integrate polynomials against N(0, I) exactly."""
    import numpy as np

    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    weights = weights / weights.sum()
    eps = torch.tensor(list(itertools.product(nodes, repeat=d)))
    w = torch.tensor(list(itertools.product(weights, repeat=d))).prod(-1)
    return eps, w


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("estimator", [score_gradients, pathwise_gradients])
def test_gaussian_estimators_are_unbiased_by_quadrature(estimator, d):
    g = torch.Generator().manual_seed(d)
    mean = torch.randn(d, generator=g, dtype=torch.float64)
    scale = torch.tril(torch.randn(d, d, generator=g, dtype=torch.float64), -1)
    scale = scale + torch.diag(0.5 + torch.rand(d, generator=g, dtype=torch.float64))
    eps, w = hermite_grid(d)

    def expectation(m, factor):
        return (w * quartic(m + eps @ factor.mT)).sum()

    want = torch.autograd.functional.jacobian(expectation, (mean, scale))
    by_mean, by_scale = estimator(quartic, mean, scale, eps)
    torch.testing.assert_close((w[:, None] * by_mean).sum(0), want[0])
    torch.testing.assert_close((w[:, None, None] * by_scale).sum(0), torch.tril(want[1]))


def test_score_is_the_gradient_of_the_log_density():
    mean = torch.tensor([0.5, -1.0], dtype=torch.float64)
    scale = torch.tensor([[0.7, 0.0], [0.4, 1.3]], dtype=torch.float64)
    eps = torch.randn(1, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = mean + eps @ scale.mT
    want = torch.autograd.functional.jacobian(
        lambda m, s: MultivariateNormal(m, scale_tril=s).log_prob(z[0]), (mean, scale)
    )
    got = score_gradients(lambda z: torch.ones(len(z), dtype=z.dtype), mean, scale, eps)
    torch.testing.assert_close(got[0][0], want[0])
    torch.testing.assert_close(got[1][0], torch.tril(want[1]))


def test_control_variate_keeps_the_mean_and_lowers_the_variance_as_predicted():
    g = torch.Generator().manual_seed(0)
    h = torch.randn(5000, generator=g)
    x = 3 + 2 * h + torch.randn(5000, generator=g)
    got = control_variate(x, h)
    assert got.mean().item() == pytest.approx(3, abs=0.05)
    correlation = torch.corrcoef(torch.stack([x, h]))[0, 1]
    assert (got.var() / x.var()).item() == pytest.approx(1 - correlation.item() ** 2, rel=1e-3)


def test_gumbel_argmax_draws_from_the_softmax():
    logits = torch.tensor([1.0, 0.0, -1.0, 2.0])
    u = torch.rand(100_000, 4, generator=torch.Generator().manual_seed(0))
    y = straight_through(logits.expand(100_000, 4), u)
    assert torch.equal(y.sum(-1).round(), torch.ones(100_000))
    torch.testing.assert_close(y.mean(0), logits.softmax(-1), atol=0.006, rtol=0)


def test_temperature_spans_from_one_hot_to_uniform():
    logits = torch.tensor([[1.0, 0.0, -1.0]])
    u = torch.tensor([[0.5, 0.5, 0.5]])
    assert gumbel_softmax(logits, u, 1e-2).max().item() == pytest.approx(1)
    torch.testing.assert_close(
        gumbel_softmax(logits, u, 1e4), torch.full((1, 3), 1 / 3), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(gumbel_softmax(logits, u, 1.0), logits.softmax(-1))
    edge = gumbel_softmax(logits, torch.tensor([[0.0, 1.0, 0.5]]), 0.5)
    torch.testing.assert_close(edge, torch.tensor([[0.0, 1.0, 0.0]]), atol=1e-4, rtol=0)


def test_straight_through_hands_back_the_soft_gradient():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)).requires_grad_()
    u = torch.rand(5, 3, generator=torch.Generator().manual_seed(2))
    w = torch.tensor([1.0, -2.0, 3.0])
    (soft,) = torch.autograd.grad((gumbel_softmax(logits, u, 0.7) @ w).sum(), logits)
    (hard,) = torch.autograd.grad((straight_through(logits, u, 0.7) @ w).sum(), logits)
    torch.testing.assert_close(soft, hard)


def test_bad_input(unchecked):
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    logits, f = torch.zeros(2), torch.zeros(2)
    with pytest.raises(ValueError, match=r"z: got the value 0\.5"):
        score_function_gradient(logits, z / 2, f)
    with pytest.raises(ValueError, match="at least 2"):
        score_function_gradient(logits, z[:1], f[:1], leave_one_out=True)
    with pytest.raises(ValueError, match="f: got shape"):
        score_function_gradient(logits, z, f[:1])
    with pytest.raises(ValueError, match="z: got an empty batch"):
        score_function_gradient(logits, z[:0], f[:0])
    with pytest.raises(ValueError, match="temperature: got 0"):
        gumbel_softmax(z, z, 0.0)
    with pytest.raises(ValueError, match="u: got values outside"):
        gumbel_softmax(z, z + 1, 1.0)
    with pytest.raises(ValueError, match="scale: got a diagonal entry"):
        score_gradients(quartic, logits, torch.zeros(2, 2), z)
    with pytest.raises(ValueError, match="at least 2"):
        control_variate(f[:1], f[:1])
