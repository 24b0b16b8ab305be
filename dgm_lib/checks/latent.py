"""The checks of unit 03_latent.

What is expected comes from the definitions: densities by inverse and determinant, one point and one
component at a time; posteriors by Bayes' theorem; integrals by quadrature; planes that were built
into the data. Misconceptions follow the properties of each function.
"""

import math

import torch
from torch import Tensor

from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.latent import factors, mixture, pca, ppca

unit = Unit("03_latent")
check = unit.check

double = torch.float64


def parameters(
    draw: Draw, k: int, d: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means and covariances with clear correlations."""
    weights = draw.uniform(k, low=0.2, dtype=dtype) + torch.arange(k, dtype=dtype) / k
    a = draw.normal(k, d, d, dtype=dtype)
    covariances = a @ a.mT + 0.5 * torch.eye(d, dtype=dtype)
    return weights / weights.sum(), draw.normal(k, d, scale=1.5, dtype=dtype), covariances


def transposed(x: Tensor) -> Tensor:
    """The same values, stored column by column."""
    return x.T.contiguous().T


def gaussian(x: Tensor, mean: Tensor, covariance: Tensor) -> float:
    """log N(x; mean, covariance) of one point, by inverse and determinant, in float64."""
    offset, covariance = x.double() - mean.double(), covariance.double()
    distance = offset @ torch.linalg.inv(covariance) @ offset
    return -0.5 * (distance + torch.linalg.slogdet(2 * math.pi * covariance)[1]).item()


def joint_of(x: Tensor, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """log π_k + log N(x_n; μ_k, Σ_k), entry by entry."""
    rows = [
        [
            math.log(w) + gaussian(point, m, c) if w > 0 else -math.inf
            for w, m, c in zip(weights.tolist(), means, covariances, strict=True)
        ]
        for point in x
    ]
    return torch.tensor(rows, dtype=double)


def far_points(d: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Two points at which every component's density underflows, in float64 too."""
    return torch.full((2, d), 200.0, dtype=dtype) * torch.tensor([[1.0], [-1.0]], dtype=dtype)


def edge_cases(draw: Draw) -> list[tuple[str, tuple[Tensor, Tensor, Tensor, Tensor]]]:
    """(name, arguments): one point, one dimension, one component, float64, a zero weight."""
    cases = []
    for name, n, k, d, dtype in [
        ("one point", 1, 3, 2, torch.float32),
        ("one dimension", 4, 2, 1, torch.float32),
        ("one component, float64", 3, 1, 3, double),
        ("transposed storage", 5, 2, 3, torch.float32),
    ]:
        cases.append(
            (name, (transposed(draw.normal(n, d, dtype=dtype)), *parameters(draw, k, d, dtype)))
        )
    weights, means, covariances = parameters(draw, 3, 2)
    weights = torch.cat([weights[:2] / weights[:2].sum(), torch.zeros(1)])
    cases.append(("a component of weight zero", (draw.normal(4, 2), weights, means, covariances)))
    return cases


# --- mixture_log_prob -----------------------------------------------------------------------------

mixture_log_prob = unit.graded(mixture.mixture_log_prob, siblings=[mixture.log_joint])


@mixture_log_prob.property(
    "is log Σ_k π_k N(x; μ_k, Σ_k), with full covariances",
    points=1,
    hint="First a table of log N(x_n; μ_k, Σ_k) with n rows and k columns: "
    "MultivariateNormal(means, covariances).log_prob(x[:, None]) gives it. Then add the log-weights "
    "and combine the columns.",
)
def _(call: Caller, draw: Draw) -> None:
    theta = parameters(draw, 3, 2)
    x = draw.normal(6, 2, scale=2)
    expect.close("log p(x)", call(x, *theta), joint_of(x, *theta).logsumexp(1))


@mixture_log_prob.property(
    "integrates to one",
    points=1,
    hint="Each Gaussian integrates to one, with its factor 1/√det(2πΣ), and the weights add up to "
    "one. If the integral is off, one of these constants is missing.",
)
def _(call: Caller, draw: Draw) -> None:
    theta = parameters(draw, 3, 1, double)
    reach = 10 + 12 * theta[2].max().sqrt().item()
    grid = torch.linspace(-reach, reach, 2001, dtype=double)
    log_p = expect.tensor("log p(x)", call(grid[:, None], *theta), (2001,))
    total = log_p.double().exp().sum() * (grid[1] - grid[0])
    expect.close("the integral of p(x), by quadrature", total, torch.tensor(1.0, dtype=double))


@mixture_log_prob.property(
    "stays finite far from every component",
    points=1,
    hint="exp(-1000) is zero in floating point, and its logarithm -∞. Stay with logarithms: "
    "torch.logsumexp takes the largest term out before it exponentiates.",
)
def _(call: Caller, draw: Draw) -> None:
    for dtype in (torch.float32, double):
        weights, means, covariances = parameters(draw, 2, 2, dtype)
        covariances = covariances / covariances.diagonal(dim1=1, dim2=2).amax(1)[:, None, None]
        x = far_points(2, dtype)
        want = joint_of(x, weights, means, covariances).logsumexp(1)
        expect.close("log p(x)", call(x, weights, means, covariances), want, rtol=2e-3)


@mixture_log_prob.property(
    "holds at the edges: one point, one dimension, one component, float64, a weight of zero",
    points=1,
    hint="Sum over components only, so that n points give n numbers, also for n = 1. A weight of "
    "zero has the logarithm -∞, which logsumexp treats as it should.",
)
def _(call: Caller, draw: Draw) -> None:
    for name, case in edge_cases(draw):
        expect.close(f"log p(x), {name}", call(*case), joint_of(*case).logsumexp(1))


def _table(x, means, covariances, det=1.0, half=0.5, two_pi=1.0, precision=False, diagonal=False):
    """log N(x_n; μ_k, Σ_k), with room for slips."""
    if diagonal:
        covariances = covariances.diagonal(dim1=1, dim2=2).diag_embed()
    if precision:
        covariances = torch.linalg.inv(covariances)
    L = torch.linalg.cholesky(covariances)
    y = torch.linalg.solve_triangular(L, (x[:, None] - means).permute(1, 2, 0), upper=False)
    log_det = L.diagonal(dim1=1, dim2=2).log().sum(1)
    constant = det * log_det + two_pi * 0.5 * x.shape[1] * math.log(2 * math.pi)
    return (-half * y.square().sum(1) - constant[:, None]).T


def _log_p(x, weights, means, covariances, **slips):
    return (weights.log() + _table(x, means, covariances, **slips)).logsumexp(1)


@mixture_log_prob.misconception(
    "logarithm inside the sum",
    "You averaged the log-densities, Σ π_k log N. The logarithm of an average is not the average of "
    "the logarithms (by Jensen, yours is too small): add the densities, then take the logarithm.",
)
def _(x, weights, means, covariances):
    return (weights * _table(x, means, covariances)).sum(1)


@mixture_log_prob.misconception(
    "forgot the weights",
    "You added the component densities as they are. Each counts with its weight π_k, so add log π_k "
    "to its logarithm first.",
)
def _(x, weights, means, covariances):
    return _table(x, means, covariances).logsumexp(1)


@mixture_log_prob.misconception(
    "product of the components instead of the sum",
    "You added log π_k + log N over the components, the logarithm of a product. A point comes from "
    "one component or another, so probabilities add: logsumexp over k.",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances)).sum(1)


@mixture_log_prob.misconception(
    "covariance taken for a precision",
    "You used Σ where its inverse belongs (or passed it as precision_matrix). The squared distance is "
    "(x - μ)ᵀ Σ⁻¹ (x - μ).",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, precision=True)


@mixture_log_prob.misconception(
    "correlations ignored",
    "You used only the diagonal of each covariance. Off-diagonal entries tilt the ellipses, and the "
    "whole matrix enters inverse and determinant.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, diagonal=True)


@mixture_log_prob.misconception(
    "forgot the determinant",
    "The factor 1/√det Σ is missing: a wide component must be lower everywhere to have the area one. "
    "Subtract ½ log det Σ_k.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, det=0)


@mixture_log_prob.misconception(
    "determinant without the square root",
    "You subtracted log det Σ; the density has 1/√det Σ, so it is half of that.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, det=2)


@mixture_log_prob.misconception(
    "forgot the ½ in the exponent",
    "The exponent of a Gaussian is minus *half* the squared distance.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, half=1)


@mixture_log_prob.misconception(
    "forgot 2π",
    "Right up to the constant (d/2) log 2π, without which the density does not integrate to one.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances, two_pi=0)


@mixture_log_prob.misconception(
    "underflow in exp",
    "Right until all densities underflow to zero, and then log 0 = -∞. Replace log(Σ exp(...)) by "
    "torch.logsumexp.",
)
def _(x, weights, means, covariances):
    return (weights * _table(x, means, covariances).exp()).sum(1).log()


@mixture_log_prob.misconception(
    "density instead of its logarithm",
    "You returned p(x). The logarithm is asked, because densities of many points or dimensions "
    "underflow.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances).exp()


@mixture_log_prob.misconception(
    "one number for the whole batch",
    "You added up the points too. Each row of x has a log-density of its own: return n numbers.",
)
def _(x, weights, means, covariances):
    return _log_p(x, weights, means, covariances).sum()


# --- responsibilities -----------------------------------------------------------------------------

responsibilities = unit.graded(mixture.responsibilities)


@responsibilities.property(
    "is Bayes' theorem: π_k N(x; μ_k, Σ_k), divided by its sum over the components",
    points=1,
    hint="Make the table log π_k + log N(x_n; μ_k, Σ_k), n rows and k columns. A softmax over the "
    "columns exponentiates and divides by the sum.",
)
def _(call: Caller, draw: Draw) -> None:
    theta = parameters(draw, 3, 2)
    x = draw.normal(7, 2, scale=2)
    expect.close("r", call(x, *theta), joint_of(x, *theta).softmax(1))


@responsibilities.property(
    "every row sums to one, and identical components share by weight",
    points=1,
    hint="Each point is shared out among the components, so sums run over components and not over "
    "points. If all components are the same, x tells nothing, and r is π.",
)
def _(call: Caller, draw: Draw) -> None:
    weights, means, covariances = parameters(draw, 4, 2)
    same = weights, means[:1].expand(4, 2), covariances[:1].expand(4, 2, 2)
    x = draw.normal(5, 2)
    expect.close("r for identical components", call(x, *same), weights.expand(5, 4))
    r = expect.tensor("r", call(x, weights, means, covariances), (5, 4))
    expect.close("the sums of the rows of r", r.sum(1), torch.ones(5))


@responsibilities.property(
    "stays right far from every component",
    points=1,
    hint="There every density is 0 in floating point, and 0/0 is NaN, though one component is "
    "clearly the likeliest. Normalise in the log domain: softmax of the log-joint.",
)
def _(call: Caller, draw: Draw) -> None:
    for dtype in (torch.float32, double):
        weights = draw.uniform(2, low=0.3, dtype=dtype)
        means = torch.tensor([[1.0, 0.5], [-1.0, -0.5]], dtype=dtype)
        covariances = torch.eye(2, dtype=dtype).expand(2, 2, 2)
        args = far_points(2, dtype), weights / weights.sum(), means, covariances
        expect.close("r", call(*args), joint_of(*args).softmax(1))


@responsibilities.property(
    "holds at the edges: one point, one dimension, one component, float64, a weight of zero",
    points=1,
    hint="A component of weight zero is responsible for nothing, and the only component for "
    "everything. Return n rows and k columns.",
)
def _(call: Caller, draw: Draw) -> None:
    for name, case in edge_cases(draw):
        expect.close(f"r, {name}", call(*case), joint_of(*case).softmax(1))


@responsibilities.misconception(
    "forgot the weights",
    "You compared the densities alone. Bayes' theorem also has the prior: a component that makes "
    "more points is more likely to have made this one. Multiply by π_k before normalising.",
)
def _(x, weights, means, covariances):
    return _table(x, means, covariances).softmax(1)


@responsibilities.misconception(
    "normalised over the points",
    "Your columns sum to one, the rows should: the question is which component made a given point, "
    "not which point a component made. Use the other axis.",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances)).softmax(0)


@responsibilities.misconception(
    "not normalised",
    "You returned the joint π_k N(x; μ_k, Σ_k). Divide each row by its sum, which is p(x).",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances)).exp()


@responsibilities.misconception(
    "logarithms of the responsibilities",
    "You returned log r. Exponentiate at the end (softmax instead of log_softmax).",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances)).log_softmax(1)


@responsibilities.misconception(
    "hard assignment",
    "You gave each point wholly to the likeliest component. EM keeps the doubt: r is a probability, "
    "and points between two components belong partly to both.",
)
def _(x, weights, means, covariances):
    best = (weights.log() + _table(x, means, covariances)).argmax(1)
    return torch.eye(len(weights), dtype=x.dtype)[best]


@responsibilities.misconception(
    "distances without the covariances",
    "You compared |x - μ_k|² only, as if all covariances were the identity. The densities are asked: "
    "with Σ_k⁻¹ in the distance, and its determinant.",
)
def _(x, weights, means, covariances):
    eye = torch.eye(x.shape[1], dtype=x.dtype).expand_as(covariances)
    return (weights.log() + _table(x, means, eye)).softmax(1)


@responsibilities.misconception(
    "forgot the determinant",
    "The factors that all components share cancel, but 1/√det Σ_k differs from one to the next and "
    "must stay.",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances, det=0)).softmax(1)


@responsibilities.misconception(
    "correlations ignored",
    "You used only the diagonal of each covariance. Off-diagonal entries tilt the ellipses and "
    "change which component is the likeliest.",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances, diagonal=True)).softmax(1)


@responsibilities.misconception(
    "zero divided by zero",
    "Right until all densities underflow: then both numerator and sum are 0, and 0/0 is NaN. Take a "
    "softmax of log π_k + log N instead of dividing exponentials.",
)
def _(x, weights, means, covariances):
    joint = weights * _table(x, means, covariances).exp()
    return joint / joint.sum(1, keepdim=True)


@responsibilities.misconception(
    "components as rows",
    "Right numbers in the wrong order: one row per point and one column per component is asked.",
)
def _(x, weights, means, covariances):
    return (weights.log() + _table(x, means, covariances)).softmax(1).T


# --- m_step ---------------------------------------------------------------------------------------

m_step = unit.graded(mixture.m_step)


def shares(draw: Draw, n: int, k: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random responsibilities, uneven between components."""
    r = draw.uniform(n, k, low=0.05, dtype=dtype) * torch.arange(1, k + 1, dtype=dtype)
    return r / r.sum(1, keepdim=True)


def maximiser(x: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, means, covariances by the definition, one component at a time, in float64."""
    x, r = x.double(), r.double()
    means, covariances = [], []
    for column in r.T:
        w = column if column.sum() > 0 else torch.ones_like(column)
        mean = sum(a * point for a, point in zip(w, x, strict=True)) / w.sum()
        outer = [a * torch.outer(p - mean, p - mean) for a, p in zip(w, x, strict=True)]
        means.append(mean)
        covariances.append(sum(outer) / w.sum())
    return r.sum(0) / len(x), torch.stack(means), torch.stack(covariances)


def three(got: object) -> tuple:
    return expect.pair("(weights, means, covariances)", got, 3)


@m_step.property(
    "weights: the share of the data that each component is responsible for",
    points=1,
    hint="N_k is the sum of column k of r, an effective number of points. Out of how many?",
)
def _(call: Caller, draw: Draw) -> None:
    x, r = draw.normal(8, 2) + 3, shares(draw, 8, 3)
    expect.close("weights", three(call(x, r))[0], maximiser(x, r)[0])


@m_step.property(
    "means: averages of the points, weighted with the responsibilities",
    points=1,
    hint="r.T @ x adds up the points for each component, weighted; divide each row by its N_k.",
)
def _(call: Caller, draw: Draw) -> None:
    x, r = draw.normal(9, 3) + 3, shares(draw, 9, 2)
    expect.close("means", three(call(x, r))[1], maximiser(x, r)[1])


@m_step.property(
    "covariances: weighted, and each around its own component's mean",
    points=1,
    hint="For each component, the deviations x_n - μ_k (with the *new* mean) in a tensor of shape "
    "(k, n, d), and then Σ_n r_nk (x_n - μ_k)(x_n - μ_k)ᵀ / N_k: a batch of matrix products.",
)
def _(call: Caller, draw: Draw) -> None:
    x, r = draw.normal(10, 2) + 3, shares(draw, 10, 3)
    expect.close("covariances", three(call(x, r))[2], maximiser(x, r)[2])


@m_step.property(
    "a component without any points gets weight zero and the moments of all the data, not NaN",
    points=1,
    hint="If N_k = 0, then 0/0 lurks in the mean. Any mean and covariance would do, since the weight "
    "is zero; take those of all points, as if every r_nk were 1.",
)
def _(call: Caller, draw: Draw) -> None:
    for dtype in (torch.float32, double):
        x = draw.normal(7, 2, dtype=dtype) + 2
        r = torch.cat([shares(draw, 7, 2, dtype), torch.zeros(7, 1, dtype=dtype)], 1)
        got, want = three(call(x, r)), maximiser(x, r)
        for name, a, b in zip(("weights", "means", "covariances"), got, want, strict=True):
            expect.close(f"{name} with an empty third component", a, b)


@m_step.property(
    "holds at the edges: one point, one dimension, one component, float64, transposed storage",
    points=1,
    hint="Keep all axes: (k,), (k, d) and (k, d, d). With a single point every covariance is zero.",
)
def _(call: Caller, draw: Draw) -> None:
    for name, n, k, d, dtype in [
        ("one point", 1, 2, 3, torch.float32),
        ("one dimension", 6, 2, 1, double),
        ("one component", 5, 1, 2, torch.float32),
        ("float64", 30, 3, 4, double),
    ]:
        x, r = transposed(draw.normal(n, d, dtype=dtype) - 2), transposed(shares(draw, n, k, dtype))
        got, want = three(call(x, r)), maximiser(x, r)
        for part, a, b in zip(("weights", "means", "covariances"), got, want, strict=True):
            expect.close(f"{part}, {name}", a, b)


def _moments(x, r, divisor=None, centre=None, power=1, safe=True):
    """The M step, with room for slips."""
    mass = r.sum(0)
    w = torch.where(mass > 0, r, 1.0) if safe else r
    total = w.sum(0)
    means = w.T @ x / (total if divisor is None else divisor(total))[:, None]
    about = means if centre is None else centre(means)
    off = x - about[:, None]
    covariances = ((w**power).T[:, :, None] * off).mT @ off
    total = total if divisor is None else divisor(total)
    return mass / len(x), means, covariances / total[:, None, None]


@m_step.misconception(
    "divided by n instead of N_k",
    "Means and covariances are averages over a component's own points: divide by N_k, the sum of its "
    "column, not by the number of all points.",
)
def _(x, r):
    return _moments(x, r, divisor=lambda total: torch.full_like(total, len(x)))


@m_step.misconception(
    "weights that do not sum to one",
    "You returned N_k as the weights. Divide by the number of points, to get probabilities.",
)
def _(x, r):
    weights, means, covariances = _moments(x, r)
    return len(x) * weights, means, covariances


@m_step.misconception(
    "equal weights",
    "You gave all components the weight 1/k. The best weight is the share N_k / n.",
)
def _(x, r):
    weights, means, covariances = _moments(x, r)
    return torch.full_like(weights, 1 / len(weights)), means, covariances


@m_step.misconception(
    "N_k - 1 in the covariance",
    "That is the unbiased estimate from statistics. The M step maximises a likelihood, and the "
    "maximum divides by N_k.",
)
def _(x, r):
    weights, means, covariances = _moments(x, r)
    total = torch.where(r.sum(0) > 0, r.sum(0), len(x))
    return weights, means, covariances * (total / (total - 1))[:, None, None]


@m_step.misconception(
    "covariances around the mean of all data",
    "You subtracted the mean of all points. Each component's covariance measures the spread around "
    "its own mean μ_k.",
)
def _(x, r):
    return _moments(x, r, centre=lambda means: x.mean(0).expand_as(means))


@m_step.misconception(
    "covariances without subtracting the mean",
    "You averaged x xᵀ. That is the second moment; subtract μ_k from the points first.",
)
def _(x, r):
    return _moments(x, r, centre=torch.zeros_like)


@m_step.misconception(
    "responsibilities squared",
    "Each product (x - μ)(x - μ)ᵀ counts with r once. If both factors were multiplied by r, it "
    "counts with r²: multiply only one of them.",
)
def _(x, r):
    return _moments(x, r, power=2)


@m_step.misconception(
    "variances only",
    "You returned diagonal matrices. Full covariances are asked: the outer products of the "
    "deviations, off-diagonal entries too.",
)
def _(x, r):
    weights, means, covariances = _moments(x, r)
    return weights, means, covariances.diagonal(dim1=1, dim2=2).diag_embed()


@m_step.misconception(
    "one covariance for all components",
    "You pooled the covariances, as a tied mixture does. Here each component has its own.",
)
def _(x, r):
    weights, means, covariances = _moments(x, r)
    pooled = (weights[:, None, None] * covariances).sum(0)
    return weights, means, pooled.expand_as(covariances).clone()


@m_step.misconception(
    "hard assignment",
    "You gave each point to its likeliest component before averaging. That is k-means; EM lets a "
    "point count for several components, with the weights r.",
)
def _(x, r):
    return _moments(x, torch.eye(r.shape[1], dtype=r.dtype)[r.argmax(1)])


@m_step.misconception(
    "zero divided by zero",
    "Right while every component holds something. For an empty one you computed 0/0: replace its "
    "column by ones before dividing (torch.where), and keep the weight at zero.",
)
def _(x, r):
    return _moments(x, r, safe=False)


def _careless(function):
    """The same slip by someone who also divides by an empty component's N_k."""

    def both(x, r):
        empty = (r.sum(0) == 0)[:, None]
        weights, means, covariances = function(x, r)
        means = torch.where(empty, torch.nan, means)
        return weights, means, torch.where(empty[:, :, None], torch.nan, covariances)

    return both


for _slip in list(m_step.misconceptions):
    if _slip.name in (
        "weights that do not sum to one",
        "N_k - 1 in the covariance",
        "covariances around the mean of all data",
        "covariances without subtracting the mean",
        "responsibilities squared",
        "variances only",
    ):
        m_step.misconception(
            f"{_slip.name}, and zero divided by zero",
            f"Two things. {_slip.advice} And an empty component (N_k = 0) gives 0/0: put ones in its "
            "column before dividing.",
        )(_careless(_slip.function))


# --- pca_reconstruct ------------------------------------------------------------------------------

pca_reconstruct = unit.graded(
    pca.pca_reconstruct, siblings=[pca.PCA.fit, pca.alternating_least_squares]
)


def flat_cloud(
    draw: Draw, n: int, d: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, and what they were built from: mean, principal directions (columns), spreads."""
    m = min(n - 1, d)
    u = draw.normal(n, m, dtype=double)
    u = torch.linalg.qr(u - u.mean(0)).Q
    v = torch.linalg.qr(draw.normal(d, d, dtype=double)).Q[:, :m]
    spreads = 6 * 0.5 ** torch.arange(m, dtype=double)
    mean = 2 + draw.normal(d, dtype=double)
    return (mean + (u * spreads) @ v.T).to(dtype), mean, v, spreads


@pca_reconstruct.property(
    "projects onto the plane of the first q principal directions",
    points=1,
    hint="Centre x, take its SVD, and let V be the first q *rows* of Vh, transposed. Down: "
    "z = (x - mean) V. Up: mean + z Vᵀ.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mean, v, _ = flat_cloud(draw, 9, 5)
    for q in (1, 3):
        want = mean + (x.double() - mean) @ v[:, :q] @ v[:, :q].T
        expect.close(f"the reconstruction, q = {q}", call(x, q), want, atol=1e-4)


@pca_reconstruct.property(
    "keeps the data's mean, wherever the data lie",
    points=1,
    hint="The plane goes through the mean of the points, not through the origin: subtract the mean "
    "before the SVD, and add it again at the end.",
)
def _(call: Caller, draw: Draw) -> None:
    x, *_ = flat_cloud(draw, 8, 4)
    shift = 20 + draw.normal(4)
    near, far = call(x, 2), call(x + shift, 2)
    expect.close(
        "the mean of the reconstructions",
        expect.tensor("x̂", near, (8, 4)).mean(0),
        x.mean(0),
        atol=1e-4,
    )
    expect.close(
        "x̂ of shifted data, shifted back", expect.tensor("x̂", far, (8, 4)) - shift, near, atol=1e-3
    )


@pca_reconstruct.property(
    "leaves the least squared error: exactly what the other directions hold",
    points=1,
    hint="Σ|x - x̂|² must be the sum of the squared singular values after the first q. More means "
    "that the directions are not the best, or not orthonormal.",
)
def _(call: Caller, draw: Draw) -> None:
    x, _, _, spreads = flat_cloud(draw, 10, 4, double)
    for q in (1, 2, 3):
        got = expect.tensor("x̂", call(x, q), (10, 4))
        error = (x - got.double()).square().sum()
        expect.close(f"the squared error, q = {q}", error, spreads[q:].square().sum())


@pca_reconstruct.property(
    "holds at the edges: q = d, one point, one dimension, fewer points than dimensions, float64",
    points=1,
    hint="With q = d, or with no more than q + 1 points, nothing is lost: x̂ = x. "
    "full_matrices=False keeps the SVD small.",
)
def _(call: Caller, draw: Draw) -> None:
    for name, n, d, q, dtype in [
        ("q = d", 6, 3, 3, torch.float32),
        ("one point", 1, 4, 2, torch.float32),
        ("one dimension", 5, 1, 1, torch.float32),
        ("fewer points than dimensions", 3, 7, 2, double),
    ]:
        x = transposed(draw.normal(n, d, dtype=dtype) + 3)
        expect.close(f"x̂, {name}", call(x, q), x, atol=1e-4)
    x, mean, v, _ = flat_cloud(draw, 4, 9, double)
    want = mean + (x - mean) @ v[:, :1] @ v[:, :1].T
    expect.close("x̂, 4 points in 9 dimensions, q = 1", call(x, 1), want)


def _through(x, V, mean=None, back=None):
    mean = x.mean(0) if mean is None else mean
    return (mean if back is None else back) + (x - mean) @ V @ V.mT


def _directions(x):
    return torch.linalg.svd(x, full_matrices=False).Vh.mT


@pca_reconstruct.misconception(
    "not centred",
    "You took the SVD of x itself. Its first direction then points from the origin to the data, "
    "instead of along their spread: subtract the mean first, and add it at the end.",
)
def _(x, q):
    return _through(x, _directions(x)[:, :q], 0 * x.mean(0))


@pca_reconstruct.misconception(
    "mean not added back",
    "The reconstructions are centred at the origin. They belong where the data are: add the mean.",
)
def _(x, q):
    return _through(x, _directions(x - x.mean(0))[:, :q], back=0)


@pca_reconstruct.misconception(
    "directions centred, projection not",
    "The directions are right, but you projected x instead of x - mean: the plane goes through the "
    "origin then.",
)
def _(x, q):
    return _through(x, _directions(x - x.mean(0))[:, :q], 0 * x.mean(0))


@pca_reconstruct.misconception(
    "the last directions instead of the first",
    "You kept the directions of *least* variance. torch.linalg.eigh sorts from small to large (svd "
    "from large to small): take the last q columns there.",
)
def _(x, q):
    centred = x - x.mean(0)
    return _through(x, torch.linalg.eigh(centred.mT @ centred).eigenvectors[:, :q])


@pca_reconstruct.misconception(
    "columns of Vh instead of rows",
    "torch.linalg.svd returns Vh, already transposed: the directions are its *rows*, Vh[:q].",
)
def _(x, q):
    V = torch.linalg.svd(x - x.mean(0), full_matrices=True).Vh[:, :q]
    return _through(x, V)


@pca_reconstruct.misconception(
    "q largest variables instead of directions",
    "You kept q columns of x and put the mean in the others. PCA may turn the axes: a direction is a "
    "mixture of all variables.",
)
def _(x, q):
    keep = x.var(0, correction=0).argsort(descending=True)[:q]
    return _through(x, torch.eye(x.shape[1], dtype=x.dtype)[:, keep])


@pca_reconstruct.misconception(
    "one direction too many",
    "You let q + 1 numbers pass; slices in Python stop before their end.",
)
def _(x, q):
    return _through(x, _directions(x - x.mean(0))[:, : q + 1])


@pca_reconstruct.misconception(
    "codes instead of reconstructions",
    "You returned z, the q numbers. The way back up is asked too: mean + z Vᵀ, with the shape of x.",
)
def _(x, q):
    return (x - x.mean(0)) @ _directions(x - x.mean(0))[:, :q]


@pca_reconstruct.misconception(
    "forgot the singular values",
    "U Vᵀ alone forgets how far the points are spread along each direction. Multiply by the singular "
    "values, or project with V.",
)
def _(x, q):
    U, _, Vh = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    return x.mean(0) + U[:, :q] @ Vh[:q]


# --- ppca_log_prob --------------------------------------------------------------------------------

ppca_log_prob = unit.graded(ppca.ppca_log_prob, siblings=[factors.factor_log_prob])


def linear_model(
    draw: Draw, d: int, q: int, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor, float]:
    sigma = round(0.4 + 0.3 * draw.uniform(1).item(), 3)  # far from 1, where σ and σ² meet
    return draw.normal(d, q, dtype=dtype), draw.normal(d, dtype=dtype) + 1, sigma


def marginal(x: Tensor, weight: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """log N(x; μ, W Wᵀ + σ² I) by inverse and determinant, in float64."""
    weight = weight.double()
    covariance = weight @ weight.T + sigma**2 * torch.eye(len(mean), dtype=double)
    return torch.tensor([gaussian(point, mean, covariance) for point in x], dtype=double)


@ppca_log_prob.property(
    "is the Gaussian with mean μ and covariance W Wᵀ + σ² I",
    points=1,
    hint="x = W z + μ + noise adds two independent Gaussians: the covariances W Wᵀ and σ² I add. "
    "sigma is a standard deviation.",
)
def _(call: Caller, draw: Draw) -> None:
    model = linear_model(draw, 4, 2)
    x = draw.normal(5, 4) + 1
    expect.close("log p(x)", call(x, *model), marginal(x, *model), rtol=1e-3)


@ppca_log_prob.property(
    "agrees with integrating z out numerically",
    points=1,
    hint="p(x) = ∫ N(z; 0, 1) N(x; W z + μ, σ² I) dz adds up all the latents that could have made "
    "x, not only the best one.",
)
def _(call: Caller, draw: Draw) -> None:
    weight, mean, sigma = linear_model(draw, 3, 1, double)
    x = draw.normal(4, 3, dtype=double) + 1
    z = torch.linspace(-12, 12, 6001, dtype=double)
    means = mean + z[:, None] * weight.T  # (z, d)
    distance = ((x[:, None] - means) / sigma).square().sum(-1)  # (n, z)
    log_joint = -0.5 * (distance + z.square()) - 3 * math.log(sigma) - 2 * math.log(2 * math.pi)
    want = log_joint.logsumexp(1) + (z[1] - z[0]).log()
    expect.close("log p(x)", call(x, weight, mean, sigma), want)


@ppca_log_prob.property(
    "does not change when the latent space is rotated",
    points=1,
    hint="W and W R describe the same data for every rotation R, since W R Rᵀ Wᵀ = W Wᵀ. So W may "
    "enter only through W Wᵀ (not through its diagonal, or its entries one by one).",
)
def _(call: Caller, draw: Draw) -> None:
    weight, mean, sigma = linear_model(draw, 5, 2, double)
    x = draw.normal(4, 5, dtype=double) + 1
    turned = weight @ torch.linalg.qr(draw.normal(2, 2, dtype=double)).Q
    expect.close(
        "log p(x) with W R", call(x, turned, mean, sigma), marginal(x, weight, mean, sigma)
    )


@ppca_log_prob.property(
    "holds at the edges: one point, one dimension, more latents than dimensions, little noise",
    points=1,
    hint="n points give n numbers. W Wᵀ is d × d, whatever q is; the noise makes it invertible.",
)
def _(call: Caller, draw: Draw) -> None:
    for name, n, d, q, dtype in [
        ("one point", 1, 4, 2, torch.float32),
        ("one dimension", 4, 1, 1, torch.float32),
        ("more latents than dimensions", 3, 2, 4, double),
        ("transposed storage", 6, 3, 1, double),
    ]:
        weight, mean, sigma = linear_model(draw, d, q, dtype)
        x = transposed(draw.normal(n, d, dtype=dtype) + 1)
        want = marginal(x, weight, mean, sigma)
        expect.close(f"log p(x), {name}", call(x, weight, mean, sigma), want, rtol=1e-3)
    weight, mean, _ = linear_model(draw, 3, 1, double)
    x = (
        mean
        + draw.normal(4, 1, dtype=double) @ weight.T
        + draw.normal(4, 3, scale=0.01, dtype=double)
    )
    want = marginal(x, weight, mean, 0.01)
    expect.close("log p(x) with sigma = 0.01", call(x, weight, mean, 0.01), want, rtol=1e-3)


def _linear(x, mean, covariance, det=1.0, half=0.5, two_pi=1.0):
    """log N(x; mean, covariance), with room for slips."""
    weights = torch.ones(1, dtype=x.dtype)
    table = _table(x, mean[None], covariance[None], det=det, half=half, two_pi=two_pi)
    return (weights.log() + table)[:, 0]


def _covariance(weight, sigma, power=2):
    return weight @ weight.T + sigma**power * torch.eye(len(weight), dtype=weight.dtype)


@ppca_log_prob.misconception(
    "standard deviation taken for a variance",
    "You added σ I. sigma is the standard deviation of the noise, so its covariance is σ² I.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma, 1))


@ppca_log_prob.misconception(
    "forgot the latent variable",
    "This is N(μ, σ² I), the noise alone. Integrating z out adds the covariance W Wᵀ.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(0 * weight, sigma))


@ppca_log_prob.misconception(
    "best latent plugged in",
    "You computed log p(x | ẑ) at the posterior mean ẑ. That asks how well x can be reconstructed; "
    "p(x) also asks how likely such a z is, and averages over all z.",
)
def _(x, weight, mean, sigma):
    precision = weight.T @ weight + sigma**2 * torch.eye(weight.shape[1], dtype=x.dtype)
    z = torch.linalg.solve(precision, weight.T @ (x - mean).T).T
    off = (x - mean - z @ weight.T) / sigma
    constant = x.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    return -0.5 * off.square().sum(1) - constant


@ppca_log_prob.misconception(
    "forgot the mean",
    "The model is centred at μ: subtract it from x.",
)
def _(x, weight, mean, sigma):
    return _linear(x, 0 * mean, _covariance(weight, sigma))


@ppca_log_prob.misconception(
    "correlations ignored",
    "You kept only the diagonal of W Wᵀ. The off-diagonal entries are the point of the model: one "
    "latent moves several variables together.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma).diagonal().diag())


@ppca_log_prob.misconception(
    "forgot the determinant",
    "The term ½ log det(W Wᵀ + σ² I) is missing.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma), det=0)


@ppca_log_prob.misconception(
    "forgot the ½ in the exponent",
    "The exponent of a Gaussian is minus *half* the squared distance.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma), half=1)


@ppca_log_prob.misconception(
    "forgot 2π",
    "Right up to the constant (d/2) log 2π, without which p(x) does not integrate to one.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma), two_pi=0)


@ppca_log_prob.misconception(
    "one number for the whole batch",
    "You added up the points too. Each row of x has a log-density of its own: return n numbers.",
)
def _(x, weight, mean, sigma):
    return _linear(x, mean, _covariance(weight, sigma)).sum()
