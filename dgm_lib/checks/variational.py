"""The checks of unit 08_variational."""

import itertools
import math

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, MultivariateNormal, kl_divergence

from dgm_lib.checks import expect
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.variational import elbo, gaussian, linear_gaussian, score_function
from dgm_lib.variational.elbo import Decomposition, discrete_kl

unit = Unit("08_variational")
check = unit.check


# ---- elbo_decomposition ---------------------------------------------------------------------

elbo_decomposition = unit.graded(elbo.elbo_decomposition, siblings=[elbo.elbo_three_ways])


def small_model(draw: Draw, n: int, k: int, dtype=torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    """q, log_prior and log_likelihood of `n` examples, with `k` values of z."""
    q = draw.normal(n, k, scale=1.5, dtype=dtype).softmax(-1)
    log_prior = draw.normal(k, dtype=dtype).log_softmax(-1)
    return q, log_prior, draw.uniform(n, k, low=-6, high=-0.2, dtype=dtype)


def five(got: object) -> Decomposition:
    return Decomposition(*expect.pair("the result", got, 5))


@elbo_decomposition.property(
    "reconstruction is the expectation of log p(x | z) under q",
    points=1,
    hint="An expectation under `q` is a sum over z with the weights `q`: one number per example, "
    "so sum over the last axis. The prior does not occur in it.",
)
def _(call, draw):
    q, log_prior, log_likelihood = small_model(draw, 5, 4)
    want = sum(q[:, z] * log_likelihood[:, z] for z in range(4))
    expect.close("reconstruction", five(call(q, log_prior, log_likelihood)).reconstruction, want)


@elbo_decomposition.property(
    "kl is KL(q ‖ prior), and ELBO = reconstruction - kl",
    points=1,
    hint="In KL(q ‖ p) the law on the left does the weighing: Σ q (log q - log p). It costs, "
    "so it is subtracted.",
)
def _(call, draw):
    q, log_prior, log_likelihood = small_model(draw, 5, 4)
    terms = five(call(q, log_prior, log_likelihood))
    want = kl_divergence(Categorical(q), Categorical(logits=log_prior.expand(5, 4)))
    expect.close("kl", terms.kl, want)
    reconstruction = sum(q[:, z] * log_likelihood[:, z] for z in range(4))
    expect.close("elbo", terms.elbo, reconstruction - want)


@elbo_decomposition.property(
    "p(x) sums to one over all x",
    points=1,
    hint="p(x) = Σ_z p(z) p(x | z). You have the logarithms of both factors; add them, then "
    "sum the exponentials over z with `logsumexp`.",
)
def _(call, draw):
    m, k = 6, 3  # x takes 6 values, so all of its distribution is seen
    log_likelihood = draw.normal(m, k, scale=1.5).log_softmax(0)
    log_prior = draw.normal(k).log_softmax(-1)
    q = draw.normal(m, k).softmax(-1)
    log_prob = five(call(q, log_prior, log_likelihood)).log_prob
    log_prob = expect.tensor("log_prob", log_prob, (m,))
    expect.close("the sum of exp(log_prob) over all x", log_prob.exp().sum(), 1.0)
    by_hand = (log_likelihood.exp() @ log_prior.exp()).log()
    expect.close("log_prob", log_prob, by_hand)


@elbo_decomposition.property(
    "log p(x) = ELBO + gap, and the gap closes at the posterior",
    points=1,
    hint="The gap is KL(q ‖ p(z | x)). Bayes: log p(z | x) = log p(z) + log p(x | z) - log p(x). "
    "Without the last term it is not a distribution.",
)
def _(call, draw):
    q, log_prior, log_likelihood = small_model(draw, 6, 4)
    terms = five(call(q, log_prior, log_likelihood))
    gap = expect.tensor("gap", terms.gap, (6,))
    bound = expect.tensor("elbo", terms.elbo, (6,))
    expect.true(bool((gap > -1e-5).all()), f"gap: got {gap.min():.4g}; a KL is never negative")
    joint = log_prior.exp() * log_likelihood.exp()
    best = joint / joint.sum(-1, keepdim=True)
    expect.close("gap", gap, kl_divergence(Categorical(q), Categorical(best)), atol=1e-4)
    expect.close("elbo + gap", bound + gap, joint.sum(-1).log())
    terms = five(call(best, log_prior, log_likelihood))
    expect.close("gap where q is the posterior", terms.gap, torch.zeros(6), atol=1e-4)
    expect.close("elbo where q is the posterior", terms.elbo, joint.sum(-1).log())


@elbo_decomposition.property(
    "zeros in q, and log-probabilities of -1000",
    points=0.5,
    hint="exp(-1000) is 0 in floating point, so stay with logarithms: `logsumexp`. And 0 log 0 "
    "counts as 0: see `torch.xlogy`.",
)
def _(call, draw):
    wide = torch.float64  # with 32 bits, -1000 has three decimals: too few to tell slips apart
    q = torch.tensor([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0]], dtype=wide)
    log_prior = draw.normal(3, dtype=wide).log_softmax(-1)
    log_likelihood = torch.tensor([[-1000, -1001, -1002], [-999, -998, -1000]], dtype=wide)
    log_likelihood = log_likelihood + draw.uniform(2, 3, dtype=wide)
    terms = five(call(q, log_prior, log_likelihood))
    log_prob = (log_prior + log_likelihood).logsumexp(-1)
    entropy = torch.special.entr(q).sum(-1)
    gap = log_prob - (q * (log_prior + log_likelihood)).sum(-1) - entropy
    expect.close("log_prob", terms.log_prob, log_prob, atol=1e-2, rtol=0)
    expect.close("kl", terms.kl, -entropy - (q * log_prior).sum(-1), atol=1e-4)
    expect.close("elbo", terms.elbo, log_prob - gap, atol=1e-2, rtol=0)
    expect.close("gap", terms.gap, gap, atol=1e-2, rtol=0)


@elbo_decomposition.property(
    "one example, one value of z, float64; and gradients flow",
    points=0.5,
    hint="Stay in torch from the arguments to the result, and keep the first axis also when "
    "n = 1. With a single value of z there is nothing to infer: the ELBO is log p(x).",
)
def _(call, draw):
    q, log_prior, log_likelihood = small_model(draw, 1, 1, torch.float64)
    terms = five(call(q, log_prior, log_likelihood))
    expect.close("elbo with one value of z", terms.elbo, log_likelihood[:, 0])
    expect.close("gap with one value of z", terms.gap, torch.zeros(1))
    q, log_prior, log_likelihood = small_model(draw, 3, 5, torch.float64)
    q = q.mT.contiguous().mT
    (slope,) = call.gradient(q, log_prior, log_likelihood, wrt=[2], output=2)
    expect.close("the gradient of the ELBO with respect to log p(x | z), which is q", slope, q)
    (slope,) = call.gradient(q, log_prior, log_likelihood, wrt=[2], output=4)
    best = (log_prior + log_likelihood).softmax(-1)
    expect.close("the gradient of log p(x), which is the posterior", slope, best)


def _decomposed(q, log_prior, log_likelihood, **changed) -> Decomposition:
    """The right answer, with some parts replaced, and what follows from them."""
    log_joint = log_prior + log_likelihood
    log_prob = changed.get("log_prob", log_joint.logsumexp(-1))
    reconstruction = changed.get("reconstruction", (q * log_likelihood).sum(-1))
    kl = changed.get("kl", discrete_kl(q, log_prior))
    gap = changed.get("gap", discrete_kl(q, log_joint.log_softmax(-1)))
    return Decomposition(
        reconstruction, kl, changed.get("elbo", reconstruction - kl), gap, log_prob
    )


@elbo_decomposition.misconception(
    "KL the wrong way round",
    "KL(q ‖ p) averages log q - log p under q, the law on the left; you average under the prior "
    "and the posterior. Under q is also the average that one can take when p is out of reach.",
)
def _(q, log_prior, log_likelihood):
    post = (log_prior + log_likelihood).log_softmax(-1)
    kl = (log_prior.exp() * (log_prior - q.log())).sum(-1)
    gap = (post.exp() * (post - q.log())).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, kl=kl, gap=gap)


@elbo_decomposition.misconception(
    "KL to the prior the wrong way round",
    "Your gap is right, but the KL term of the ELBO is KL(prior ‖ q). It should be "
    "KL(q ‖ prior): weigh with q.",
)
def _(q, log_prior, log_likelihood):
    kl = (log_prior.exp() * (log_prior - q.log())).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, kl=kl)


@elbo_decomposition.misconception(
    "log of the mean",
    "The reconstruction term is the mean of the logarithm, E_q[log p(x | z)]; you have the "
    "logarithm of the mean, which by Jensen's inequality is larger, and then nothing is a bound.",
)
def _(q, log_prior, log_likelihood):
    reconstruction = (q.log() + log_likelihood).logsumexp(-1)
    return _decomposed(q, log_prior, log_likelihood, reconstruction=reconstruction)


@elbo_decomposition.misconception(
    "mean of the log for log p(x)",
    "log p(x) is the logarithm of a sum over z, log Σ p(z) p(x | z); you moved the logarithm "
    "inside the sum. That is Jensen's inequality, not an equality.",
)
def _(q, log_prior, log_likelihood):
    log_prob = (log_prior.exp() * log_likelihood).sum(-1)
    gap = discrete_kl(q, log_prior + log_likelihood - log_prob[:, None])
    return _decomposed(q, log_prior, log_likelihood, log_prob=log_prob, gap=gap)


@elbo_decomposition.misconception(
    "added the KL",
    "The ELBO is the reconstruction term minus KL(q ‖ prior): moving q away from the prior has "
    "a price. With a plus the bound can climb above log p(x).",
)
def _(q, log_prior, log_likelihood):
    terms = _decomposed(q, log_prior, log_likelihood)
    return terms._replace(elbo=terms.reconstruction + terms.kl)


@elbo_decomposition.misconception(
    "sign of the entropy",
    "KL(q ‖ prior) = Σ q log q - Σ q log p. You have the first term with a minus, as in the "
    "entropy; the KL can then come out negative when q equals the prior.",
)
def _(q, log_prior, log_likelihood):
    kl = torch.special.entr(q).sum(-1) - (q * log_prior).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, kl=kl)


@elbo_decomposition.misconception(
    "forgot the prior",
    "p(x) = Σ p(z) p(x | z): each value of z counts with its prior probability. You sum (and "
    "normalise) p(x | z) alone.",
)
def _(q, log_prior, log_likelihood):
    log_prob = log_likelihood.logsumexp(-1)
    gap = discrete_kl(q, log_likelihood.log_softmax(-1))
    return _decomposed(q, log_prior, log_likelihood, log_prob=log_prob, gap=gap)


@elbo_decomposition.misconception(
    "counted the prior twice",
    "Your reconstruction term averages log p(x, z), which has the prior inside, and then the KL "
    "takes the prior off once more. Average log p(x | z), or use the entropy instead of the KL.",
)
def _(q, log_prior, log_likelihood):
    reconstruction = (q * (log_prior + log_likelihood)).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, reconstruction=reconstruction)


@elbo_decomposition.misconception(
    "joint minus KL",
    "Your ELBO is E_q[log p(x, z)] - KL(q ‖ prior). That counts the prior twice: the joint has it "
    "inside. With the KL goes log p(x | z); with the joint goes the entropy of q.",
)
def _(q, log_prior, log_likelihood):
    terms = _decomposed(q, log_prior, log_likelihood)
    return terms._replace(elbo=(q * (log_prior + log_likelihood)).sum(-1) - terms.kl)


@elbo_decomposition.misconception(
    "forgot the entropy",
    "Your ELBO is E_q[log p(x, z)] alone. Add the entropy of q, -E_q[log q]; without it the best q "
    "would put everything on a single z.",
)
def _(q, log_prior, log_likelihood):
    elbo = (q * (log_prior + log_likelihood)).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, elbo=elbo)


@elbo_decomposition.misconception(
    "plain mean over z",
    "An expectation under q weighs each value of z with q(z). You average over z with equal "
    "weights, whatever q says.",
)
def _(q, log_prior, log_likelihood):
    return _decomposed(q, log_prior, log_likelihood, reconstruction=log_likelihood.mean(-1))


@elbo_decomposition.misconception(
    "expectation under the prior",
    "The reconstruction term is an expectation under q, the law that has seen x. You average "
    "log p(x | z) under the prior.",
)
def _(q, log_prior, log_likelihood):
    reconstruction = (log_prior.exp() * log_likelihood).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, reconstruction=reconstruction)


@elbo_decomposition.misconception(
    "posterior not normalised",
    "The gap compares q with p(z | x) = p(x, z) / p(x). You compare it with p(x, z), which sums "
    "to p(x) and not to one, so your gap is off by log p(x).",
)
def _(q, log_prior, log_likelihood):
    gap = discrete_kl(q, log_prior + log_likelihood)
    return _decomposed(q, log_prior, log_likelihood, gap=gap)


@elbo_decomposition.misconception(
    "gap to the prior",
    "Two KLs share the stage: KL(q ‖ prior) is a term of the ELBO, and the gap is "
    "KL(q ‖ posterior). You return the first for both.",
)
def _(q, log_prior, log_likelihood):
    return _decomposed(q, log_prior, log_likelihood, gap=discrete_kl(q, log_prior))


@elbo_decomposition.misconception(
    "averaged over the batch",
    "Each of the five is asked for per example, shape (n,). You averaged over the examples; "
    "that comes later, in the loss.",
)
def _(q, log_prior, log_likelihood):
    return Decomposition(*(t.mean() for t in _decomposed(q, log_prior, log_likelihood)))


@elbo_decomposition.misconception(
    "left the logarithms",
    "Right in mathematics, but exp(-1000) is exactly 0 for the computer, and its logarithm is "
    "-inf. Sum probabilities in the log domain with `logsumexp`.",
)
def _(q, log_prior, log_likelihood):
    joint = log_prior.exp() * log_likelihood.exp()
    post = joint / joint.sum(-1, keepdim=True)
    gap = (torch.xlogy(q, q) - torch.xlogy(q, post)).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, log_prob=joint.sum(-1).log(), gap=gap)


@elbo_decomposition.misconception(
    "0 log 0",
    "Right wherever q is positive. Where q = 0 the computer finds 0 · (-inf) = NaN; by "
    "convention (and by the limit) such a term is 0. `torch.xlogy(q, q)` knows that.",
)
def _(q, log_prior, log_likelihood):
    kl = (q * (q.log() - log_prior)).sum(-1)
    gap = (q * (q.log() - (log_prior + log_likelihood).log_softmax(-1))).sum(-1)
    return _decomposed(q, log_prior, log_likelihood, kl=kl, gap=gap)


# ---- gaussian_kl ----------------------------------------------------------------------------

gaussian_kl = unit.graded(gaussian.gaussian_kl)


def two_gaussians(draw: Draw, n: int, d: int, dtype=torch.float32) -> tuple[Tensor, ...]:
    """mean, log_std, prior_mean, prior_log_std."""
    mean, prior_mean = draw.normal(n, d, dtype=dtype), draw.normal(d, dtype=dtype)
    log_std = draw.uniform(n, d, low=-1, high=0.7, dtype=dtype)
    return mean, log_std, prior_mean, draw.uniform(d, low=-0.7, high=0.7, dtype=dtype)


@gaussian_kl.property(
    "in one dimension, equals the integral of q (log q - log p)",
    points=1,
    hint="For two normal laws: log(σ_p / σ_q) + (σ_q² + (μ_q - μ_p)²) / (2 σ_p²) - 1/2, with "
    "σ = exp(log_std).",
)
def _(call, draw):
    mean, log_std, prior_mean, prior_log_std = two_gaussians(draw, 4, 1, torch.float64)
    got = call(mean.float(), log_std.float(), prior_mean.float(), prior_log_std.float())
    z = mean + log_std.exp() * torch.linspace(-10, 10, 2001, dtype=torch.float64)
    q = torch.distributions.Normal(mean, log_std.exp())
    p = torch.distributions.Normal(prior_mean, prior_log_std.exp())
    integrand = q.log_prob(z).exp() * (q.log_prob(z) - p.log_prob(z))
    expect.close("KL", got, torch.trapezoid(integrand, z, dim=-1), rtol=1e-3, atol=1e-4)


@gaussian_kl.property(
    "adds up over the coordinates, one number per example",
    points=1,
    hint="Independent coordinates have KLs that add. Sum over the last axis only, so that the "
    "result has shape (n,).",
)
def _(call, draw):
    mean, log_std, prior_mean, prior_log_std = two_gaussians(draw, 5, 3)
    got = call(mean, log_std, prior_mean, prior_log_std)
    variances = torch.diag_embed((2 * log_std).exp())
    prior = MultivariateNormal(prior_mean, torch.diag(torch.exp(2 * prior_log_std)))
    expect.close("KL", got, kl_divergence(MultivariateNormal(mean, variances), prior), atol=1e-4)


@gaussian_kl.property(
    "zero where q is the prior, for one example and coordinate, float64, tiny σ",
    points=0.5,
    hint="Try q equal to the prior on paper: every term must cancel. And log σ is given: going to σ "
    "and back to log σ loses digits where σ is tiny, the more so with a small number added.",
)
def _(call, draw):
    _, _, prior_mean, prior_log_std = two_gaussians(draw, 1, 4)
    same = call(prior_mean.expand(2, 4), prior_log_std.expand(2, 4), prior_mean, prior_log_std)
    expect.close("KL of the prior to itself", same, torch.zeros(2), atol=1e-5)
    mean, _, prior_mean, prior_log_std = two_gaussians(draw, 1, 1, torch.float64)
    log_std = torch.full((1, 1), -12.0, dtype=torch.float64)
    got = call(mean, log_std, prior_mean, prior_log_std)
    spread = torch.exp(-2 * prior_log_std) * (torch.exp(2 * log_std) + (mean - prior_mean) ** 2)
    want = (prior_log_std - log_std + 0.5 * spread - 0.5).sum(-1)
    expect.close("KL with log_std = -12", got, want, rtol=1e-5)


@gaussian_kl.property(
    "its gradients pull q to the prior",
    points=0.5,
    hint="Stay in torch: the derivative by the mean is (μ_q - μ_p)/σ_p², and the one by "
    "log_std is σ_q²/σ_p² - 1.",
)
def _(call, draw):
    mean, log_std, prior_mean, prior_log_std = two_gaussians(draw, 3, 2)
    by_mean, by_log_std = call.gradient(mean, log_std, prior_mean, prior_log_std, wrt=[0, 1])
    precision = torch.exp(-2 * prior_log_std)
    expect.close("gradient by mean", by_mean, (mean - prior_mean) * precision, atol=1e-4)
    want = torch.exp(2 * log_std) * precision - 1
    expect.close("gradient by log_std", by_log_std, want, atol=1e-4)


def _kl_terms(mean, log_std, prior_mean, prior_log_std) -> Tensor:
    """The KL of every coordinate."""
    spread = torch.exp(2 * log_std) + (mean - prior_mean) ** 2
    return prior_log_std - log_std + 0.5 * spread * torch.exp(-2 * prior_log_std) - 0.5


@gaussian_kl.misconception(
    "KL the wrong way round",
    "That is KL(p ‖ q). In KL(q ‖ p) the variance of the prior p stands in the denominator, "
    "and the spread of q above it.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return _kl_terms(prior_mean, prior_log_std, mean, log_std).sum(-1)


@gaussian_kl.misconception(
    "read log σ as log σ²",
    "The arguments are log standard deviations: the variance is exp(2 log_std). You used "
    "exp(log_std) as the variance.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return _kl_terms(mean, 0.5 * log_std, prior_mean, 0.5 * prior_log_std).sum(-1)


@gaussian_kl.misconception(
    "prior taken as N(0, I)",
    "That is the KL to a standard normal prior. Here the prior has a mean and log standard "
    "deviations of its own: use prior_mean and prior_log_std.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return _kl_terms(mean, log_std, 0 * prior_mean, 0 * prior_log_std).sum(-1)


@gaussian_kl.misconception(
    "mean over the coordinates",
    "The KLs of independent coordinates add. You took their mean, so the KL term would weigh d "
    "times too little in the ELBO.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return _kl_terms(mean, log_std, prior_mean, prior_log_std).mean(-1)


@gaussian_kl.misconception(
    "summed over the batch",
    "You summed over examples and coordinates together. Sum over the last axis only: one KL "
    "per example.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return _kl_terms(mean, log_std, prior_mean, prior_log_std).sum()


@gaussian_kl.misconception(
    "lost the -1/2",
    "Each coordinate has a constant -1/2, without which the KL of the prior to itself would be "
    "d/2 and not 0.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return (_kl_terms(mean, log_std, prior_mean, prior_log_std) + 0.5).sum(-1)


@gaussian_kl.misconception(
    "-1/2 once for all coordinates",
    "The constant -1/2 belongs to every coordinate, so d of them give -d/2. You took it off once, "
    "after the sum.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    return (_kl_terms(mean, log_std, prior_mean, prior_log_std) + 0.5).sum(-1) - 0.5


@gaussian_kl.misconception(
    "shift not measured in prior σ",
    "You scaled the variance with σ_p², but not the squared shift of the means: both stand over "
    "2 σ_p².",
)
def _(mean, log_std, prior_mean, prior_log_std):
    terms = _kl_terms(prior_mean, log_std, prior_mean, prior_log_std)
    return (terms + 0.5 * (mean - prior_mean) ** 2).sum(-1)


@gaussian_kl.misconception(
    "sign of the log-ratio",
    "The log term is log(σ_p / σ_q): a narrow q is far from a wide prior. You have it upside down.",
)
def _(mean, log_std, prior_mean, prior_log_std):
    wrong = 2 * (log_std - prior_log_std)
    return (_kl_terms(mean, log_std, prior_mean, prior_log_std) + wrong).sum(-1)


# ---- reparameterize -------------------------------------------------------------------------

reparameterize = unit.graded(gaussian.reparameterize)


@reparameterize.property(
    "diagonal: noise, scaled and shifted",
    points=1,
    hint="A standard normal ε becomes N(μ, σ²) by z = μ + σ ε. `log_std` is log σ.",
)
def _(call, draw):
    mean, log_std = draw.normal(4, 3), draw.normal(4, 3, scale=0.7)
    eps = draw.normal(6, 4, 3)
    expect.close("z without noise", call(mean, log_std, 0 * eps), mean.expand(6, 4, 3))
    want = torch.stack([mean + torch.exp(log_std) * e for e in eps])
    expect.close("z", call(mean, log_std, eps), want)


@reparameterize.property(
    "full: the samples have covariance L Lᵀ",
    points=1,
    hint="z = μ + L ε, row by row: z_i = μ_i + Σ_j L_ij ε_j. With a batch of matrices, "
    "`torch.einsum` spells out which index is summed.",
)
def _(call, draw):
    n, d = 3, 3
    mean, log_std = draw.normal(n, d), draw.normal(n, d, scale=0.5)
    lower = torch.tril(draw.normal(n, d, d), -1)
    axes = math.sqrt(d) * torch.eye(d)
    eps = torch.cat([axes, -axes])[:, None].expand(2 * d, n, d)  # covariance exactly I
    z = expect.tensor("z", call(mean, log_std, eps, lower), (2 * d, n, d))
    expect.close("mean of z", z.mean(0), mean, atol=1e-4)
    factor = lower + torch.diag_embed(torch.exp(log_std))
    covariance = torch.einsum("sni,snj->nij", z - mean, z - mean) / (2 * d)
    expect.close("covariance of z", covariance, factor @ factor.mT, atol=1e-3)
    eps = draw.normal(2, n, d)
    want = mean + torch.stack([torch.stack([factor[i] @ e[i] for i in range(n)]) for e in eps])
    expect.close("z", call(mean, log_std, eps, lower), want, atol=1e-4)


@reparameterize.property(
    "only what is below the diagonal of `lower` counts; one coordinate; float64",
    points=0.5,
    hint="L is lower triangular, and its diagonal comes from log_std alone: `torch.tril` has an "
    "argument for which diagonal to start from.",
)
def _(call, draw):
    mean, log_std = draw.normal(2, 3), draw.normal(2, 3, scale=0.5)
    eps, lower = draw.normal(4, 2, 3), draw.normal(2, 3, 3)
    below = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0]])
    factor = lower * below + torch.diag_embed(torch.exp(log_std))
    want = mean + (factor @ eps[..., None])[..., 0]
    expect.close("z", call(mean, log_std, eps, lower), want, atol=1e-4)
    mean, log_std = draw.normal(1, 1, dtype=torch.float64), draw.normal(1, 1, dtype=torch.float64)
    eps, lower = draw.normal(2, 1, 1, dtype=torch.float64), draw.normal(1, 1, 1).double()
    want = mean + torch.exp(log_std) * eps
    expect.close("z in one dimension", call(mean, log_std, eps, lower), want)


@reparameterize.property(
    "gradients flow to mean, log_std and lower",
    points=0.5,
    hint="This is the whole point: the randomness sits in eps, and z is a differentiable "
    "function of the rest. No `.detach()`, no `torch.no_grad()`, no sampling inside.",
)
def _(call, draw):
    mean, log_std = draw.normal(2, 3), draw.normal(2, 3, scale=0.5)
    eps, lower = draw.normal(4, 2, 3), draw.normal(2, 3, 3)
    by_mean, by_log_std, by_lower = call.gradient(mean, log_std, eps, lower, wrt=[0, 1, 3])
    expect.close("gradient by mean", by_mean, torch.full((2, 3), 4.0))
    want = torch.exp(log_std) * eps.sum(0)
    expect.close("gradient by log_std", by_log_std, want, atol=1e-4)
    want = torch.tril(eps.sum(0)[:, None, :].expand(2, 3, 3), -1)
    expect.close("gradient by lower", by_lower, want, atol=1e-4)
    by_mean, by_log_std = call.gradient(mean, log_std, eps, wrt=[0, 1])
    expect.close("gradient by mean, without lower", by_mean, torch.full((2, 3), 4.0))
    want = torch.exp(log_std) * eps.sum(0)
    expect.close("gradient by log_std, without lower", by_log_std, want, atol=1e-4)


def _moved(mean, std, eps, below=None) -> Tensor:
    if below is None:
        return mean + std * eps
    return mean + ((below + torch.diag_embed(std)) @ eps[..., None])[..., 0]


def _below(lower, diagonal=-1):
    return None if lower is None else torch.tril(lower, diagonal)


@reparameterize.misconception(
    "read log σ as log σ²",
    "`log_std` is the logarithm of the standard deviation, so σ = exp(log_std). The factor 1/2 "
    "belongs to log-variances.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(0.5 * log_std), eps, _below(lower))


@reparameterize.misconception(
    "variance for standard deviation",
    "You scaled the noise with the variance σ². Noise is scaled with σ = exp(log_std): then "
    "its variance becomes σ².",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(2 * log_std), eps, _below(lower))


@reparameterize.misconception(
    "forgot the exponential",
    "`log_std` is a logarithm and may be negative; the scale of the noise is its exponential.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, log_std, eps, _below(lower))


@reparameterize.misconception(
    "L transposed",
    "You computed Lᵀ ε, whose covariance is Lᵀ L. You want L ε, with covariance L Lᵀ. (With "
    "samples as rows, L ε is `eps @ L.mT`.)",
)
def _(mean, log_std, eps, lower=None):
    below = None if lower is None else _below(lower).mT
    return _moved(mean, torch.exp(log_std), eps, below)


@reparameterize.misconception(
    "all of lower",
    "L is lower triangular. You used the entries of `lower` above the diagonal too: cut them off "
    "with `torch.tril(lower, -1)`.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(log_std), eps, lower)


@reparameterize.misconception(
    "diagonal of lower added",
    "The diagonal of L is exp(log_std), always positive. You added the diagonal of `lower` to "
    "it: start `torch.tril` one below the diagonal.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(log_std), eps, _below(lower, 0))


@reparameterize.misconception(
    "ignored lower",
    "Right for a diagonal covariance. When `lower` is given the coordinates of z are "
    "correlated: the noise of one coordinate moves the later ones too.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(log_std), eps)


@reparameterize.misconception(
    "detached",
    "The values are right, but the samples are cut off from mean and log_std, so nothing could "
    "be learned through them. Remove `.detach()` or `torch.no_grad()`.",
)
def _(mean, log_std, eps, lower=None):
    return _moved(mean, torch.exp(log_std), eps, _below(lower)).detach()


# ---- score_function_gradient ----------------------------------------------------------------

score_function_gradient = unit.graded(score_function.score_function_gradient)


def all_states(d: int, dtype=torch.float32) -> Tensor:
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=d)), dtype=dtype)


def law(p: Tensor, z: Tensor) -> Tensor:
    """The probability of each row of z when unit i is 1 with probability p_i."""
    return (z * p + (1 - z) * (1 - p)).prod(-1)


def exact_gradient(p: Tensor, f: Tensor) -> Tensor:
    """The gradient of Σ_z q(z) f(z) by the logits: p_i (1 - p_i) times the effect of unit i."""
    z = all_states(len(p), p.dtype)
    slopes = []
    for i in range(len(p)):
        others = law(torch.cat([p[:i], p[i + 1 :]]), torch.cat([z[:, :i], z[:, i + 1 :]], 1))
        slopes.append(p[i] * (1 - p[i]) * (others * f * (2 * z[:, i] - 1)).sum())
    return torch.stack(slopes)


@score_function_gradient.property(
    "the mean of f times the score: exact on a sample that holds each state as often as q says",
    points=1.5,
    hint="Average, over the samples, f(z) times the gradient of log q(z) by the logits. For one "
    "unit, log q = z log σ(a) + (1 - z) log(1 - σ(a)); its derivative by a is short.",
)
def _(call, draw):
    p = torch.tensor([0.25, 0.5, 0.75])[torch.randperm(3, generator=draw.generator)]
    z, f = all_states(3), draw.normal(8, scale=2)
    counts = (64 * law(p, z)).round().long()
    logits = torch.log(p / (1 - p))
    got = call(logits, z.repeat_interleave(counts, 0), f.repeat_interleave(counts))
    expect.close("gradient", got, exact_gradient(p, f), atol=1e-4)
    a = logits.clone().requires_grad_()
    log_q = Bernoulli(logits=a).log_prob(z).sum(-1)
    (want,) = torch.autograd.grad((f * log_q).mean(), a)
    expect.close("gradient from each state once", call(logits, z, f), want, atol=1e-4)


@score_function_gradient.property(
    "leave-one-out: unbiased, by trying all pairs of samples",
    points=1,
    hint="The baseline of a sample must not contain that sample, or it is correlated with the "
    "score and the average is pulled to zero.",
)
def _(call, draw):
    logits = draw.uniform(2, low=-1, high=1)
    p, z, f = torch.sigmoid(logits), all_states(2), draw.normal(4, scale=2)
    want, q = exact_gradient(p, f), law(torch.sigmoid(logits), z)
    total = torch.zeros(2)
    for i, j in itertools.product(range(4), repeat=2):
        got = call(logits, z[[i, j]], f[[i, j]], leave_one_out=True)
        total += q[i] * q[j] * expect.tensor("gradient", got, (2,))
    expect.close("the average over all pairs of samples", total, want, atol=1e-4)


@score_function_gradient.property(
    "leave-one-out: each f minus the mean of the others, so a constant changes nothing",
    points=1,
    hint="The sum of the others is the total minus one's own: no loop is needed. Divide by how "
    "many others there are.",
)
def _(call, draw):
    logits, s = draw.normal(3), 6
    z, f = draw.bernoulli(s, 3), draw.normal(s)
    got = call(logits, z, f, leave_one_out=True)
    others = torch.stack([(f.sum() - f[i]) / (s - 1) for i in range(s)])
    want = ((f - others)[:, None] * (z - torch.sigmoid(logits))).mean(0)
    expect.close("gradient", got, want, atol=1e-4)
    shifted = call(logits, z, f + 10, leave_one_out=True)
    expect.close("gradient after adding 10 to f", shifted, want, atol=1e-4)


@score_function_gradient.property(
    "one sample, one unit, float64, extreme logits",
    points=0.5,
    hint="Work with σ(logits) in the log-derivative, not with a quotient by q or 1 - q, which "
    "divides by zero when a unit is nearly sure.",
)
def _(call, draw):
    logits = draw.normal(1, dtype=torch.float64)
    z, f = torch.ones(1, 1, dtype=torch.float64), draw.normal(1, dtype=torch.float64)
    expect.close("gradient, one sample", call(logits, z, f), f * (1 - torch.sigmoid(logits)))
    logits, z, f = torch.tensor([-40.0, 0.0, 40.0]), torch.tensor([[0.0, 1.0, 1.0]]), draw.normal(1)
    want = torch.stack([0 * f[0], 0.5 * f[0], 0 * f[0]])
    expect.close("gradient, logits of ±40", call(logits, z, f), want)


def _weighed(logits, z, f, leave_one_out, weight=None) -> Tensor:
    score = z - torch.sigmoid(logits)
    if leave_one_out:
        f = (f - f.mean()) * (len(f) / (len(f) - 1))
    return ((f if weight is None else weight(f))[:, None] * score).mean(0)


@score_function_gradient.misconception(
    "own sample in the baseline",
    "Your baseline is the mean of all samples, the sample's own f included. That makes the "
    "estimate too small by the factor (s - 1)/s: leave the own sample out.",
)
def _(logits, z, f, leave_one_out=False):
    return _weighed(logits, z, f - f.mean() if leave_one_out else f, False)


@score_function_gradient.misconception(
    "z without its mean",
    "You weigh f with z itself. The derivative of log(1 + exp(a)) is σ(a): take it off, so that "
    "the score z - σ(a) has mean zero under q.",
)
def _(logits, z, f, leave_one_out=False):
    centre = (f - f.mean()) * (len(f) / (len(f) - 1)) if leave_one_out else f
    return (centre[:, None] * z).mean(0)


@score_function_gradient.misconception(
    "logits taken for probabilities",
    "The score is z - σ(a), with the probability σ(a) of a one. You took the logit a off instead: "
    "the sigmoid is missing.",
)
def _(logits, z, f, leave_one_out=False):
    centre = (f - f.mean()) * (len(f) / (len(f) - 1)) if leave_one_out else f
    return (centre[:, None] * (z - logits)).mean(0)


@score_function_gradient.misconception(
    "mean of the z at hand for σ(logits)",
    "You centred z with its average over these samples. The score needs its mean under q, "
    "σ(logits), whatever the samples happen to be.",
)
def _(logits, z, f, leave_one_out=False):
    centre = (f - f.mean()) * (len(f) / (len(f) - 1)) if leave_one_out else f
    return (centre[:, None] * (z - z.mean(0))).mean(0)


@score_function_gradient.misconception(
    "others divided by s",
    "You left the own sample out of the sum, and then divided by s all the same. There are s - 1 "
    "others.",
)
def _(logits, z, f, leave_one_out=False):
    return _weighed(logits, z, f - (f.sum() - f) / len(f) if leave_one_out else f, False)


@score_function_gradient.misconception(
    "baseline not used",
    "Right without a baseline. With leave_one_out=True, subtract from each f the mean of the "
    "others before weighing.",
)
def _(logits, z, f, leave_one_out=False):
    return _weighed(logits, z, f, False)


@score_function_gradient.misconception(
    "sum for mean",
    "You summed over the samples. An expectation is estimated by their mean, or the step would "
    "grow with the number of samples.",
)
def _(logits, z, f, leave_one_out=False):
    return _weighed(logits, z, f, leave_one_out) * len(f)


@score_function_gradient.misconception(
    "gradient by the probabilities",
    "That is the gradient with respect to p = σ(logits). The chain rule brings a factor "
    "p (1 - p), and the quotient disappears: what remains is z - p.",
)
def _(logits, z, f, leave_one_out=False):
    p = torch.sigmoid(logits)
    return _weighed(logits, z, f, leave_one_out) / (p * (1 - p))


@score_function_gradient.misconception(
    "sign of the score",
    "The derivative of log q(z) by the logit is z - σ(logit): where z = 1 has a high f, the "
    "logit must rise. You have the opposite sign.",
)
def _(logits, z, f, leave_one_out=False):
    return -_weighed(logits, z, f, leave_one_out)


@score_function_gradient.misconception(
    "weighed with q again",
    "The samples come from q already, so frequent states are there more often. You multiplied "
    "by q(z) once more.",
)
def _(logits, z, f, leave_one_out=False):
    q = law(torch.sigmoid(logits), z)
    return _weighed(logits, z, f, leave_one_out, lambda f: q * f)


@score_function_gradient.misconception(
    "baseline taken from the score",
    "You left the baseline out of f and subtracted it from the finished product. The baseline "
    "is subtracted from f, and the difference multiplies the score.",
)
def _(logits, z, f, leave_one_out=False):
    g = f[:, None] * (z - torch.sigmoid(logits))
    others = (f.sum() - f) / max(len(f) - 1, 1)
    return (g - others[:, None]).mean(0) if leave_one_out else g.mean(0)


# ---- posterior_gap --------------------------------------------------------------------------

posterior_gap = unit.graded(linear_gaussian.posterior_gap)


def linear_problem(draw: Draw, n: int, d: int, k: int, dtype=torch.float32, sigma=None) -> tuple:
    """x, mean, scale, weight, bias, sigma."""
    sigma = 0.5 + draw.uniform(1).item() / 2 if sigma is None else sigma
    std = draw.uniform(n, k, low=0.4, high=1.5, dtype=dtype)
    scale = torch.tril(0.5 * draw.normal(n, k, k, dtype=dtype), -1) + torch.diag_embed(std)
    x, mean = draw.normal(n, d, dtype=dtype), draw.normal(n, k, dtype=dtype)
    return x, mean, scale, draw.normal(d, k, dtype=dtype), draw.normal(d, dtype=dtype), sigma


def true_posterior(x, weight, bias, sigma) -> tuple[Tensor, Tensor]:
    """Mean and covariance of p(z | x), by conditioning the joint Gaussian of (z, x)."""
    evidence = weight @ weight.mT + sigma**2 * torch.eye(len(bias), dtype=x.dtype)
    gain = torch.linalg.solve(evidence, weight).mT
    eye = torch.eye(weight.shape[1], dtype=x.dtype)
    return (x - bias) @ gain.mT, eye - gain @ weight


def evidence_minus_elbo(x, mean, scale, weight, bias, sigma) -> Tensor:
    """log p(x) - ELBO, each from its own definition, in float64."""
    x, mean, scale, weight, bias = (t.double() for t in (x, mean, scale, weight, bias))
    d, k = weight.shape
    covariance = weight @ weight.mT + sigma**2 * torch.eye(d).double()
    log_prob = MultivariateNormal(bias, covariance).log_prob(x)
    error = ((x - bias - mean @ weight.mT) ** 2).sum(-1) + ((weight @ scale) ** 2).sum((-2, -1))
    reconstruction = -0.5 * error / sigma**2 - d * math.log(sigma * math.sqrt(2 * math.pi))
    prior = MultivariateNormal(torch.zeros(k).double(), torch.eye(k).double())
    return (
        log_prob - reconstruction + kl_divergence(MultivariateNormal(mean, scale_tril=scale), prior)
    )


@posterior_gap.property(
    "zero where q is the posterior, positive elsewhere",
    points=1,
    hint="The posterior is Gaussian: precision Λ = I + WᵀW/σ², mean Λ⁻¹ Wᵀ(x - b)/σ². The gap is "
    "the KL of q to it.",
)
def _(call, draw):
    x, mean, scale, *theta = linear_problem(draw, 4, 4, 2)
    centre, covariance = true_posterior(*(t.double() for t in (x, *theta[:2])), theta[2])
    best = torch.linalg.cholesky(covariance).float().expand(4, 2, 2)
    expect.close(
        "gap at the posterior", call(x, centre.float(), best, *theta), torch.zeros(4), atol=1e-3
    )
    gap = expect.tensor("gap", call(x, mean, scale, *theta), (4,))
    expect.true(bool((gap > 0).all()), f"gap: got {gap.min():.4g}; a KL to another law is positive")


@posterior_gap.property(
    "equals log p(x) - ELBO",
    points=1.5,
    hint="For Gaussians q = N(m, S) and p = N(c, Λ⁻¹) in k dimensions: "
    "KL = (tr(Λ S) + (m - c)ᵀ Λ (m - c) - k - log det Λ - log det S) / 2, with S = L Lᵀ.",
)
def _(call, draw):
    problem = linear_problem(draw, 5, 4, 3)
    expect.close("gap", call(*problem), evidence_minus_elbo(*problem), rtol=1e-3, atol=1e-3)


@posterior_gap.property(
    "the best diagonal q leaves the gap that theory says",
    points=0.5,
    hint="At the posterior mean, with variances 1/Λ_ii, the gap is (Σ log Λ_ii - log det Λ)/2: "
    "what a diagonal q must lose where the posterior is correlated.",
)
def _(call, draw):
    x, _, _, weight, bias, sigma = linear_problem(draw, 3, 4, 2, torch.float64)
    first, step = weight.T / weight.norm(dim=0)[:, None]
    weight = torch.stack([2 * first, 2 * first + step], 1)  # so the posterior is correlated
    centre, covariance = true_posterior(x, weight, bias, sigma)
    precision = torch.linalg.inv(covariance)
    scale = torch.diag_embed(precision.diagonal().rsqrt()).expand(3, 2, 2)
    want = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    got = call(x, centre, scale, weight, bias, sigma)
    expect.close("gap", got, want.expand(3), rtol=1e-3, atol=1e-4)


@posterior_gap.property(
    "one example, one latent coordinate, more latents than data, small σ, float64",
    points=1,
    hint="Keep the shape (n,) for n = 1, take the dtype from the arguments, and remember that "
    "WᵀW alone cannot be inverted when k > d; with the prior's I it can.",
)
def _(call, draw):
    for n, d, k, sigma in [(1, 1, 1, None), (2, 1, 3, None), (3, 3, 2, 0.05)]:
        problem = linear_problem(draw, n, d, k, torch.float64, sigma)
        want = evidence_minus_elbo(*problem)
        expect.close(f"gap with n={n}, d={d}, k={k}", call(*problem), want, rtol=1e-3, atol=1e-4)


def _gap(
    x, mean, scale, weight, bias, sigma, precision=None, covariance=None, noise=None
) -> Tensor:
    noise = sigma**2 if noise is None else noise
    if precision is None:
        precision = torch.eye(weight.shape[1], dtype=x.dtype) + weight.mT @ weight / noise
    covariance = scale @ scale.mT if covariance is None else covariance
    centre = torch.linalg.solve(precision, weight.mT @ (x - bias).mT / noise).mT
    shift = mean - centre
    trace = (precision * covariance.mT).sum((-2, -1))
    log_dets = torch.logdet(precision) + torch.logdet(covariance)
    return 0.5 * (trace + ((shift @ precision) * shift).sum(-1) - mean.shape[1] - log_dets)


@posterior_gap.misconception(
    "KL the wrong way round",
    "That is KL(posterior ‖ q). What the ELBO misses is KL(q ‖ posterior): the posterior's "
    "precision stands in the trace and in the distance.",
)
def _(x, mean, scale, weight, bias, sigma):
    centre, covariance = true_posterior(x, weight, bias, sigma)
    post = MultivariateNormal(centre, covariance)
    return kl_divergence(post, MultivariateNormal(mean, scale_tril=scale))


@posterior_gap.misconception(
    "forgot the prior",
    "The posterior combines the data with the prior z ~ N(0, I), so its precision is "
    "I + WᵀW/σ². You have the data's part alone.",
)
def _(x, mean, scale, weight, bias, sigma):
    precision = weight.mT @ weight / sigma**2
    return _gap(x, mean, scale, weight, bias, sigma, precision=precision)


@posterior_gap.misconception(
    "σ for σ²",
    "`sigma` is the standard deviation of the noise, and the formulas divide by its square.",
)
def _(x, mean, scale, weight, bias, sigma):
    return _gap(x, mean, scale, weight, bias, sigma, noise=sigma)


@posterior_gap.misconception(
    "bias not taken off",
    "The model is x = W z + b + noise: what z has to explain is x - b. You used x itself.",
)
def _(x, mean, scale, weight, bias, sigma):
    return _gap(x, mean, scale, weight, 0 * bias, sigma)


@posterior_gap.misconception(
    "scale taken for the covariance",
    "`scale` is a Cholesky factor L; the covariance of q is L Lᵀ, and its log-determinant is "
    "twice the sum of log L_ii.",
)
def _(x, mean, scale, weight, bias, sigma):
    return _gap(x, mean, scale, weight, bias, sigma, covariance=scale)


@posterior_gap.misconception(
    "Lᵀ L for L Lᵀ",
    "The covariance of q is L Lᵀ, `scale @ scale.mT`. You have the factors the other way round, "
    "which has the same determinant and is another matrix.",
)
def _(x, mean, scale, weight, bias, sigma):
    return _gap(x, mean, scale, weight, bias, sigma, covariance=scale.mT @ scale)


@posterior_gap.misconception(
    "forgot the -k",
    "Where q is the posterior the trace is k, the number of latent coordinates, and the gap must "
    "be 0: the formula takes k off.",
)
def _(x, mean, scale, weight, bias, sigma):
    return _gap(x, mean, scale, weight, bias, sigma) + mean.shape[1] / 2


@posterior_gap.misconception(
    "gap to the prior",
    "That is KL(q ‖ prior), a term of the ELBO. The gap is the KL to the posterior, which knows x.",
)
def _(x, mean, scale, weight, bias, sigma):
    k = mean.shape[1]
    prior = MultivariateNormal(torch.zeros(k, dtype=x.dtype), torch.eye(k, dtype=x.dtype))
    return kl_divergence(MultivariateNormal(mean, scale_tril=scale), prior)


@posterior_gap.misconception(
    "means not compared",
    "Covariances and log-determinants are right, but the distance between the mean of q and the "
    "posterior mean is missing: (m - c)ᵀ Λ (m - c).",
)
def _(x, mean, scale, weight, bias, sigma):
    centre, _ = true_posterior(x, weight, bias, sigma)
    return _gap(x, centre, scale, weight, bias, sigma)


@posterior_gap.misconception(
    "log-determinants left out",
    "The KL of two Gaussians has the log-ratio of their volumes, -(log det Λ + log det S)/2. "
    "Without it q would shrink to a point.",
)
def _(x, mean, scale, weight, bias, sigma):
    full = _gap(x, mean, scale, weight, bias, sigma)
    precision = torch.eye(weight.shape[1], dtype=x.dtype) + weight.mT @ weight / sigma**2
    return full + 0.5 * (torch.logdet(precision) + torch.logdet(scale @ scale.mT))


@posterior_gap.misconception(
    "forgot the half",
    "Every term of the KL of two Gaussians carries a factor 1/2. Yours is twice too large.",
)
def _(x, mean, scale, weight, bias, sigma):
    return 2 * _gap(x, mean, scale, weight, bias, sigma)
