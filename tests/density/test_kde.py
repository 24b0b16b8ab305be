"""Kernel density estimates: sums by loops, integrals, SciPy and scikit-learn as second opinions."""

import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.neighbors import KernelDensity as SklearnKDE

from dgm_lib.density import (
    KERNELS,
    KernelDensity,
    adaptive_bandwidth,
    kde_log_prob,
    kernel_log_norm,
    kernel_log_prob,
    log_kernel,
    loo_bandwidth,
    loo_log_likelihood,
    silverman_bandwidth,
)
from dgm_lib.model import HasLogProb, HasSample

few = settings(max_examples=20, deadline=None)


def points(n, d, seed, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 3, 7, 30])
def test_kernel_norm_is_the_radial_integral(kernel, d):
    def integrand(r):
        return log_kernel(torch.tensor([r * r], dtype=torch.float64), kernel).exp().item() * r ** (
            d - 1
        )

    # in units where the integrand is of order one
    top = {"gaussian": 12 + 2 * d**0.5, "exponential": 60 + 3 * d}.get(kernel, 1.0)
    value = integrate.quad(integrand, 0, top, epsabs=0, epsrel=1e-9, limit=200)[0]
    surface = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    assert kernel_log_norm(kernel, d) == pytest.approx(surface + math.log(value), abs=1e-6)


@given(
    d=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    h=st.sampled_from([0.2, 1.0, 4.0]),
    kernel=st.sampled_from(KERNELS),
)
@few
def test_log_prob_is_scikit_learn_s(d, seed, h, kernel):
    data, x = points(25, d, seed), points(6, d, seed + 1)
    want = SklearnKDE(bandwidth=h, kernel=kernel).fit(data.numpy()).score_samples(x.numpy())
    got = kernel_log_prob(x, data, h, kernel)
    assert torch.allclose(got, torch.as_tensor(want), atol=1e-8)


@given(d=st.integers(1, 4), seed=st.integers(0, 10**6))
@few
def test_gaussian_kde_is_a_mixture_of_normals(d, seed):
    data, x = points(9, d, seed), points(4, d, seed + 1)
    for row, value in zip(x, kde_log_prob(x, data, 0.7), strict=True):
        p = sum(stats.multivariate_normal(c.numpy(), 0.49).pdf(row.numpy()) for c in data.unbind(0))
        assert value.item() == pytest.approx(math.log(p / 9))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("per_point", [False, True])
def test_integrates_to_one(kernel, per_point):
    data = points(15, 1, 0)
    h = torch.linspace(0.3, 1.5, 15, dtype=torch.float64) if per_point else 0.8
    t = torch.linspace(-40, 40, 160_001, dtype=torch.float64)
    p = kernel_log_prob(t[:, None], data, h, kernel).exp()
    assert torch.trapezoid(p, t).item() == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("d", [2, 10, 64])
def test_float32_is_as_exact_as_promised(d):
    data, x = points(3000, d, 0, torch.float32), points(300, d, 1, torch.float32)
    h = silverman_bandwidth(data)
    exact = -((x.double()[:, None] - data.double()) ** 2).sum(-1) / (2 * h * h)
    want = exact.logsumexp(1) - math.log(3000) - d / 2 * math.log(2 * math.pi * h * h)
    assert (kde_log_prob(x, data, h).double() - want).abs().max() < 1e-4


def test_small_bandwidths_and_far_data_do_not_lose_digits():
    data = points(500, 2, 0, torch.float32) + 1000
    x = data[:50] + 0.003
    exact = -((x.double()[:, None] - data.double()) ** 2).sum(-1) / (2 * 0.001**2)
    want = exact.logsumexp(1) - math.log(500) - math.log(2 * math.pi * 0.001**2)
    assert torch.allclose(kde_log_prob(x, data, 0.001).double(), want, rtol=1e-5)


def test_far_queries_are_finite_and_compact_kernels_reach_nowhere():
    x, data = torch.tensor([[1e4], [0.0]]), torch.zeros(3, 1)
    far, near = kde_log_prob(x, data, 1.0).tolist()
    assert far == pytest.approx(-0.5e8 + near, rel=1e-6)
    reached = kernel_log_prob(x, data, 1.0, "tophat").tolist()
    assert reached == [-math.inf, pytest.approx(math.log(0.5))]


def test_tiles_do_not_show():
    data, x = points(5000, 3, 0), points(300, 3, 1)  # several tiles both ways
    h = 0.5 + torch.rand(5000, generator=torch.Generator().manual_seed(2)).double()
    got = kernel_log_prob(x, data, h)
    for i in (0, 127, 128, 299):
        terms = -((x[i] - data) ** 2).sum(1) / (2 * h * h) - 3 * h.log()
        want = terms.logsumexp(0) - math.log(5000) - 1.5 * math.log(2 * math.pi)
        assert got[i].item() == pytest.approx(want.item())


def test_memory_does_not_grow_with_the_product():
    """8,000 × 8,000 exponents would take 256 MB in float32."""
    code = """
import resource, sys, torch
from dgm_lib.density import kde_log_prob
data = torch.randn(8_000, 2)
kde_log_prob(data[:1], data, 0.3)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
kde_log_prob(data, data, 0.3)
print((peak() - before) / (2**20 if sys.platform == "darwin" else 2**10))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 50


@pytest.mark.parametrize("kernel", sorted(set(KERNELS) - {"tophat"}))  # which is flat
def test_gradient_is_the_finite_difference(kernel):
    data, x = points(10, 2, 0), points(5, 2, 1).requires_grad_()
    kernel_log_prob(x, data, 2.0, kernel).sum().backward()
    assert torch.isfinite(x.grad).all()
    with torch.no_grad():
        for j in range(2):
            e = torch.zeros(2).double()
            e[j] = 1e-6
            up, down = (kernel_log_prob(x + s * e, data, 2.0, kernel) for s in (1, -1))
            assert torch.allclose(x.grad[:, j], (up - down) / 2e-6, atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("d", [1, 3])
def test_samples_have_the_radii_of_the_kernel(kernel, d, generator):
    """P(|u| < r) against quadrature, by a Kolmogorov-Smirnov test of the radii."""
    model = KernelDensity(2.0, kernel).fit(torch.zeros(1, d))
    x = model.sample(20_000, generator=generator)
    assert x.shape == (20_000, d)
    t = torch.linspace(0, 30, 300_001, dtype=torch.float64)
    p = (log_kernel(t**2, kernel).exp() * t ** (d - 1)).cumsum(0)
    radius = x.norm(dim=1).double().sort().values / 2
    cdf = (p / p[-1])[(radius / 1e-4).round().long()]
    empirical = torch.arange(1, 20_001).double() / 20_000
    assert (cdf - empirical).abs().max() < 1.95 / math.sqrt(20_000)  # passes 999 of 1000
    assert (x.mean(0).abs() < 5 * x.std(0) / math.sqrt(20_000)).all()


def test_model_speaks_the_verbs_and_chooses(generator):
    data = points(300, 2, 0, torch.float32)
    for choice in ("silverman", "leave-one-out", 0.3):
        model = KernelDensity(choice).fit(data)
        assert isinstance(model, HasLogProb)
        assert isinstance(model, HasSample)
        assert model.log_prob(data).shape == (300,)
    assert KernelDensity().fit(data).h_[0].item() == pytest.approx(silverman_bandwidth(data))
    adaptive = KernelDensity(0.3, adaptive=True).fit(data)
    assert torch.allclose(adaptive.h_, adaptive_bandwidth(data, 0.3))
    assert adaptive.sample(5, generator=generator).shape == (5, 2)


def test_silverman_is_the_formula_of_the_book():
    """Silverman's (4.14) with A = (4 / (d + 2))^(1/(d+4)); in one dimension 1.06 σ n^(-1/5)."""
    data = points(500, 1, 0)
    assert silverman_bandwidth(data) == pytest.approx(
        (4 / 3) ** 0.2 * data.std().item() * 500**-0.2
    )
    scipy_factor = stats.gaussian_kde(points(500, 4, 0).T.numpy(), "silverman").factor
    data = points(500, 4, 0)
    assert silverman_bandwidth(data) == pytest.approx(
        scipy_factor * data.var(0).mean().sqrt().item()
    )
    assert silverman_bandwidth(3 * data + 5) == pytest.approx(3 * silverman_bandwidth(data))


@given(d=st.integers(1, 3), seed=st.integers(0, 10**6), h=st.sampled_from([0.1, 0.5, 2.0]))
@few
def test_leave_one_out_leaves_one_out(d, seed, h):
    data = points(9, d, seed)
    scores = [
        kde_log_prob(data[i : i + 1], torch.cat([data[:i], data[i + 1 :]]), h).item()
        for i in range(9)
    ]
    assert loo_log_likelihood(data, h).item() == pytest.approx(sum(scores) / 9)


def test_leave_one_out_works_across_tiles():
    data = points(2500, 1, 0)
    each = kernel_log_prob(data, data, 0.2, leave_one_out=True)
    for i in (0, 130, 2047, 2048, 2499):
        rest = torch.cat([data[:i], data[i + 1 :]])
        assert each[i].item() == pytest.approx(kde_log_prob(data[i : i + 1], rest, 0.2).item())


def test_leave_one_out_prefers_narrow_kernels_for_two_modes():
    narrow = torch.cat([0.1 * points(60, 1, 0), 10 + 0.1 * points(60, 1, 1)])
    assert loo_bandwidth(narrow) < silverman_bandwidth(narrow) / 5
    one = points(500, 1, 2)
    assert loo_bandwidth(one) == pytest.approx(silverman_bandwidth(one), rel=0.6)


def test_adaptive_bandwidth_follows_the_density():
    data = torch.cat([points(300, 1, 0), 20 + 5 * points(30, 1, 1)])
    h = adaptive_bandwidth(data, 0.5)
    assert h[300:].mean() > 2 * h[:300].mean()
    assert h.log().mean().item() == pytest.approx(math.log(0.5))
    assert torch.allclose(
        adaptive_bandwidth(data, 0.5, sensitivity=0.0), torch.full((330,), 0.5).double()
    )


x2, data2 = torch.zeros(3, 2), torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
constant = torch.tensor([[1.0, 5.0], [2.0, 5.0]])
BAD = [
    (kde_log_prob, (x2, data2, 0.0), "h: got 0; want a positive bandwidth"),
    (kde_log_prob, (x2, data2, math.nan), "h: got nan; want a positive bandwidth"),
    (kde_log_prob, (torch.zeros(3, 1), data2, 1.0), r"x: got shape \(3, 1\); want \(n, 2\)"),
    (kde_log_prob, (x2, torch.zeros(0, 2), 1.0), "data: got an empty batch"),
    (kde_log_prob, (x2 / 0, data2, 1.0), "x: got 6 NaN"),
    (kernel_log_prob, (x2, data2, torch.ones(4)), r"h: got shape \(4,\); want \(5,\)"),
    (kernel_log_prob, (x2, data2, -torch.ones(5)), "h: got -1; want a positive"),
    (kernel_log_prob, (x2, data2, 1.0, "box"), "kernel: got 'box'; want one of gaussian"),
    (KernelDensity, ("scott",), "h: got 'scott'; want a positive number, 'silverman'"),
    (KernelDensity, (-1.0,), "h: got -1.0"),
    (KernelDensity().fit, (constant,), "data: column 1 is constant"),
    (KernelDensity().fit, (torch.zeros(1, 2),), "data: got 1 point; want at least 2"),
    (KernelDensity(1.0).fit(data2).log_prob, (torch.zeros(1, 3),), "want \\(n, 2\\)"),
    (KernelDensity(1.0).fit(data2).sample, (0,), "n: got 0"),
    (silverman_bandwidth, (torch.ones(4, 1),), "data: column 0 is constant"),
    (loo_log_likelihood, (data2[:1], 1.0), "data: got a single point"),
    (loo_bandwidth, (data2.repeat(2, 1),), "every point has an exact copy"),
    (loo_bandwidth, (data2, torch.tensor([1e-3]), "tophat"), "some point is out of reach"),
    (loo_bandwidth, (data2, torch.zeros(0)), "candidates: got an empty batch"),
    (adaptive_bandwidth, (data2, 1.0, "gaussian", 2.0), "sensitivity: got 2.0"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(unchecked, function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
