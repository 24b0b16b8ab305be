"""The module: hidden units summed out, conditionals, completion and samples, against loops."""

import itertools
import math

import pytest
import torch

from dgm_lib.energy import BoltzmannMachine, all_states, energy
from dgm_lib.model import HasEnergy, HasLogProb, HasLoss, HasSample
from tests.energy import brute

CASES = [(v, h, units) for v, h in [(1, 0), (4, 0), (3, 2), (1, 3)] for units in [(0, 1), (-1, 1)]]


def build(visible, hidden, units, seed=0):
    model = BoltzmannMachine(visible, hidden, units).double()
    return model.set_weights(*brute.machine(visible + hidden, seed))


@pytest.mark.parametrize(("visible", "hidden", "units"), CASES)
def test_log_prob_sums_out_the_hidden_units(visible, hidden, units):
    model = build(visible, hidden, units)
    states, p, log_z = brute.table(model.W.detach(), model.b.detach(), units)
    for v in itertools.product(units, repeat=visible):
        x = torch.tensor([v], dtype=torch.float64)
        want = sum(q for s, q in zip(states, p, strict=True) if s[:visible] == v)
        assert model.log_prob(x).exp().item() == pytest.approx(want, abs=1e-12)
        free_energy = -math.log(want) - log_z
        assert model.energy(x).item() == pytest.approx(free_energy, abs=1e-9)
    everything = all_states(visible, units, torch.float64)
    assert model.log_prob(everything).exp().sum().item() == pytest.approx(1)


def test_speaks_the_verbs():
    model = BoltzmannMachine(3, 2)
    for protocol in (HasLogProb, HasEnergy, HasSample, HasLoss):
        assert isinstance(model, protocol)


def test_weights_are_symmetric_and_every_parameter_gets_a_gradient():
    model = BoltzmannMachine(4, 2, scale=1.0)
    assert torch.equal(model.W, model.W.T)
    assert (model.W.diagonal() == 0).all()
    x = torch.tensor([[0, 1, 1, 0], [1, 1, 0, 0.0]])
    model.loss(x).backward()
    for parameter in model.parameters():
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).all()


def test_saves_and_loads():
    model, other = BoltzmannMachine(4, 2, seed=1), BoltzmannMachine(4, 2, seed=2)
    assert not torch.equal(model.W, other.W)
    other.load_state_dict(model.state_dict())
    assert torch.equal(model.W, other.W)


def test_the_seed_fixes_the_weights_and_leaves_the_global_state_alone():
    before = torch.random.get_rng_state()
    a, b = BoltzmannMachine(5, seed=3), BoltzmannMachine(5, seed=3)
    assert torch.equal(a.pairs, b.pairs)
    a.sample(5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
def test_log_conditional_is_a_ratio_for_any_two_sets(units):
    model = build(3, 2, units)
    states, p, _ = brute.tensors(model.W.detach(), model.b.detach(), units)
    x = states[11:12]
    for query, given in [([0], []), ([0, 4], [2]), ([1], [0, 2, 3, 4]), ([0, 1, 2, 3, 4], [])]:
        mask = lambda units: torch.tensor([i in units for i in range(5)])  # noqa: E731
        agree = lambda m: (states[:, m] == x[:, m]).all(1)  # noqa: E731
        both = p[agree(mask(query) | mask(given))].sum() / p[agree(mask(given))].sum()
        got = model.log_conditional(x, mask(query), mask(given)).exp()
        assert got.item() == pytest.approx(both.item(), abs=1e-12)


def frequencies(samples, units):
    """How often each state occurs, in counting order."""
    index = ((samples == units[1]).long() * 2 ** torch.arange(samples.shape[1] - 1, -1, -1)).sum(1)
    return torch.bincount(index, minlength=2 ** samples.shape[1]) / len(samples)


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
def test_exact_samples_follow_log_prob(units):
    model = build(3, 2, units)
    x = model.sample(50000, generator=torch.Generator().manual_seed(0))
    want = model.log_prob(all_states(3, units, torch.float64)).exp()
    assert (frequencies(x, units) - want).abs().max() < 0.0125  # five standard errors


@pytest.mark.parametrize("sweeps", [None, 25])
@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
def test_completion_follows_the_conditional(units, sweeps):
    model = build(4, 0, units)
    observed = torch.tensor([False, True, False, True])
    x = torch.tensor([[units[1], units[0], units[0], units[1]]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    full = model.complete(x.expand(50000, 4), observed, sweeps, generator)
    assert (full[:, observed] == x[:, observed]).all()
    states = all_states(4, units, torch.float64)
    agree = (states[:, observed] == x[:, observed]).all(1)
    want = model.log_prob(states).exp() * agree
    got = frequencies(full, units)
    assert (got - want / want.sum()).abs().max() < 0.0125


def test_large_machines_sample_by_gibbs():
    model = BoltzmannMachine(30, scale=0.0)
    with torch.no_grad():
        model.b.fill_(2.0)
    x = model.sample(2000, generator=torch.Generator().manual_seed(0), sweeps=2)
    assert x.shape == (2000, 30)
    assert (x.mean() - torch.sigmoid(torch.tensor(2.0))).abs() < 0.01


def test_energy_needs_no_partition_function():
    model = BoltzmannMachine(40)
    x = torch.ones(2, 40)
    assert torch.equal(model.energy(x), energy(x, model.W, model.b))


def test_bad_input_is_named(unchecked):
    model = BoltzmannMachine(3, 1)
    x = torch.zeros(2, 4)
    none = torch.zeros(4, dtype=torch.bool)
    for call, message in [
        (lambda: BoltzmannMachine(0), "visible: got 0"),
        (lambda: BoltzmannMachine(2, -1), "hidden: got -1"),
        (lambda: BoltzmannMachine(2, units=(0, 3)), r"units: got \(0, 3\)"),
        (lambda: BoltzmannMachine(21).log_prob(torch.zeros(1, 21)), "units to enumerate: got 21"),
        (lambda: BoltzmannMachine(2, 21).energy(torch.zeros(1, 2)), "hidden units: got 21"),
        (lambda: model.log_prob(x), r"x: got shape \(2, 4\); want \(n, 3\)"),
        (lambda: model.log_prob(x[:, :3] + 0.5), "x: got the value 0.5"),
        (lambda: model.log_prob(x[:0, :3]), "x: got an empty batch"),
        (lambda: model.sample(0), "n: got 0"),
        (lambda: model.complete(x, none[:2]), "observed: got"),
        (lambda: model.log_conditional(x, none[:3], none), "query: got"),
        (lambda: model.log_conditional(x + 2, ~none, none), "x: got the value 2"),
        (lambda: model.set_weights(torch.zeros(3, 3), torch.zeros(3)), "b: got 3 biases; want 4"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
