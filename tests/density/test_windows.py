"""Histogram, naive estimator and nearest neighbours: counts by loops, and integrals."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib.density import Histogram, knn_density, knn_log_density, naive_estimate
from dgm_lib.model import HasLogProb, HasSample

few = settings(max_examples=25, deadline=None)


def points(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


@given(d=st.integers(1, 3), seed=st.integers(0, 10**6), h=st.sampled_from([0.3, 1.0, 2.5]))
@few
def test_histogram_counts_its_cells(d, seed, h):
    data, x = points(30, d, seed), points(10, d, seed + 1)
    got = Histogram(h, origin=0.1).fit(data).log_prob(x).exp()

    def cell(row):
        return [math.floor((v - 0.1) / h) for v in row]

    for row, p in zip(x.tolist(), got.tolist(), strict=True):
        count = sum(cell(row) == cell(other) for other in data.tolist())
        assert p == pytest.approx(count / (30 * h**d))


@pytest.mark.parametrize("d", [1, 2])
def test_histogram_sums_to_one_over_its_cells(d):
    data = points(50, d, 0)
    centres = torch.arange(-9.75, 10, 0.5, dtype=torch.float64)
    grid = torch.cartesian_prod(*[centres] * d).view(-1, d)
    model = Histogram(0.5).fit(data)
    assert (model.log_prob(grid).exp().sum() * 0.5**d).item() == pytest.approx(1)
    assert isinstance(model, HasLogProb)
    assert isinstance(model, HasSample)


def test_histogram_samples_follow_it(generator):
    model = Histogram(1.0).fit(torch.tensor([[0.5], [0.6], [0.7], [3.5]]))
    x = model.sample(40_000, generator=generator)
    assert torch.isfinite(model.log_prob(x)).all()
    share = (x < 1).double().mean().item()
    assert share == pytest.approx(0.75, abs=5 * math.sqrt(0.75 * 0.25 / 40_000))
    assert x[x > 1].mean().item() == pytest.approx(3.5, abs=5 * math.sqrt(1 / 12 / 9000))


@given(d=st.integers(1, 4), seed=st.integers(0, 10**6), h=st.sampled_from([0.5, 1.0, 3.0]))
@few
def test_naive_estimate_counts_a_cube(d, seed, h):
    data, x = points(40, d, seed), points(8, d, seed + 1)
    for row, p in zip(x.tolist(), naive_estimate(x, data, h).tolist(), strict=True):
        inside = sum(
            all(abs(a - b) <= h / 2 for a, b in zip(row, other, strict=True))
            for other in data.tolist()
        )
        assert p == pytest.approx(inside / 40 / h**d)


@pytest.mark.parametrize("d", [1, 2])
def test_naive_estimate_integrates_to_one(d):
    data = points(20, d, 3)
    t = (
        torch.arange(-8, 8, 0.02, dtype=torch.float64) + 0.0101
    )  # midpoints: edges of cubes lie in between
    grid = torch.cartesian_prod(*[t] * d).view(-1, d)
    total = naive_estimate(grid, data, 1.5).sum() * 0.02**d
    assert total.item() == pytest.approx(1, abs=0.01)


def test_naive_estimate_in_pieces_is_the_same():
    data, x = points(3000, 2, 0).float(), points(5000, 2, 1).float()
    whole = naive_estimate(x, data, 0.5)  # several pieces
    part = torch.cat([naive_estimate(x[i : i + 250], data, 0.5) for i in range(0, 5000, 250)])
    assert torch.equal(whole, part)


@given(d=st.integers(1, 4), k=st.integers(1, 12), seed=st.integers(0, 10**6))
@few
def test_knn_density_puts_k_points_into_the_ball(d, k, seed):
    data, x = points(12, d, seed), points(6, d, seed + 1)
    volume = {1: 2, 2: math.pi, 3: 4 / 3 * math.pi, 4: math.pi**2 / 2}[d]
    for row, p in zip(x.tolist(), knn_density(x, data, k).tolist(), strict=True):
        r = sorted(math.dist(row, other) for other in data.tolist())[k - 1]
        assert p == pytest.approx(k / (12 * volume * r**d))


def test_knn_density_has_an_integral_that_grows_like_a_logarithm():
    """Both tails fall like k / (2 m |x|): from T to 10 T they add (k/m) log 10."""
    data, k, m = points(20, 1, 0), 5, 20
    for T in (1e3, 1e5):
        s = torch.linspace(math.log(T), math.log(10 * T), 2001).double()  # x = ± e^s, dx = e^s ds
        added = sum(
            torch.trapezoid(knn_density(sign * s.exp()[:, None], data, k) * s.exp(), s)
            for sign in (-1, 1)
        )
        assert added.item() == pytest.approx(k / m * math.log(10), rel=10 / T)


def test_knn_density_approaches_the_truth():
    x = torch.linspace(-1.5, 1.5, 13, dtype=torch.float64)[:, None]
    truth = torch.distributions.Normal(0, 1).log_prob(x[:, 0])
    errors = [
        (knn_log_density(x, points(n, 1, 7), k) - truth).abs().mean().item()
        for n, k in [(100, 10), (100_000, 1000)]
    ]
    assert errors[1] < 0.06  # relative standard deviation 1/√k = 0.03
    assert errors[1] < errors[0] / 2


def test_knn_log_density_survives_many_dimensions():
    g = torch.Generator().manual_seed(0)
    data, x = 100 * torch.randn(50, 200, generator=g), 100 * torch.randn(3, 200, generator=g)
    assert torch.isfinite(knn_log_density(x, data, 3)).all()


def test_knn_tells_near_points_apart_far_from_the_origin():
    data = (1e3 + 1e-3 * torch.arange(50.0).double())[:, None].repeat(1, 2)
    r = 1e-3 * math.sqrt(2) * torch.tensor([3.0, 2.0, 3.0]).double()
    x = data[[0, 20, 49]]
    want = 4 / (50 * math.pi * r**2)  # the query itself is the first of four
    assert torch.allclose(knn_density(x, data, 4), want)


def test_knn_ignores_how_tensors_lie_in_memory():
    data, x = points(3, 9, 0).T, points(3, 4, 1).T
    assert torch.equal(knn_density(x, data, 2), knn_density(x.contiguous(), data.contiguous(), 2))


x2, data2 = torch.zeros(3, 2), torch.ones(5, 2)
BAD = [
    (Histogram, (0.0,), "h: got 0.0; want a positive width"),
    (Histogram, (1.0, math.inf), "origin: got inf"),
    (Histogram(1.0).fit, (torch.zeros(0, 2),), "data: got an empty batch"),
    (
        Histogram(1.0).fit(data2).log_prob,
        (torch.zeros(1, 3),),
        r"x: got shape \(1, 3\); want \(n, 2",
    ),
    (Histogram(1.0).fit(data2).sample, (0,), "n: got 0"),
    (naive_estimate, (x2, data2, 0.0), "h: got 0.0; want a positive width"),
    (naive_estimate, (x2, data2, math.nan), "h: got nan"),
    (naive_estimate, (torch.zeros(3, 1), data2, 1.0), r"x: got shape \(3, 1\); want \(n, 2\)"),
    (naive_estimate, (x2, torch.zeros(0, 2), 1.0), "data: got an empty batch"),
    (naive_estimate, (x2 * math.nan, data2, 1.0), "x: got 6 NaN"),
    (knn_density, (x2, data2, 6), "k: got 6; want 1 to 5, the number of data points"),
    (knn_density, (x2, data2, 0), "k: got 0; want 1 to 5"),
    (knn_density, (data2, data2, 2), "x: 5 of 5 points coincide with k = 2 or more"),
    (knn_density, (x2.long(), data2, 2), "x: got dtype torch.int64"),
    (knn_density, (torch.zeros(0, 2), data2, 2), "x: got an empty batch"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(unchecked, function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)


def test_a_cell_is_half_open():
    model = Histogram(1.0).fit(torch.tensor([[0.0], [1.0]]))
    values = model.log_prob(torch.tensor([[0.0], [0.999], [1.0], [2.0]])).exp().tolist()
    assert values == pytest.approx([0.5, 0.5, 0.5, 0.0])


def test_naive_estimate_tiles_like_a_histogram_at_its_centres():
    data = points(100, 2, 4)
    centres = torch.tensor(list(itertools.product([-0.5, 0.5], repeat=2))).double()
    want = Histogram(1.0).fit(data).log_prob(centres).exp()
    assert torch.allclose(naive_estimate(centres, data, 1.0), want)
