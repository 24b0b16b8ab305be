"""The exact ELBO: the identity, the bound, its three forms, and its edges."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, kl_divergence

from dgm_lib.variational.elbo import elbo_decomposition, elbo_three_ways, posterior


def problem(seed, n, k, scale=3.0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    q = torch.randn(n, k, generator=g, dtype=dtype).mul(2).softmax(-1)
    log_prior = torch.randn(k, generator=g, dtype=dtype).log_softmax(-1)
    log_likelihood = -scale * torch.rand(n, k, generator=g, dtype=dtype).mul(4)
    return q, log_prior, log_likelihood


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 7))
def test_each_term_by_its_definition(seed, n, k):
    q, log_prior, log_likelihood = problem(seed, n, k)
    terms = elbo_decomposition(q, log_prior, log_likelihood)
    evidence = sum(log_prior[z].exp() * log_likelihood[:, z].exp() for z in range(k))
    true_posterior = log_prior.exp() * log_likelihood.exp() / evidence[:, None]
    torch.testing.assert_close(terms.log_prob, evidence.log())
    torch.testing.assert_close(
        terms.kl, kl_divergence(Categorical(q), Categorical(logits=log_prior.expand(n, k)))
    )
    torch.testing.assert_close(
        terms.gap, kl_divergence(Categorical(q), Categorical(true_posterior)), atol=1e-9, rtol=1e-7
    )
    torch.testing.assert_close(terms.log_prob, terms.elbo + terms.gap)
    assert (terms.gap >= -1e-12).all()
    assert (terms.kl >= -1e-12).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 7))
def test_three_forms_agree(seed, n, k):
    forms = list(elbo_three_ways(*problem(seed, n, k)).values())
    torch.testing.assert_close(forms[0], forms[1])
    torch.testing.assert_close(forms[0], forms[2])


def test_the_posterior_closes_the_gap_and_only_it():
    q, log_prior, log_likelihood = problem(0, 5, 4)
    best = posterior(log_prior, log_likelihood)
    closed = elbo_decomposition(best, log_prior, log_likelihood)
    torch.testing.assert_close(closed.gap, torch.zeros(5, dtype=torch.float64))
    torch.testing.assert_close(closed.elbo, closed.log_prob)
    assert (elbo_decomposition(0.9 * best + 0.1 * q, log_prior, log_likelihood).gap > 0).all()


def test_zeros_in_q_and_very_small_probabilities():
    q = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    log_prior = torch.tensor([0.5, 0.5, 1e-30]).log()
    log_likelihood = torch.tensor([[-1000.0, -1001.0, -1000.0], [-1000.0, -1000.0, -5.0]])
    terms = elbo_decomposition(q, log_prior, log_likelihood)
    assert all(torch.isfinite(t).all() for t in terms)
    first = -1000 + math.log(0.5) + math.log1p(math.exp(-1))
    assert terms.log_prob[0].item() == pytest.approx(first, abs=1e-3)
    assert terms.gap[0].item() == pytest.approx(math.log1p(math.exp(-1)), abs=1e-3)


def test_gradients_are_q_and_the_posterior():
    """∂ELBO/∂log p(x|z) = q(z), and ∂log p(x)/∂log p(x|z) = p(z|x) (Fisher's identity)."""
    q, log_prior, log_likelihood = problem(3, 4, 5)
    log_likelihood.requires_grad_()
    terms = elbo_decomposition(q, log_prior, log_likelihood)
    (slope,) = torch.autograd.grad(terms.elbo.sum(), log_likelihood, retain_graph=True)
    torch.testing.assert_close(slope, q)
    (slope,) = torch.autograd.grad(terms.log_prob.sum(), log_likelihood)
    torch.testing.assert_close(slope, posterior(log_prior, log_likelihood.detach()))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda q, p, f: (q[0], p, f), "q: got shape"),
        (lambda q, p, f: (q[:0], p, f[:0]), "q: got an empty batch"),
        (lambda q, p, f: (q.long(), p, f), "q: got dtype"),
        (lambda q, p, f: (q, p[:2], f), "log_prior: got shape"),
        (lambda q, p, f: (q, p, f[:, :2]), "log_likelihood: got shape"),
        (lambda q, p, f: (q, p, f * math.nan), "log_likelihood: got 12 NaN"),
        (lambda q, p, f: (q - 0.5, p, f), "q: got the entry"),
        (lambda q, p, f: (2 * q, p, f), "q: got a row with sum 2"),
    ],
)
def test_bad_input(unchecked, change, named):
    with pytest.raises(ValueError, match=named):
        elbo_decomposition(*change(*problem(0, 3, 4)))
