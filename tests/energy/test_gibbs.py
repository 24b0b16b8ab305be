"""Chains: the fast sampler is the plain one, clamped units stay, the long run is right."""

import pytest
import torch

from dgm_lib.energy import conditional, exact_sweep, gibbs, gibbs_step
from tests.energy import brute


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
def test_gibbs_is_gibbs_step_repeated(units):
    W, b = brute.machine(7, 0)
    x = torch.full((50, 7), float(units[1]), dtype=torch.float64)
    got = gibbs(x, W, b, units, steps=4, generator=seeded())
    generator = seeded()
    for _ in range(4):
        u = torch.rand(7, 50, generator=generator, dtype=torch.float64)
        x = gibbs_step(x, u.T, W, b, units)
    assert torch.equal(got, x)


def test_gibbs_keeps_observed_units_and_finds_the_conditional():
    W, b = brute.machine(6, 1)
    observed = torch.tensor([True, False, False, True, False, False])
    x = torch.tensor([[1, 0, 0, 0, 0, 0]], dtype=torch.float64).expand(40000, 6)
    end = gibbs(x, W, b, steps=20, observed=observed, generator=seeded())
    assert (end[:, observed] == x[:, observed]).all()
    # 40,000 independent chains: a standard error of at most 0.0025
    assert (end.mean(0) - conditional(x[:1], observed, W, b)[0]).abs().max() < 0.0125


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
def test_exact_sweep_keeps_p_and_brings_everything_towards_it(units):
    W, b = brute.machine(5, 2, scale=0.5)
    _, p, _ = brute.tensors(W, b, units)
    assert torch.allclose(exact_sweep(p[None], W, b, units)[0], p)
    q = torch.eye(32, dtype=torch.float64)
    distance = [(q - p).abs().sum(1).max().item()]
    for _ in range(5):
        q = exact_sweep(q, W, b, units)
        assert torch.allclose(q.sum(1), torch.ones(32, dtype=torch.float64))
        distance.append((q - p).abs().sum(1).max().item())
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] < distance[0] / 2


def test_bad_input_is_named(unchecked):
    x, W, b = torch.zeros(2, 3), torch.zeros(3, 3), torch.zeros(3)
    with pytest.raises(ValueError, match="steps: got -1; want 0 or more"):
        gibbs(x, W, b, steps=-1)
    with pytest.raises(ValueError, match="observed: got torch"):
        gibbs(x, W, b, observed=torch.zeros(3))
    with pytest.raises(ValueError, match="x: got the value 0; want only -1 or 1"):
        gibbs(x, W, b, (-1, 1))
    with pytest.raises(ValueError, match=r"q: got shape \(1, 4\); want \(m, 8\)"):
        exact_sweep(torch.zeros(1, 4), W, b)
