"""Made data follow the laws that their docstrings state."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from dgm_lib import data

PLANE = (
    data.two_moons,
    data.eight_gaussians,
    data.checkerboard,
    data.pinwheel,
    data.swiss_roll,
    data.rings,
)
MADE = (*PLANE, data.old_faithful, data.audio)
WITH_DENSITY = {
    data.two_moons: data.two_moons_log_prob,
    data.eight_gaussians: data.eight_gaussians_log_prob,
    data.checkerboard: data.checkerboard_log_prob,
    data.rings: data.rings_log_prob,
}
EIGHTHS = [k * math.pi / 4 for k in range(8)]
by_name = pytest.mark.parametrize("make", MADE, ids=lambda f: f.__name__)


@by_name
@pytest.mark.parametrize("n", [1, 7])
def test_shape_and_dtype(make, n):
    x = make(n)
    assert x.shape == (n, 1024 if make is data.audio else 2)
    assert x.dtype == torch.float32
    assert x.isfinite().all()


@by_name
def test_the_seed_decides_and_the_global_state_is_left_alone(make):
    before = torch.get_rng_state()
    x = make(20, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(x, make(20, seed=3))
    assert not torch.equal(x, make(20, seed=4))


@by_name
@pytest.mark.parametrize("n", [0, -1])
def test_no_points_is_an_error(make, n):
    with pytest.raises(ValueError, match=rf"n: got {n}; want"):
        make(n)


@pytest.mark.parametrize("make", [data.two_moons, data.swiss_roll, data.rings])
@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf])
def test_bad_noise_is_an_error(make, noise):
    with pytest.raises(ValueError, match="noise: got"):
        make(5, noise=noise)


def _on_grid(log_prob, low, high, side=200):
    """∫ p and -∫ p log p by the midpoint rule on a square."""
    step = (high - low) / side
    axis = torch.linspace(low + step / 2, high - step / 2, side, dtype=torch.float64)
    log_p = log_prob(torch.cartesian_prod(axis, axis))
    surprise = torch.where(log_p.isinf(), 0.0, -log_p)
    return (log_p.exp().sum() * step**2).item(), (log_p.exp() * surprise).sum().item() * step**2


@pytest.mark.parametrize("make", WITH_DENSITY, ids=lambda f: f.__name__)
def test_density_integrates_to_one_and_gives_the_entropy(make):
    mass, entropy = _on_grid(WITH_DENSITY[make], -5, 5)
    assert mass == pytest.approx(1, abs=1e-6)
    assert entropy == pytest.approx(data.ENTROPY[make.__name__], abs=5e-5)


@pytest.mark.parametrize("make", WITH_DENSITY, ids=lambda f: f.__name__)
def test_samples_come_from_the_density(make):
    """By Gibbs' inequality a sample of another law has, as a rule, another mean surprise; and
    the cells of a histogram hold what the density puts there (χ², 5 standard deviations)."""
    n, side, cells = 20_000, 144, 12
    x = make(n, seed=1)
    surprise = -WITH_DENSITY[make](x)
    error = (surprise.std() / math.sqrt(n)).item()
    assert surprise.mean().item() == pytest.approx(
        data.ENTROPY[make.__name__], abs=max(5 * error, 1e-5)
    )

    low, high = -5.0, 5.0
    step = (high - low) / side
    axis = torch.linspace(low + step / 2, high - step / 2, side, dtype=torch.float64)
    p = WITH_DENSITY[make](torch.cartesian_prod(axis, axis)).exp() * step**2
    expected = n * p.view(cells, side // cells, cells, side // cells).sum((1, 3))
    got, _ = torch.histogramdd(x, [cells, cells], range=[low, high, low, high])
    used = expected > 5
    chi2 = ((got - expected) ** 2 / expected)[used].sum().item()
    assert chi2 < used.sum() + 5 * math.sqrt(2 * used.sum())
    assert got[~used].sum() <= expected[~used].sum() + 5 * math.sqrt(n) * 0.05


def test_the_entropies_of_the_exact_sets_are_the_logarithms_of_their_sizes():
    assert data.ENTROPY["checkerboard"] == math.log(8 * 2**2)
    assert data.ENTROPY["bars_and_stripes"] == math.log(len(data.bars_and_stripes(3)))


def test_two_moons_density_equals_adaptive_quadrature():
    def log_p(x1, x2, noise):
        def both_moons(t):
            c, s = math.cos(t), math.sin(t)
            squares = (x1 - c) ** 2 + (x2 - s) ** 2, (x1 - 1 + c) ** 2 + (x2 - 0.5 + s) ** 2
            return sum(math.exp(-square / (2 * noise**2)) for square in squares)

        total, _ = quad(both_moons, 0, math.pi, limit=500, epsabs=0, epsrel=1e-10)
        return math.log(total / (2 * math.pi) / (2 * math.pi * noise**2))

    points = [[0.0, 1.0], [1.02, -0.03], [0.5, 0.25], [2.1, 0.4], [-0.9, 0.2]]
    for noise in (0.05, 0.1, 0.5):
        got = data.two_moons_log_prob(torch.tensor(points, dtype=torch.float64), noise)
        assert got.tolist() == pytest.approx([log_p(*point, noise) for point in points], abs=1e-8)


def test_rings_density_equals_quadrature_of_one_blurred_circle_each():
    def log_p(x1, x2, noise):
        total = sum(
            quad(
                lambda t, r=r: math.exp(
                    -((x1 - r * math.cos(t)) ** 2 + (x2 - r * math.sin(t)) ** 2) / (2 * noise**2)
                ),
                -math.pi,
                math.pi,
                points=[math.atan2(x2, x1)],
            )[0]
            for r in (1, 2, 3)
        )
        return math.log(total / 3 / (2 * math.pi) / (2 * math.pi * noise**2))

    points = [[0.9, 0.3], [0.0, 0.0], [1.4, -1.3], [-2.8, 0.9]]
    got = data.rings_log_prob(torch.tensor(points, dtype=torch.float64), 0.4)
    assert got.tolist() == pytest.approx([log_p(*point, 0.4) for point in points], abs=1e-6)


def test_eight_gaussians_mass_in_a_box_is_that_of_normal_distributions():
    def normal_mass(low, high, mean):  # σ √2 is 1/2
        return (math.erf(2 * (high - mean)) - math.erf(2 * (low - mean))) / 2

    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(80))
    box = torch.cartesian_prod(2.75 + 1.25 * nodes, 0.35 + 1.25 * nodes)
    mass = data.eight_gaussians_log_prob(box).exp() @ torch.outer(weights, weights).flatten()
    centres = [(math.sqrt(8) * math.cos(a), math.sqrt(8) * math.sin(a)) for a in EIGHTHS]
    want = sum(normal_mass(1.5, 4.0, x) * normal_mass(-0.9, 1.6, y) for x, y in centres) / 8
    assert 1.25**2 * mass.item() == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("log_prob", WITH_DENSITY.values(), ids=lambda f: f.__name__)
def test_densities_keep_dtype_order_and_single_points(log_prob):
    x = torch.randn(9, 2, generator=torch.Generator().manual_seed(0))
    whole = log_prob(x.double())
    assert whole.dtype == torch.float64
    assert log_prob(x).dtype == torch.float32
    # 1/(2σ²) = 50 amplifies the rounding of float32 where the point is far from the data
    torch.testing.assert_close(log_prob(x).double(), whole, rtol=1e-5, atol=1e-4)
    alone = torch.cat([log_prob(row[None]) for row in x.double()])
    torch.testing.assert_close(alone, whole)
    strided = x.double().repeat(1, 2)[:, ::2]  # columns 1 and 1: not contiguous
    torch.testing.assert_close(log_prob(strided), log_prob(strided.contiguous()))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("log_prob", WITH_DENSITY.values(), ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "x", [torch.zeros(3), torch.zeros(3, 3), torch.zeros(3, 2).long(), torch.full((1, 2), math.nan)]
)
def test_densities_reject_what_are_no_points(log_prob, x):
    with pytest.raises(ValueError, match="x: got"):
        log_prob(x)


def test_checkerboard_density_is_zero_off_the_board():
    x = torch.tensor([[-3.0, -3.0], [-3.0, -1.0], [1.0, -3.0], [5.0, 5.0], [4.0, 4.0]])
    floor = -math.log(32)
    assert data.checkerboard_log_prob(x).tolist() == pytest.approx(
        [floor, -math.inf, floor, -math.inf, -math.inf]
    )


def test_swiss_roll_without_noise_lies_on_the_spiral():
    x = data.swiss_roll(500, noise=0.0)
    t = 5 * x.norm(dim=1)
    assert t.min() >= 1.5 * math.pi - 1e-4
    assert t.max() <= 4.5 * math.pi + 1e-4
    torch.testing.assert_close(torch.stack([t.cos(), t.sin()], 1), x / x.norm(dim=1, keepdim=True))


def test_pinwheel_arms_unwind_to_gaussians():
    """Turning each point back by exp(radius) / 4 leaves the arms apart: five angles, equally far."""
    x = data.pinwheel(4000) / 2
    radius = x.norm(dim=1)  # nearly 1 + 0.3 ε₁: the offset is small
    angle = torch.atan2(x[:, 1], x[:, 0]) - radius.exp() / 4
    concentration = torch.exp(5j * angle)[radius > 0.7].mean().abs()
    assert concentration > 0.75  # 0 if the arms were smeared over all angles


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_bars_and_stripes_are_all_of_them_once(side):
    x = data.bars_and_stripes(side)
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * side**2).view(-1, side, side)
    bars = (every == every[:, :1]).all(2).all(1)
    stripes = (every == every[:, :, :1]).all(2).all(1)
    want = {tuple(image.flatten().tolist()) for image in every[bars | stripes]}
    got = [tuple(row) for row in x.tolist()]
    assert len(got) == len(set(got))
    assert set(got) == want


@pytest.mark.parametrize("side", [0, 17])
def test_bars_and_stripes_of_a_wrong_size(side):
    with pytest.raises(ValueError, match=f"side: got {side}"):
        data.bars_and_stripes(side)


def test_old_faithful_has_the_moments_of_its_mixture():
    x, weight = data.old_faithful(100_000), 0.644
    low, high = torch.tensor([2.036, 54.48]), torch.tensor([4.290, 79.97])
    torch.testing.assert_close(x.mean(0), low + weight * (high - low), rtol=0, atol=0.25)
    within = torch.tensor([0.0692, 33.70]) * (1 - weight) + torch.tensor([0.17, 36.05]) * weight
    between = weight * (1 - weight) * (high - low) ** 2
    torch.testing.assert_close(x.var(0), within + between, rtol=0.02, atol=0)


def test_audio_is_a_harmonic_sound_at_full_scale():
    x = data.audio(6, length=8000)
    torch.testing.assert_close(x.abs().amax(1), torch.ones(6))
    power = torch.fft.rfft(x).abs() ** 2  # one second, so the k-th bin is k hertz
    assert (power[:, 1800:].sum(1) < 0.01 * power.sum(1)).all()  # 4 · 440 Hz is the top harmonic
    assert (x[:, :800].norm(dim=1) > 3 * x[:, -800:].norm(dim=1)).all()  # it decays


@pytest.mark.parametrize("argument", ["length", "rate"])
def test_audio_rejects_a_sound_without_samples(argument):
    with pytest.raises(ValueError, match=f"{argument}: got 0"):
        data.audio(1, **{argument: 0})
