"""The checks of unit 01_density.

What is expected comes from the definition: densities by loops over points, the maximum of the
likelihood by the score of `torch.distributions`, normalisation by sums over a grid. Points for
counting lie on a lattice, so that none is at the border of a window. Misconceptions follow the
properties of each function.
"""

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from dgm_lib import density
from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw

unit = Unit("01_density")
check = unit.check

double = torch.float64


# --- gaussian_mle ---------------------------------------------------------------------------------

gaussian_mle = unit.graded(density.gaussian_mle)


def cloud(draw: Draw, n: int, d: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Points whose columns are correlated, away from the origin."""
    mix = draw.normal(d, d, dtype=dtype) + 2 * torch.eye(d, dtype=dtype)
    return draw.normal(n, d, dtype=dtype) @ mix + 1 + draw.uniform(d, dtype=dtype)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the rows, one outer product at a time, in float64."""
    x = x.double()
    mean = sum(x.unbind(0)) / len(x)
    return mean, sum((row - mean).outer(row - mean) for row in x.unbind(0)) / len(x)


def mean_and_covariance(got: object, d: int) -> tuple[Tensor, Tensor]:
    mean, covariance = expect.pair("(mean, covariance)", got)
    return expect.tensor("mean", mean, (d,)), expect.tensor("covariance", covariance, (d, d))


@gaussian_mle.property(
    "the mean is the average of the points",
    points=0.5,
    hint="Average over the rows, the first axis: one number for each column.",
)
def _(call: Caller, draw: Draw) -> None:
    x = cloud(draw, 7, 3)
    mean, _ = mean_and_covariance(call(x), 3)
    expect.close("mean", mean, moments(x)[0])


@gaussian_mle.property(
    "the covariance is the average of the outer products of deviations",
    points=1,
    hint="Subtract the mean from every row first. Entry (i, j) is the average over the n rows of "
    "deviation i times deviation j: one matrix product, divided by n.",
)
def _(call: Caller, draw: Draw) -> None:
    x = cloud(draw, 8, 3)
    _, covariance = mean_and_covariance(call(x), 3)
    expect.close("covariance", covariance, moments(x)[1])


@gaussian_mle.property(
    "the score is zero: no step in any direction raises the likelihood",
    points=0.5,
    hint="At the maximum, the derivatives of Σ log N(x_k; μ, Σ) by μ and by Σ vanish. Solving these "
    "two equations gives averages over n, not n - 1.",
)
def _(call: Caller, draw: Draw) -> None:
    x = cloud(draw, 12, 2, double)
    mean, covariance = mean_and_covariance(call(x), 2)
    mean, covariance = mean.double().requires_grad_(), covariance.double()
    symmetric = bool(torch.allclose(covariance, covariance.T))
    expect.true(symmetric, "covariance: got a matrix that is not symmetric")
    L, failed = torch.linalg.cholesky_ex(covariance)
    expect.true(not failed, "covariance: got a matrix that is not positive definite")
    L = L.requires_grad_()
    total = MultivariateNormal(mean, scale_tril=L).log_prob(x).mean()
    by_mean, by_factor = torch.autograd.grad(total, [mean, L])
    zero = torch.zeros(2, 2)
    expect.close("the score by the mean", by_mean, zero[0], atol=1e-4)
    expect.close("the score by the covariance's Cholesky factor", by_factor.tril(), zero, atol=1e-4)


@gaussian_mle.property(
    "holds at the edges: one point, one column, float64, transposed storage, data far from 0",
    points=1,
    hint="One point has covariance zero, not NaN. And E[x²] - E[x]² is a difference of two large "
    "numbers if the mean is large: subtract the mean before you multiply.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = [("one point", cloud(draw, 1, 3)), ("one column", cloud(draw, 5, 1, double))]
    cases.append(("transposed storage", cloud(draw, 6, 2).T.contiguous().T))
    cases.append(("data around 1000", draw.normal(9, 2) + 1000))
    for name, x in cases:
        mean, covariance = mean_and_covariance(call(x), x.shape[1])
        want_mean, want_covariance = moments(x)
        expect.close(f"mean, {name}", mean, want_mean)
        expect.close(f"covariance, {name}", covariance, want_covariance, rtol=1e-3, atol=1e-4)


@gaussian_mle.misconception(
    "divided by n - 1",
    "That is the unbiased estimate. Maximum likelihood divides by n: it measures the spread around "
    "its own mean, which is a little too small on average, and for one point it gives 0.",
)
def _(x):
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred / (len(x) - 1)


@gaussian_mle.misconception(
    "sum of outer products, not their average",
    "Your covariance grows with the number of points. Divide by n.",
)
def _(x):
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred


@gaussian_mle.misconception(
    "mean not subtracted",
    "This is E[x xᵀ], the second moment. The covariance measures the spread around the mean: "
    "subtract the mean from each row first.",
)
def _(x):
    return x.mean(0), x.T @ x / len(x)


@gaussian_mle.misconception(
    "covariance first",
    "Both are there, in the wrong order: return the mean, then the covariance.",
)
def _(x):
    centred = x - x.mean(0)
    return centred.T @ centred / len(x), x.mean(0)


@gaussian_mle.misconception(
    "variances only",
    "The diagonal is right and the rest is zero. How columns vary together stands off the "
    "diagonal, and maximum likelihood asks for it.",
)
def _(x):
    return x.mean(0), torch.diag(x.var(0, unbiased=False))


@gaussian_mle.misconception(
    "correlations instead of covariances",
    "You divided by the standard deviations of the columns. A covariance keeps the units of the "
    "data: leave that division out.",
)
def _(x):
    std = x.std(0, unbiased=False)
    centred = x - x.mean(0)
    return x.mean(0), centred.T @ centred / len(x) / std.outer(std)


@gaussian_mle.misconception(
    "difference of large numbers",
    "E[x xᵀ] - μ μᵀ is the covariance on paper. In floating point, with data far from 0, both terms "
    "are huge and their digits cancel: subtract the mean before multiplying.",
)
def _(x):
    mean = x.mean(0)
    return mean, x.T @ x / len(x) - mean.outer(mean)


# --- kl_divergence --------------------------------------------------------------------------------

kl_divergence = unit.graded(density.kl_divergence)


def law(draw: Draw, k: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """k probabilities, none of them tiny."""
    p = draw.uniform(k, low=0.1, high=1.0, dtype=dtype)
    return p / p.sum()


def kl(p: Tensor, q: Tensor) -> float:
    """The sum over outcomes that can occur under p, in Python numbers."""
    pairs = zip(p.tolist(), q.tolist(), strict=True)
    return sum(a * math.log(a / b) for a, b in pairs if a > 0)


@kl_divergence.property(
    "sums p log(p/q), in nats",
    points=1,
    hint="The average of log p - log q, where p says how often each outcome occurs: each term is "
    "weighted with p_i. `log` is the natural logarithm.",
)
def _(call: Caller, draw: Draw) -> None:
    for k in (3, 6):
        p, q = law(draw, k), law(draw, k)
        expect.close(f"KL for k = {k}", call(p, q), kl(p, q))


@kl_divergence.property(
    "outcomes with p = 0 contribute nothing",
    points=1,
    hint="x log x goes to 0 with x, so 0 log 0 counts as 0. In floating point 0 · (-inf) is NaN: "
    "leave these outcomes out of the sum.",
)
def _(call: Caller, draw: Draw) -> None:
    p, q = law(draw, 5), law(draw, 5)
    p[draw.integer(0, 4)] = 0
    p = p / p.sum()
    expect.close("KL with a zero in p", call(p, q), kl(p, q))
    both = torch.cat([q[:3] / q[:3].sum(), torch.zeros(1)])
    other = torch.cat([law(draw, 3), torch.zeros(1)])
    expect.close("KL with a zero in both", call(other, both), kl(other[:3], both[:3]))


@kl_divergence.property(
    "is infinite if q rules out what p allows",
    points=0.5,
    hint="If q_i = 0 and p_i > 0 then -log q_i is infinite, and so is the sum. Do not hide that by "
    "adding a small number or by skipping the outcome.",
)
def _(call: Caller, draw: Draw) -> None:
    p, q = law(draw, 4), law(draw, 4)
    q[draw.integer(0, 3)] = 0
    got = call(p, q / q.sum())
    got = got.item() if isinstance(got, Tensor) and got.dim() == 0 else got
    right = isinstance(got, float) and got == math.inf
    expect.true(right, f"KL where q has a zero and p has not: got {got}; want inf")


@kl_divergence.property(
    "holds at the edges: p = q, one outcome, float64, storage with gaps",
    points=0.5,
    hint="KL(p ‖ p) = 0, and with one outcome there is nothing else. The result is a scalar, not "
    "one number for each outcome.",
)
def _(call: Caller, draw: Draw) -> None:
    p, q = law(draw, 8, double), law(draw, 8, double)
    one = torch.ones(1)
    expect.close("KL(p ‖ p)", call(p, p), 0.0)
    expect.close("KL for one outcome", call(one, one), 0.0)
    p, q = p[::2] / p[::2].sum(), q[::2] / q[::2].sum()
    gaps = torch.stack([p, q], 1)
    expect.close("KL of columns", call(gaps[:, 0], gaps[:, 1]), kl(p, q), rtol=1e-6, atol=1e-7)


@kl_divergence.misconception(
    "KL the wrong way round",
    "This is KL(q ‖ p). The first argument is the law that the average is taken over: weigh with p, "
    "and divide p by q.",
)
def _(p, q):
    possible = q > 0
    return (q[possible] * (q[possible] / p[possible]).log()).sum()


@kl_divergence.misconception(
    "log-ratio upside down",
    "This is Σ p log(q/p), which is -KL. A KL divergence is never negative: divide p by q, not q by p.",
)
def _(p, q):
    possible = p > 0
    return (p[possible] * (q[possible] / p[possible]).log()).sum()


@kl_divergence.misconception(
    "cross-entropy",
    "-Σ p log q is the cross-entropy. KL is what it exceeds the entropy of p by: add Σ p log p.",
)
def _(p, q):
    possible = p > 0
    return -(p[possible] * q[possible].log()).sum()


@kl_divergence.misconception(
    "bits instead of nats",
    "You used the logarithm to base 2. This course measures in nats, with the natural logarithm; a "
    "bit is log 2 = 0.693 nats.",
)
def _(p, q):
    possible = p > 0
    return (p[possible] * (p[possible] / q[possible]).log2()).sum()


@kl_divergence.misconception(
    "0 log 0 is NaN",
    "Right where all probabilities are positive. With p_i = 0 the product 0 · (-inf) is NaN in "
    "floating point, though its limit is 0: sum over the outcomes with p_i > 0 only.",
)
def _(p, q):
    return (p * (p / q).log()).sum()


@kl_divergence.misconception(
    "a small number added inside the logarithm",
    "That avoids the NaN, and hides that KL is infinite where q is 0 and p is not. Select the "
    "outcomes with p_i > 0 instead of changing the probabilities.",
)
def _(p, q):
    return (p * ((p + 1e-8) / (q + 1e-8)).log()).sum()


@kl_divergence.misconception(
    "skipped the outcomes that q rules out",
    "You dropped the outcomes with q_i = 0 too. Where p_i > 0 these are the ones that make KL "
    "infinite; only p_i = 0 may be left out.",
)
def _(p, q):
    both = (p > 0) & (q > 0)
    return (p[both] * (p[both] / q[both]).log()).sum()


@kl_divergence.misconception(
    "mean over the outcomes",
    "You divided by the number of outcomes. The expectation under p is a sum with the weights p_i, "
    "which sum to one already.",
)
def _(p, q):
    possible = p > 0
    return (p[possible] * (p[possible] / q[possible]).log()).sum() / len(p)


@kl_divergence.misconception(
    "log-ratio not weighted with p",
    "You added up log(p/q) over the outcomes. Each has to count as often as it occurs: multiply by "
    "p_i.",
)
def _(p, q):
    possible = p > 0
    return (p[possible] / q[possible]).log().sum()


# --- naive_estimate -------------------------------------------------------------------------------

naive_estimate = unit.graded(density.naive_estimate)


def lattice(draw: Draw, n: int, d: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Points at multiples of 1/4 in [-2, 2]; with h an odd multiple of 1/4, none is at an edge."""
    return draw.integers(n, d, low=-8, high=8).to(dtype) / 4


def counted(x: Tensor, data: Tensor, h: float) -> Tensor:
    """Points in the cube, by loops, over m and the volume."""
    m, d = data.shape
    counts = [
        sum(
            all(abs(a - b) <= h / 2 for a, b in zip(row, other, strict=True))
            for other in data.tolist()
        )
        for row in x.tolist()
    ]
    return torch.tensor(counts, dtype=double) / (m * h**d)


@naive_estimate.property(
    "in one dimension: the share of points within h/2, over h",
    points=1,
    hint="A data point counts if |x - x_k| <= h/2. The share of points is a probability; a density "
    "is probability over length, and the window has length h.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = lattice(draw, 10, 1), lattice(draw, 15, 1)
    expect.close("p(x)", call(x, data, 0.75), counted(x, data, 0.75))


@naive_estimate.property(
    "in d dimensions: a cube of side h, over its volume",
    points=1,
    hint="The point must be within h/2 in every coordinate at once, and the volume of the cube is "
    "h to the power d.",
)
def _(call: Caller, draw: Draw) -> None:
    for d, h in [(2, 1.25), (3, 2.75)]:
        x, data = lattice(draw, 12, d), lattice(draw, 40, d)
        expect.close(f"p(x) for d = {d}, h = {h}", call(x, data, h), counted(x, data, h))


@naive_estimate.property(
    "integrates to one",
    points=0.5,
    hint="Every data point adds a box of volume 1/m to the picture: width h in each direction and "
    "height 1 / (m h^d).",
)
def _(call: Caller, draw: Draw) -> None:
    axis = torch.arange(-14, 15) / 4  # every box covers h/(1/4) places in each direction
    for d in (1, 2):
        grid = torch.cartesian_prod(*[axis] * d).view(-1, d)
        got = expect.tensor("p", call(grid, lattice(draw, 6, d), 1.75), (len(grid),))
        expect.close(f"Σ p(x) · volume of a cell, d = {d}", got.double().sum() / 4**d, 1.0)


@naive_estimate.property(
    "holds at the edges: one query, one data point, nothing in reach, float64, transposed storage",
    points=0.5,
    hint="The result has one entry for each query, also for one. Where no point is in reach the "
    "estimate is 0.",
)
def _(call: Caller, draw: Draw) -> None:
    x = lattice(draw, 1, 2)
    expect.close("p(x) for one of each", call(x, x + 0.25, 0.75), torch.tensor([1 / 0.75**2]))
    far = call(lattice(draw, 3, 2) + 100, lattice(draw, 5, 2), 0.75)
    expect.close("p(x) far away", far, torch.zeros(3))
    x, data = lattice(draw, 2, 6, double).T, lattice(draw, 2, 20, double).T
    expect.close("p(x) in float64", call(x, data, 2.25), counted(x, data, 2.25), rtol=1e-6)


def _offsets(x: Tensor, data: Tensor) -> Tensor:
    return (x[:, None] - data).abs()


@naive_estimate.misconception(
    "h taken as half the width",
    "You count points within h on either side, a window of width 2h. Here h is the whole width: "
    "h/2 on either side.",
)
def _(x, data, h):
    return (_offsets(x, data) <= h).all(2).sum(1) / (data.shape[0] * h ** data.shape[1])


@naive_estimate.misconception(
    "not divided by the volume",
    "This is the share of points in the window, a probability. A density is probability per volume: "
    "divide by h to the power d.",
)
def _(x, data, h):
    return (_offsets(x, data) <= h / 2).all(2).float().mean(1)


@naive_estimate.misconception(
    "divided by h in every dimension",
    "Right in one dimension. The volume of a cube of side h in d dimensions is h to the power d.",
)
def _(x, data, h):
    return (_offsets(x, data) <= h / 2).all(2).sum(1) / (data.shape[0] * h)


@naive_estimate.misconception(
    "near in any coordinate",
    "You count a point if one coordinate is near. To lie in the cube all must be: use all, not any, "
    "over the coordinates.",
)
def _(x, data, h):
    return (_offsets(x, data) <= h / 2).any(2).sum(1) / (data.shape[0] * h ** data.shape[1])


@naive_estimate.misconception(
    "a ball instead of a cube",
    "You compare the Euclidean distance with h/2, so the window is a ball, but you divide by the "
    "volume of a cube. Compare coordinate by coordinate.",
)
def _(x, data, h):
    inside = (_offsets(x, data) ** 2).sum(2) <= h * h / 4
    return inside.sum(1) / (data.shape[0] * h ** data.shape[1])


@naive_estimate.misconception(
    "product of one-dimensional estimates",
    "You estimated each coordinate by itself and multiplied, which is right only if the coordinates "
    "are independent. Decide for each point whether it is in the cube, then count.",
)
def _(x, data, h):
    return ((_offsets(x, data) <= h / 2).float().mean(1) / h).prod(1)


@naive_estimate.misconception(
    "not divided by the number of points",
    "Your estimate grows with the amount of data. Divide the count by m too.",
)
def _(x, data, h):
    return (_offsets(x, data) <= h / 2).all(2).sum(1) / h ** data.shape[1]


# --- kde_log_prob ---------------------------------------------------------------------------------

kde_log_prob = unit.graded(density.kde_log_prob, siblings=[density.kernel_log_prob])


def mixture(x: Tensor, data: Tensor, h: float) -> Tensor:
    """log of the average of normal densities, in float64."""
    m, d = data.shape
    squared = torch.stack([((row - data.double()) ** 2).sum(1) for row in x.double().unbind(0)])
    log_normal = -squared / (2 * h * h) - d / 2 * math.log(2 * math.pi * h * h)
    return log_normal.logsumexp(1) - math.log(m)


@kde_log_prob.property(
    "in one dimension: the log of the average of normal densities",
    points=1,
    hint="Each data point carries a normal density with mean x_k and standard deviation h. Average "
    "the m densities at x, and take the logarithm of the average.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = draw.normal(6, 1), draw.normal(9, 1)
    for h in (0.6, 1.8):
        expect.close(f"log p(x) for h = {h}", call(x, data, h), mixture(x, data, h))


@kde_log_prob.property(
    "in d dimensions",
    points=1,
    hint="The exponent is -|x - x_k|² / (2h²) with the squared Euclidean distance, and the normaliser "
    "is (2π h²) to the power d/2.",
)
def _(call: Caller, draw: Draw) -> None:
    for d, h in [(2, 0.7), (5, 1.4)]:
        x, data = draw.normal(5, d), draw.normal(8, d)
        expect.close(f"log p(x) for d = {d}, h = {h}", call(x, data, h), mixture(x, data, h))


@kde_log_prob.property(
    "integrates to one",
    points=0.5,
    hint="exp(log p) must be a density. Each kernel integrates to one, so their average, and not "
    "their sum, does.",
)
def _(call: Caller, draw: Draw) -> None:
    grid = torch.linspace(-12, 12, 601)[:, None]
    data = draw.uniform(7, 1, low=-3, high=3)
    got = expect.tensor("log p", call(grid, data, 0.5), (601,))
    total = got.double().exp().sum() * 24 / 600
    expect.close("∫ p(x) dx", total, 1.0, atol=1e-3)


@kde_log_prob.property(
    "stays finite far from all data",
    points=1,
    hint="exp(-1000) is 0 in floating point, and log 0 is -inf. Never leave the log domain: "
    "log Σ exp is `torch.logsumexp`.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = draw.normal(4, 3) + 40, draw.normal(6, 3)
    expect.close("log p(x) far away", call(x, data, 0.7), mixture(x, data, 0.7))


@kde_log_prob.property(
    "holds at the edges: one query, one data point, float64, transposed storage, a tiny h",
    points=0.5,
    hint="With one data point the estimate is a single normal density. The result has one entry "
    "for each query.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = draw.normal(1, 2), draw.normal(1, 2)
    expect.close("log p(x) for one of each", call(x, data, 1.2), mixture(x, data, 1.2))
    x, data = draw.normal(2, 5, dtype=double).T, draw.normal(2, 7, dtype=double).T
    got = call(x, data, 0.05)
    expect.close("log p(x) in float64", got, mixture(x, data, 0.05), rtol=1e-6)


def _log_kernels(x: Tensor, data: Tensor, h: float) -> Tensor:
    """(n, m): the log of each normal density."""
    d = data.shape[1]
    squared = ((x[:, None] - data) ** 2).sum(2)
    return -squared / (2 * h * h) - d / 2 * math.log(2 * math.pi * h * h)


@kde_log_prob.misconception(
    "density instead of its logarithm",
    "These are the densities. Return log p(x): densities of many dimensions leave the range of "
    "floating point.",
)
def _(x, data, h):
    return _log_kernels(x, data, h).exp().mean(1)


@kde_log_prob.misconception(
    "average of the logs",
    "You averaged log densities. The estimate is an average of densities, and its logarithm comes "
    "last: one kernel that fits is enough to make x likely.",
)
def _(x, data, h):
    return _log_kernels(x, data, h).mean(1)


@kde_log_prob.misconception(
    "sum of kernels instead of their average",
    "Your p integrates to m. Each of the m kernels has weight 1/m: subtract log m.",
)
def _(x, data, h):
    return _log_kernels(x, data, h).logsumexp(1)


@kde_log_prob.misconception(
    "h taken as the variance",
    "You divided the squared distance by 2h and normalised accordingly. h is a standard deviation, "
    "so the variance is h².",
)
def _(x, data, h):
    return _log_kernels(x, data, math.sqrt(h)).logsumexp(1) - math.log(len(data))


@kde_log_prob.misconception(
    "normaliser of one dimension",
    "Right for d = 1. In d dimensions the normal density has 1/(√(2π) h) once for each dimension: "
    "to the power d.",
)
def _(x, data, h):
    extra = (data.shape[1] - 1) / 2 * math.log(2 * math.pi * h * h)
    return _log_kernels(x, data, h).logsumexp(1) - math.log(len(data)) + extra


@kde_log_prob.misconception(
    "kernels not divided by h to the power d",
    "The kernel is evaluated at (x - x_k)/h, so it is stretched by h in every direction. To keep its "
    "integral at one, divide by h^d.",
)
def _(x, data, h):
    d = data.shape[1]
    return _log_kernels(x, data, h).logsumexp(1) - math.log(len(data)) + d * math.log(h)


@kde_log_prob.misconception(
    "factor 1/2 missing in the exponent",
    "The normal density has exp(-|u|²/2); yours has exp(-|u|²).",
)
def _(x, data, h):
    d = data.shape[1]
    squared = ((x[:, None] - data) ** 2).sum(2)
    log_kernels = -squared / (h * h) - d / 2 * math.log(2 * math.pi * h * h)
    return log_kernels.logsumexp(1) - math.log(len(data))


@kde_log_prob.misconception(
    "distance not squared",
    "Your kernel falls off like exp(-|x - x_k|). A Gaussian has the *squared* distance in its "
    "exponent; `torch.cdist` and `norm` return the distance itself.",
)
def _(x, data, h):
    d = data.shape[1]
    distance = ((x[:, None] - data) ** 2).sum(2).sqrt()
    log_kernels = -distance / (2 * h * h) - d / 2 * math.log(2 * math.pi * h * h)
    return log_kernels.logsumexp(1) - math.log(len(data))


@kde_log_prob.misconception(
    "underflow in exp",
    "Right near the data. Farther out all exponentials are rounded to 0 and the logarithm gives "
    "-inf: use logsumexp, which subtracts the largest exponent first.",
)
def _(x, data, h):
    return _log_kernels(x, data, h).exp().mean(1).log()


# --- loo_log_likelihood ---------------------------------------------------------------------------

loo_log_likelihood = unit.graded(density.loo_log_likelihood)


def left_out(data: Tensor, h: float) -> Tensor:
    """Each point in turn against all others, in float64."""
    rest = [torch.cat([data[:i], data[i + 1 :]]) for i in range(len(data))]
    each = [mixture(data[i : i + 1], other, h) for i, other in enumerate(rest)]
    return torch.cat(each).mean()


@loo_log_likelihood.property(
    "is the mean log density of each point under all others",
    points=1,
    hint="For point i, average the kernels of the other m - 1 points, and take the log. Then "
    "average over i.",
)
def _(call: Caller, draw: Draw) -> None:
    for d, h in [(1, 0.7), (3, 1.3)]:
        data = draw.normal(8, d)
        expect.close(f"the result for d = {d}, h = {h}", call(data, h), left_out(data, h))


@loo_log_likelihood.property(
    "punishes a bandwidth that is far too small",
    points=1,
    hint="As h goes to 0 the kernels of the others no longer reach a point, so its log density goes "
    "to minus infinity, slowly enough to be an ordinary number. Stay in the log domain: set the "
    "log-kernel of a point with itself to -inf before `logsumexp`.",
)
def _(call: Caller, draw: Draw) -> None:
    data = torch.arange(7.0)[:, None] + draw.uniform(7, 1, low=-0.2, high=0.2)
    expect.close("the result for h = 0.02", call(data, 0.02), left_out(data, 0.02))


@loo_log_likelihood.property(
    "leaves out the point itself, and not its copies",
    points=0.5,
    hint="Two points may have the same coordinates. Leave out by index (the diagonal of the table "
    "of pairs), not by distance zero.",
)
def _(call: Caller, draw: Draw) -> None:
    data = draw.normal(5, 2)
    data = torch.cat([data, data[:2]])
    expect.close("the result with two copies", call(data, 0.8), left_out(data, 0.8))


@loo_log_likelihood.property(
    "holds at the edges: two points, float64, transposed storage",
    points=0.5,
    hint="With two points each is judged by one normal density at the other. The result is a scalar.",
)
def _(call: Caller, draw: Draw) -> None:
    data = draw.normal(2, 1)
    expect.close("the result for two points", call(data, 1.5), left_out(data, 1.5))
    data = draw.normal(3, 9, dtype=double).T
    expect.close("the result in float64", call(data, 0.9), left_out(data, 0.9), rtol=1e-6)


def _pairs(data: Tensor, h: float) -> Tensor:
    return _log_kernels(data, data, h)


def _without_self(data: Tensor, h: float) -> Tensor:
    return _pairs(data, h).fill_diagonal_(-torch.inf)


@loo_log_likelihood.misconception(
    "the point itself left in",
    "Every point also counts for itself, so its density grows without bound as h goes to 0, and the "
    "best bandwidth would be none at all. Leave the point out.",
)
def _(data, h):
    return (_pairs(data, h).logsumexp(1) - math.log(len(data))).mean()


@loo_log_likelihood.misconception(
    "divided by m instead of m - 1",
    "One kernel was left out, so m - 1 are averaged: subtract log(m - 1), not log m.",
)
def _(data, h):
    return (_without_self(data, h).logsumexp(1) - math.log(len(data))).mean()


@loo_log_likelihood.misconception(
    "sum over the points",
    "You added the log densities up. The mean is asked, so that data sets of different size can be "
    "compared.",
)
def _(data, h):
    return (_without_self(data, h).logsumexp(1) - math.log(len(data) - 1)).sum()


@loo_log_likelihood.misconception(
    "minus sign",
    "This is the negative log-likelihood. The larger your result, the better h should be.",
)
def _(data, h):
    return -(_without_self(data, h).logsumexp(1) - math.log(len(data) - 1)).mean()


@loo_log_likelihood.misconception(
    "copies left out too",
    "You left out every point at distance zero. A copy of a point is another observation, and "
    "counts: leave out by index.",
)
def _(data, h):
    same = (data[:, None] == data).all(2)
    pairs = _pairs(data, h).masked_fill(same, -torch.inf)
    return (pairs.logsumexp(1) - math.log(len(data) - 1)).mean()


@loo_log_likelihood.misconception(
    "underflow in exp",
    "Right while h is not too small. Then all exponentials are rounded to 0 and the logarithm gives "
    "-inf: use logsumexp on the log-kernels.",
)
def _(data, h):
    return (_without_self(data, h).exp().sum(1) / (len(data) - 1)).log().mean()


@loo_log_likelihood.misconception(
    "average of the logs",
    "You averaged log-kernels over the other points. Average the kernels themselves, then take the "
    "logarithm of that density.",
)
def _(data, h):
    pairs = _pairs(data, h)
    return ((pairs.sum(1) - pairs.diagonal()) / (len(data) - 1)).mean()


# --- knn_density ----------------------------------------------------------------------------------

knn_density = unit.graded(density.knn_density, siblings=[density.knn_log_density])

UNIT_BALL = {1: 2.0, 2: math.pi, 3: 4 * math.pi / 3, 4: math.pi**2 / 2, 5: 8 * math.pi**2 / 15}
UNIT_BALL[12] = math.pi**6 / 720


def ball(x: Tensor, data: Tensor, k: int) -> Tensor:
    """k over m times the volume, with distances sorted in Python."""
    m, d = data.shape
    radii = [sorted(math.dist(row, o) for o in data.tolist())[k - 1] for row in x.tolist()]
    return torch.tensor([k / (m * UNIT_BALL[d] * r**d) for r in radii], dtype=double)


def apart(draw: Draw, n: int, d: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Queries off the data: those are around 0, these at distance 3 or so."""
    x = draw.normal(n, d, dtype=dtype)
    return x / x.norm(dim=1, keepdim=True) * (3 + draw.uniform(n, 1, dtype=dtype))


@knn_density.property(
    "in one dimension: k points in an interval of length 2r",
    points=1,
    hint="r is the distance from x to the k-th nearest data point. The interval from x - r to x + r "
    "holds a share k/m of the points.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = apart(draw, 6, 1), draw.normal(10, 1)
    for k in (1, 4):
        expect.close(f"p(x) for k = {k}", call(x, data, k), ball(x, data, k), rtol=1e-3)


@knn_density.property(
    "in d dimensions: a ball, and its volume",
    points=1,
    hint="The ball of radius r has the volume π^(d/2) / Γ(d/2 + 1) · r^d: check that this gives 2r, "
    "πr² and 4πr³/3. `math.lgamma` is log Γ.",
)
def _(call: Caller, draw: Draw) -> None:
    for d, k in [(2, 3), (3, 2), (5, 4)]:
        x, data = apart(draw, 5, d), draw.normal(12, d)
        got, want = call(x, data, k), ball(x, data, k)
        expect.close(f"p(x) for d = {d}, k = {k}", got, want, rtol=1e-3, atol=1e-7)


@knn_density.property(
    "stretching space by 2 divides the density by 2^d",
    points=0.5,
    hint="All distances double, so the volume grows by 2^d while the number of points in the ball "
    "stays.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = apart(draw, 4, 3), draw.normal(9, 3)
    before = expect.tensor("p(x)", call(x, data, 3), (4,))
    expect.true(bool((before > 0).all()), "p(x): want positive densities")
    expect.close("p(x) before stretching", before, ball(x, data, 3), rtol=1e-3, atol=1e-7)
    after = call(2 * x, 2 * data, 3)
    expect.close("p(x) after stretching", after, before / 8, rtol=1e-3, atol=1e-7)


@knn_density.property(
    "holds at the edges: k = m, one query, twelve dimensions, float64, transposed storage",
    points=0.5,
    hint="With k = m the ball reaches the farthest data point. The result has one entry for each "
    "query.",
)
def _(call: Caller, draw: Draw) -> None:
    x, data = apart(draw, 1, 2), draw.normal(5, 2)
    expect.close("p(x) for k = m", call(x, data, 5), ball(x, data, 5), rtol=1e-3)
    x = apart(draw, 3, 12, double).T.contiguous().T / 6
    data = draw.normal(12, 8, dtype=double).T / 6
    expect.close("p(x) for d = 12", call(x, data, 2), ball(x, data, 2), rtol=1e-4, atol=0)


def _radius(x: Tensor, data: Tensor, k: int) -> Tensor:
    k = min(k, len(data))
    distances = ((x[:, None] - data) ** 2).sum(2).sqrt()
    return distances.sort(1).values[:, k - 1]


def _volume(r: Tensor, d: int) -> Tensor:
    return math.pi ** (d / 2) / math.gamma(d / 2 + 1) * r**d


@knn_density.misconception(
    "one neighbour too far",
    "Your ball reaches the (k + 1)-th nearest point: sorted distances start at index 0, so the k-th "
    "is at index k - 1. (A query is not its own neighbour unless it is one of the data.)",
)
def _(x, data, k):
    return k / (len(data) * _volume(_radius(x, data, k + 1), data.shape[1]))


@knn_density.misconception(
    "volume of the unit ball forgotten",
    "You divided by r^d. A ball of radius r has the volume π^(d/2) / Γ(d/2 + 1) · r^d.",
)
def _(x, data, k):
    return k / (len(data) * _radius(x, data, k) ** data.shape[1])


@knn_density.misconception(
    "a cube instead of a ball",
    "You divided by (2r)^d, the volume of the cube around the ball. Right in one dimension; already "
    "in five the ball fills a sixth of it.",
)
def _(x, data, k):
    return k / (len(data) * (2 * _radius(x, data, k)) ** data.shape[1])


@knn_density.misconception(
    "length 2r in every dimension",
    "Right in one dimension. In d dimensions the points lie in a ball, whose volume grows like r^d.",
)
def _(x, data, k):
    return k / (len(data) * 2 * _radius(x, data, k))


@knn_density.misconception(
    "not divided by the number of points",
    "Your estimate grows with the amount of data. A density needs the share of points in the ball, "
    "k/m.",
)
def _(x, data, k):
    return k / _volume(_radius(x, data, k), data.shape[1])


@knn_density.misconception(
    "1 instead of k points",
    "The ball holds k points, so its share is k/m; yours is 1/m.",
)
def _(x, data, k):
    return 1 / (len(data) * _volume(_radius(x, data, k), data.shape[1]))


@knn_density.misconception(
    "squared distance as the radius",
    "You put r² in for r: take the square root of the sum of squares (or use `torch.cdist`).",
)
def _(x, data, k):
    return k / (len(data) * _volume(_radius(x, data, k) ** 2, data.shape[1]))


@knn_density.misconception(
    "mean distance of the k nearest",
    "The ball must reach the k-th nearest point, so its radius is the largest of the k distances, "
    "not their mean.",
)
def _(x, data, k):
    distances = ((x[:, None] - data) ** 2).sum(2).sqrt()
    mean = distances.sort(1).values[:, :k].mean(1)
    return k / (len(data) * _volume(mean, data.shape[1]))
