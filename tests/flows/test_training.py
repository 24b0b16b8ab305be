"""Training: both divergences against closed forms, and the image flow end to end."""

import math

import pytest
import torch

from dgm_lib import flows
from dgm_lib.flows import Flow, StandardNormal, reverse_kl
from dgm_lib.nn import seeded


def gaussian_flow(loc, factor):
    """N(loc, factor²) in one dimension, as a flow."""
    flow = Flow(flows.Cholesky(1), StandardNormal(1))
    with torch.no_grad():
        flow.bijection.loc.fill_(loc)
        flow.bijection.log_diagonal.fill_(math.log(factor))
    return flow


def test_reverse_kl_of_two_gaussians():
    q, p = gaussian_flow(1.0, 0.5), torch.distributions.Normal(0.0, 2.0)
    want = math.log(2 / 0.5) + (0.5**2 + 1) / (2 * 2**2) - 0.5
    got = reverse_kl(q, lambda x: p.log_prob(x).sum(-1), 100_000, torch.Generator().manual_seed(0))
    assert got.item() == pytest.approx(want, abs=0.01)


def test_reverse_kl_of_a_target_without_its_constant():
    q = gaussian_flow(0.0, 1.0)  # equals the target, so KL = 0 and what is left is -log Z
    got = reverse_kl(q, lambda x: -0.5 * x.square().sum(-1), 10, torch.Generator())
    assert got.item() == pytest.approx(-0.5 * math.log(2 * math.pi), abs=1e-6)


def test_reverse_kl_finds_the_target():
    q, p = gaussian_flow(-1.0, 2.0), torch.distributions.Normal(1.0, 0.5)
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(q.parameters(), 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        reverse_kl(q, lambda x: p.log_prob(x).sum(-1), 128, generator).backward()
        optimizer.step()
    assert q.bijection.loc.item() == pytest.approx(1, abs=0.02)
    assert q.bijection.factor.item() == pytest.approx(0.5, abs=0.02)


def test_forward_kl_finds_the_maximum_likelihood_gaussian():
    x = 3 + 0.5 * torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    q = gaussian_flow(0.0, 1.0)
    optimizer = torch.optim.LBFGS(q.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = q.loss(x)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert q.bijection.loc.item() == pytest.approx(x.mean().item(), abs=1e-3)
    assert q.bijection.factor.item() == pytest.approx(x.std(correction=0).item(), abs=1e-3)


def test_reverse_kl_rejects_bad_input(unchecked):
    q = gaussian_flow(0.0, 1.0)
    with pytest.raises(ValueError, match="n: got 0"):
        reverse_kl(q, lambda x: x.sum(-1), 0)
    with pytest.raises(ValueError, match=r"log_target: got shape \(3, 1\)"):
        reverse_kl(q, lambda x: x, 3)
    with pytest.raises(ValueError, match="log_target: got NaN"):
        reverse_kl(q, lambda x: x.sum(-1) / 0, 3)


def test_multiscale_flow_on_digits_sized_images():
    flow = flows.multiscale_real_nvp((1, 8, 8), couplings=2, hidden=(16,))
    with seeded(0):
        x = torch.rand(6, 1, 8, 8)
    first = flow.loss(x)
    optimizer = torch.optim.Adam(flow.parameters(), 1e-2)
    for _ in range(20):
        optimizer.zero_grad()
        loss = flow.loss(x)
        loss.backward()
        optimizer.step()
    assert loss < first - 1
    samples = flow.sample(3, generator=torch.Generator().manual_seed(0))
    assert samples.shape == (3, 1, 8, 8)
    assert samples.isfinite().all()


def test_multiscale_flow_rejects_other_shapes(unchecked):
    flow = flows.multiscale_real_nvp((1, 8, 8), couplings=1, hidden=(4,))
    with pytest.raises(ValueError, match=r"x: got shape \(2, 64\); want \(n, 1, 8, 8\)"):
        flow.log_prob(torch.rand(2, 64))
