"""Divergences against quadrature, torch.distributions, SciPy, and brute force over plans."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.distributions import MultivariateNormal, kl

from dgm_lib.density import (
    fit_forward,
    fit_reverse,
    gaussian_kl,
    gaussian_log_prob,
    gaussian_mle,
    grid_kl,
    js_divergence,
    kl_divergence,
    monte_carlo_kl,
    optimal_transport,
    wasserstein_1d,
)

few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 10**6)


def law(k, seed, zeros=0):
    p = torch.rand(k, generator=torch.Generator().manual_seed(seed)).double() + 0.01
    p[:zeros] = 0
    return p / p.sum()


def gaussian(d, seed):
    g = torch.Generator().manual_seed(seed)
    A = torch.randn(d, d, generator=g).double()
    return torch.randn(d, generator=g).double(), A @ A.T + 0.3 * torch.eye(d).double()


@given(k=st.integers(1, 8), seed=seeds)
@few
def test_kl_is_the_sum_and_never_negative(k, seed):
    p, q = law(k, seed), law(k, seed + 1)
    want = sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True))
    assert kl_divergence(p, q).item() == pytest.approx(want, abs=1e-12)
    assert kl_divergence(p, q) >= -1e-12
    assert kl_divergence(p, p).item() == 0


def test_kl_at_the_edges():
    p, q = torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])
    assert kl_divergence(p, q).item() == pytest.approx(math.log(2))
    assert kl_divergence(q, p).item() == math.inf
    assert kl_divergence(p, p).item() == 0
    p = torch.tensor([0.3, 0.7], requires_grad=True)
    kl_divergence(p, q).backward()
    assert torch.isfinite(p.grad).all()


@given(k=st.integers(2, 8), seed=seeds, zeros=st.integers(0, 1))
@few
def test_js_is_symmetric_bounded_and_scipy_s(k, seed, zeros):
    from scipy.spatial.distance import jensenshannon

    p, q = law(k, seed, zeros), law(k, seed + 1)
    js = js_divergence(p, q).item()
    assert js == pytest.approx(js_divergence(q, p).item())
    assert 0 <= js <= math.log(2)
    assert js == pytest.approx(jensenshannon(p.numpy(), q.numpy()) ** 2)


@given(d=st.integers(1, 5), seed=seeds)
@few
def test_gaussian_kl_is_torch_s_own(d, seed):
    (m0, S0), (m1, S1) = gaussian(d, seed), gaussian(d, seed + 1)
    want = kl.kl_divergence(MultivariateNormal(m0, S0), MultivariateNormal(m1, S1))
    assert torch.allclose(gaussian_kl(m0, S0, m1, S1), want)


def test_gaussian_kl_is_the_integral():
    (m0, S0), (m1, S1) = gaussian(1, 3), gaussian(1, 4)
    t = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    want = grid_kl(gaussian_log_prob(t, m0, S0), gaussian_log_prob(t, m1, S1), 0.001)
    assert gaussian_kl(m0, S0, m1, S1).item() == pytest.approx(want.item(), rel=1e-6)


def test_monte_carlo_error_covers_the_truth(generator):
    """Over 300 repetitions the error in units of the standard error is about standard normal."""
    (m0, S0), (m1, S1) = gaussian(2, 0), gaussian(2, 1)
    truth = gaussian_kl(m0, S0, m1, S1)
    L = torch.linalg.cholesky(S0)
    z = []
    for _ in range(300):
        x = m0 + torch.randn(400, 2, generator=generator).double() @ L.T
        value, error = monte_carlo_kl(gaussian_log_prob(x, m0, S0), gaussian_log_prob(x, m1, S1))
        z.append(((value - truth) / error).item())
    z = torch.tensor(z)
    assert abs(z.mean().item()) < 5 / math.sqrt(300)
    assert z.std().item() == pytest.approx(1, abs=0.2)


def test_maximum_likelihood_minimises_forward_kl():
    """The empirical law as p: -E_p[log q] and the mean negative log-likelihood are one number."""
    x = torch.tensor([[0.0], [1.0], [1.0], [4.0]]).double()
    grid, log_p = (
        torch.tensor([[0.0], [1.0], [4.0]]).double(),
        torch.tensor([1, 2, 1]).log().double(),
    )
    for got, want in zip(fit_forward(grid, log_p), gaussian_mle(x), strict=True):
        assert torch.allclose(got, want)


def two_modes():
    t = torch.linspace(-12, 12, 2401, dtype=torch.float64)[:, None]
    halves = torch.stack(
        [
            gaussian_log_prob(t, torch.tensor([c]).double(), torch.eye(1).double())
            for c in (-3.0, 3.0)
        ]
    )
    return t, halves.logsumexp(0) - math.log(2)


def test_forward_covers_and_reverse_chooses():
    t, log_p = two_modes()
    mean, covariance = fit_forward(t, log_p)
    assert mean.item() == pytest.approx(0, abs=1e-9)
    assert covariance.item() == pytest.approx(10, abs=1e-6)  # 1 within a mode, 9 between
    for start in (-2.0, 2.0):
        mean, covariance = fit_reverse(t, log_p, 0.01, torch.tensor([start]).double())
        assert mean.item() == pytest.approx(math.copysign(3, start), abs=0.05)
        assert covariance.item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("fit", ["forward", "reverse"])
def test_fits_are_minima(fit):
    """No nearby Gaussian has a smaller divergence."""
    t, log_p = two_modes()

    def divergence(m, s):
        log_q = gaussian_log_prob(t, m, s)
        return grid_kl(log_p, log_q, 0.01) if fit == "forward" else grid_kl(log_q, log_p, 0.01)

    start = torch.tensor([2.0]).double()
    m, s = fit_forward(t, log_p) if fit == "forward" else fit_reverse(t, log_p, 0.01, start)
    best = divergence(m, s)
    for dm, ds in [(0.05, 1.0), (-0.05, 1.0), (0.0, 1.05), (0.0, 0.95)]:
        assert divergence(m + dm, s * ds) > best


def test_reverse_fit_of_a_gaussian_is_that_gaussian():
    axis = torch.linspace(-8, 8, 161, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    want = torch.tensor([1.0, -0.5]).double(), torch.tensor([[1.0, 0.6], [0.6, 2.0]]).double()
    log_p = gaussian_log_prob(grid, *want)
    mean, covariance = fit_reverse(grid, log_p, 0.01, torch.zeros(2).double())
    assert torch.allclose(mean, want[0], atol=1e-3)
    assert torch.allclose(covariance, want[1], atol=1e-3)


@given(n=st.integers(1, 12), m=st.integers(1, 12), seed=seeds)
@few
def test_wasserstein_1d_is_scipy_s(n, m, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, generator=g).double(), torch.randn(m, generator=g).double() + 1
    want = stats.wasserstein_distance(x.numpy(), y.numpy())
    assert wasserstein_1d(x, y).item() == pytest.approx(want)


@given(n=st.integers(1, 5), seed=seeds)
@few
def test_wasserstein_1d_is_the_best_matching(n, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, generator=g).double(), torch.randn(n, generator=g).double()
    best = min((x - y[list(order)]).abs().mean() for order in itertools.permutations(range(n)))
    assert wasserstein_1d(x, y).item() == pytest.approx(best.item())


@given(n=st.integers(1, 7), m=st.integers(1, 7), seed=seeds)
@settings(max_examples=10, deadline=None)
def test_the_linear_programme_agrees_with_sorting(n, m, seed):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, generator=g).double(), torch.randn(m, generator=g).double()
    p, q = (torch.full((k,), 1 / k, dtype=torch.float64) for k in (n, m))
    value, plan = optimal_transport(p, q, (x[:, None] - y).abs())
    assert value.item() == pytest.approx(wasserstein_1d(x, y).item(), abs=1e-6)
    assert torch.allclose(plan.sum(1), p)
    assert torch.allclose(plan.sum(0), q)
    assert (plan >= 0).all()


def test_transport_has_the_dual_s_value():
    """Kantorovich: no function of slope at most one separates the laws by more, and one attains it."""
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [3.0, 1.0]]).double()
    cost = torch.cdist(places, places)
    p, q = law(4, 0), law(4, 1)
    value, _ = optimal_transport(p, q, cost)
    from scipy.optimize import linprog

    pairs = list(itertools.permutations(range(4), 2))
    A = torch.zeros(12, 4)
    for row, (i, j) in enumerate(pairs):
        A[row, i], A[row, j] = 1, -1
    b = [cost[i, j].item() for i, j in pairs]
    dual = linprog((q - p).numpy(), A_ub=A.numpy(), b_ub=b, bounds=(-10, 10))
    assert value.item() == pytest.approx(-dual.fun)


half, third = torch.tensor([0.5, 0.5]), torch.ones(3) / 3
m2, S2 = torch.zeros(2), torch.eye(2)
t2, l2 = torch.zeros(4, 2), torch.zeros(4)
BAD = [
    (kl_divergence, (half, third), r"q: got shape \(3,\); want \(2,\)"),
    (kl_divergence, (half, 2 * half), "q: got entries that sum to 2; want a sum of 1"),
    (kl_divergence, (torch.tensor([-0.5, 1.5]), half), "p: got the negative entry -0.5"),
    (kl_divergence, (half * math.nan, half), "p: got 2 NaN"),
    (kl_divergence, (torch.zeros(0), torch.zeros(0)), "p: got an empty batch"),
    (js_divergence, (half, third), r"q: got shape \(3,\)"),
    (gaussian_kl, (m2, S2, m2, torch.ones(2, 2)), "covariance_q: got a singular matrix"),
    (gaussian_kl, (m2, S2, torch.zeros(3), S2), r"mean_q: got shape \(3,\)"),
    (monte_carlo_kl, (l2[:1], l2[:1]), "log_p: got 1 draws; want at least 2"),
    (monte_carlo_kl, (l2, l2[:2]), r"log_q: got shape \(2,\); want \(4,\)"),
    (grid_kl, (l2, l2, 0.0), "cell: got 0.0"),
    (fit_forward, (t2, l2[:3]), r"log_p: got shape \(3,\); want \(4,\)"),
    (fit_reverse, (t2, l2, 1.0, m2, 0.0), "std: got 0.0"),
    (fit_reverse, (t2, l2, 1.0, torch.zeros(3)), r"mean: got shape \(3,\); want \(2,\)"),
    (wasserstein_1d, (torch.zeros(0), l2), "x: got an empty batch"),
    (wasserstein_1d, (l2, t2), r"y: got shape \(4, 2\)"),
    (optimal_transport, (half, third, torch.zeros(2, 2)), r"cost: got shape \(2, 2\); want \(2, 3"),
    (
        optimal_transport,
        (torch.ones(200) / 200, torch.ones(200) / 200, torch.zeros(200, 200)),
        "cost: got 200 × 200 entries; want at most 20000",
    ),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(unchecked, function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
