"""Other right answers than the reference's earn every point too."""

import pytest
import torch
from torch.distributions import Categorical, Independent, MultivariateNormal, Normal, kl_divergence

from dgm_lib.checks.variational import unit


def elbo_decomposition(q, log_prior, log_likelihood):
    """A plain tuple, the gap as a difference, 0 log 0 by a mask."""
    log_joint = log_prior + log_likelihood
    log_prob = torch.logsumexp(log_joint, 1)
    negative_entropy = torch.where(q > 0, q * q.clamp_min(1e-45).log(), 0.0).sum(1)
    reconstruction = torch.einsum("nk,nk->n", q, log_likelihood)
    kl = negative_entropy - q @ log_prior
    return reconstruction, kl, reconstruction - kl, log_prob - reconstruction + kl, log_prob


def elbo_decomposition_by_distributions(q, log_prior, log_likelihood):
    law, prior = Categorical(probs=q), Categorical(logits=log_prior.expand_as(q))
    post = Categorical(logits=log_prior + log_likelihood)
    reconstruction = (q * log_likelihood).sum(-1)
    kl, gap = kl_divergence(law, prior), kl_divergence(law, post)
    log_prob = (log_prior + log_likelihood).logsumexp(-1)
    return [reconstruction, kl, reconstruction - kl, gap, log_prob]


def gaussian_kl(mean, log_std, prior_mean, prior_log_std):
    q = Independent(Normal(mean, log_std.exp()), 1)
    return kl_divergence(q, Independent(Normal(prior_mean, prior_log_std.exp()), 1))


def reparameterize(mean, log_std, eps, lower=None):
    std = log_std.exp()
    factor = torch.diag_embed(std) if lower is None else torch.diag_embed(std) + lower.tril(-1)
    return mean.unsqueeze(0) + torch.einsum("nij,snj->sni", factor, eps)


def score_function_gradient(logits, z, f, leave_one_out=False):
    """The score by autograd, the baseline by a loop."""
    a = logits.detach().clone().requires_grad_()
    total = torch.zeros_like(a)
    for i in range(len(f)):
        others = [f[j] for j in range(len(f)) if j != i]
        baseline = torch.stack(others).mean() if leave_one_out else 0.0
        log_q = (z[i] * a - torch.nn.functional.softplus(a)).sum()
        total = total + (f[i] - baseline) * torch.autograd.grad(log_q, a)[0]
    return total / len(f)


def posterior_gap(x, mean, scale, weight, bias, sigma):
    eye = torch.eye(weight.shape[1], dtype=x.dtype)
    precision = eye + weight.T @ weight / sigma**2
    centre = torch.linalg.solve(precision, weight.T @ (x - bias).T / sigma**2).T
    post = MultivariateNormal(centre, precision_matrix=precision)
    return kl_divergence(MultivariateNormal(mean, scale_tril=scale), post)


@pytest.mark.parametrize("seed", [0, 1, "another", 77])
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("elbo_decomposition", elbo_decomposition),
        ("elbo_decomposition", elbo_decomposition_by_distributions),
        ("gaussian_kl", gaussian_kl),
        ("reparameterize", reparameterize),
        ("score_function_gradient", score_function_gradient),
        ("posterior_gap", posterior_gap),
    ],
)
def test_another_right_answer(name, answer, seed):
    report = unit.checks[name].run(answer, seed)
    assert report.state == "full", str(report)
    assert report.notes == []


def test_partly_right_keeps_the_points_that_are_earned():
    def only_the_likelihood(q, log_prior, log_likelihood):
        log_prob = (log_prior + log_likelihood).logsumexp(-1)
        zero = torch.zeros_like(log_prob)
        return zero, zero, zero, zero, log_prob

    report = unit.checks["elbo_decomposition"].run(only_the_likelihood)
    assert report.earned == 1
    assert report.state == "partial"
