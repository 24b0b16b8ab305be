"""The deep Boltzmann machine against loops over all states of its three layers."""

import itertools
import math

import pytest
import torch

from dgm_lib.data import bars_and_stripes
from dgm_lib.energy import (
    RBM,
    DeepBoltzmannMachine,
    DoubledLoss,
    MeanFieldLoss,
    ais_log_partition,
    all_states,
    dbm_mean_field,
    pretrain_dbm,
)
from dgm_lib.energy.dbm_training import join
from dgm_lib.energy.mean_field import entropy
from dgm_lib.fit import fit
from dgm_lib.model import HasElbo, HasEnergy, HasLogProb, HasLoss, HasSample
from tests.energy import brute
from tests.energy.test_rbm import build as build_rbm
from tests.energy.test_rbm import frequencies

SIZES = [(1, 1, 1), (3, 2, 4), (2, 4, 2), (4, 3, 2)]
double = torch.float64


def weights(sizes, seed=0, scale=1.0):
    v, h1, h2 = sizes
    generator = torch.Generator().manual_seed(seed)
    shapes = [(v, h1), (h1, h2), (v,), (h1,), (h2,)]
    return [scale * torch.randn(s, generator=generator, dtype=double) for s in shapes]


def build(sizes, seed=0, scale=1.0):
    return DeepBoltzmannMachine(*sizes).double().set_weights(*weights(sizes, seed, scale))


def joint(sizes, seed=0):
    """The same machine as a Boltzmann machine over (v, h1, h2), for the loops in `brute`."""
    W1, W2, b, c1, c2 = weights(sizes, seed)
    v, h1, _ = sizes
    full = torch.zeros(sum(sizes), sum(sizes), dtype=double)
    full[:v, v : v + h1], full[v : v + h1, v + h1 :] = W1, W2
    return full + full.T, torch.cat([b, c1, c2])


@pytest.mark.parametrize("sizes", SIZES)
def test_everything_exact_equals_loops_over_joint_states(sizes):
    model = build(sizes)
    states, p, log_z = brute.tensors(*joint(sizes))
    layers = states.split(sizes, 1)
    energies = torch.tensor([brute.energy(s, *joint(sizes)) for s in states.tolist()])
    assert torch.allclose(model.joint_energy(*layers), energies.double())
    assert model.log_partition().item() == pytest.approx(log_z)
    marginal = p.view(2 ** sizes[0], -1).sum(1)
    x = all_states(sizes[0], dtype=double)
    assert torch.allclose(model.log_prob(x), marginal.log())
    assert torch.allclose(model.energy(x), -marginal.log() - log_z)
    by_even = p.view(2 ** sizes[0], 2 ** sizes[1], -1).sum(1).flatten()
    even = torch.cat([layers[0], layers[2]], 1).view(
        2 ** sizes[0], 2 ** sizes[1], 2 ** sizes[2], -1
    )
    got = model.free_energy(even[:, 0].flatten(0, 1))
    assert torch.allclose(got, -by_even.log() - log_z)
    rbm = model.as_rbm()
    assert torch.allclose(rbm.energy(even[:, 0].flatten(0, 1)), got)
    assert not any(p is q for p in rbm.parameters() for q in model.parameters())


def test_enumeration_in_several_pieces_is_the_same(monkeypatch):
    model, x = build((3, 4, 3)), all_states(3, dtype=double)
    whole = model.energy(x)
    monkeypatch.setattr("dgm_lib.energy.dbm.TABLE", 3 * 8 * 4)  # three states of h2 at once
    assert torch.allclose(model.energy(x), whole)


def bound(v, mu1, mu2, sizes, seed=0):
    """E_q[-E] + H(q) by loops over every hidden state, for one v."""
    W, b = joint(sizes, seed)
    total = 0.0
    for h in itertools.product((0, 1), repeat=sizes[1] + sizes[2]):
        q = math.prod(m if on else 1 - m for m, on in zip((*mu1, *mu2), h, strict=True))
        if q > 0:
            total += q * (-brute.energy((*v, *h), W, b) - math.log(q))
    return total


@pytest.mark.parametrize("sizes", SIZES)
def test_the_bound_is_what_its_definition_says_and_lies_below(sizes):
    model = build(sizes)
    x = all_states(sizes[0], dtype=double)
    mu1, mu2 = model.mean_field(x, 3)
    rows = zip(x.tolist(), mu1.tolist(), mu2.tolist(), strict=True)
    want = torch.tensor([bound(*row, sizes) for row in rows], dtype=double) - model.log_partition()
    got = model.elbo(x, steps=3)
    assert torch.allclose(got, want)
    assert torch.allclose(model.elbo(x, steps=3, log_z=1.5), want + model.log_partition() - 1.5)
    assert (got <= model.log_prob(x) + 1e-12).all()


def test_the_bound_is_tight_where_the_posterior_is_factorial():
    """Without weights to the top the two hidden layers are independent given v."""
    W1, W2, b, c1, c2 = weights((3, 2, 2))
    model = DeepBoltzmannMachine(3, 2, 2).double().set_weights(W1, 0 * W2, b, c1, c2)
    x = all_states(3, dtype=double)
    assert torch.allclose(model.elbo(x, steps=1), model.log_prob(x))
    alone = RBM(3, 2).double().set_weights(W1, b, c1)
    assert torch.allclose(model.log_prob(x), alone.log_prob(x))
    assert (build((3, 2, 2)).elbo(x) < build((3, 2, 2)).log_prob(x) - 1e-3).all()


def test_mean_field_follows_its_equations_and_never_lowers_the_bound():
    sizes = (3, 4, 2)
    W1, W2, _, c1, c2 = weights(sizes, seed=2, scale=2.0)
    x = all_states(3, dtype=double)
    mu2 = [[0.5] * 2 for _ in x]
    before = torch.full((8,), -math.inf, dtype=double)
    model = build(sizes, seed=2, scale=2.0)
    for steps in range(1, 15):
        mu1 = [
            [
                1 / (1 + math.exp(-(c1 + W1.T @ v + W2 @ torch.tensor(m, dtype=double))[j]))
                for j in range(4)
            ]
            for v, m in zip(x, mu2, strict=True)
        ]
        mu2 = [
            [1 / (1 + math.exp(-(c2 + W2.T @ torch.tensor(m, dtype=double))[k])) for k in range(2)]
            for m in mu1
        ]
        got = dbm_mean_field(x, W1, W2, c1, c2, steps)
        assert torch.allclose(got[0], torch.tensor(mu1, dtype=double))
        assert torch.allclose(got[1], torch.tensor(mu2, dtype=double))
        after = model.elbo(x, steps=steps)
        assert (after >= before - 1e-12).all()
        before = after


def test_a_fixed_point_is_where_the_bound_is_flat():
    sizes = (3, 4, 2)
    W1, W2, _, c1, c2 = weights(sizes, seed=3)
    x = all_states(3, dtype=double)
    mu = [m.requires_grad_() for m in dbm_mean_field(x, W1, W2, c1, c2, 500)]
    value = -build(sizes, seed=3).joint_energy(x, *mu) + entropy(mu[0]) + entropy(mu[1])
    for slope in torch.autograd.grad(value.sum(), mu):
        assert slope.abs().max() < 1e-8


def test_the_loss_has_the_gradient_of_the_best_bound():
    """Against finite differences, which let q follow the weights: at a fixed point it need not."""
    model, x = build((3, 2, 3), seed=4, scale=0.7), all_states(3, dtype=double)[[0, 3, 6]]
    value = lambda: -model.elbo(x, steps=300).mean()  # noqa: E731
    parameters = list(model.parameters())
    for p, got in zip(parameters, torch.autograd.grad(value(), parameters), strict=True):
        for index in itertools.product(*map(range, p.shape)):
            slope = 0.0
            for step in (1e-5, -1e-5):
                with torch.no_grad():
                    p[index] += step
                    slope += value().item() / (2 * step)
                    p[index] -= step
            assert got[index].item() == pytest.approx(slope, abs=1e-7)


def test_joint_training_follows_data_minus_chains():
    model, x = build((3, 2, 3), seed=5), all_states(3, dtype=double)[:5]
    loss = MeanFieldLoss(steps=4, sweeps=2, chains=7)
    loss(model, x).backward()
    mu1, mu2 = (m.detach() for m in model.mean_field(x, 4))
    v, h2 = loss.fantasies.split([3, 3], 1)
    h1 = torch.sigmoid(model.c1 + v @ model.W1 + h2 @ model.W2.T).detach()
    want = {
        "W1": x.T @ mu1 / 5 - v.T @ h1 / 7,
        "W2": mu1.T @ mu2 / 5 - h1.T @ h2 / 7,
        "b": x.mean(0) - v.mean(0),
        "c1": mu1.mean(0) - h1.mean(0),
        "c2": mu2.mean(0) - h2.mean(0),
    }
    for name, value in want.items():
        assert torch.allclose(getattr(model, name).grad, -value), name


def test_with_many_chains_that_is_the_gradient_of_the_bound():
    model, x = build((3, 2, 3), seed=6), all_states(3, dtype=double)[:5]
    parameters = list(model.parameters())
    loss = MeanFieldLoss(steps=200, sweeps=60, chains=40000)
    got = torch.autograd.grad(loss(model, x), parameters)
    want = torch.autograd.grad(-model.elbo(x, steps=200).mean(), parameters)
    for mine, exact in zip(got, want, strict=True):
        assert (mine - exact).abs().max() < 0.0125  # five standard errors: 5 · 0.5 / √40000


@pytest.mark.parametrize("side", ["visible", "hidden"])
def test_the_doubled_loss_is_pcd_in_an_rbm_with_two_copies(side):
    """Its fantasies follow the law of an RBM with one side written twice; so does its gradient."""
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(3, 2, generator=generator, dtype=double)
    b, c = torch.randn(3, generator=generator, dtype=double), torch.zeros(2, dtype=double)
    model = RBM(3, 2).double().set_weights(W, b, c)
    x = all_states(3, dtype=double)[[1, 2, 7]]
    loss = DoubledLoss(side, sweeps=60, chains=40000)
    got = torch.autograd.grad(loss(model, x), [model.W, model.b, model.c])
    W, b, c = (p.detach().clone().requires_grad_() for p in (W, b, c))
    if side == "visible":
        double_W, double_b, double_c, data = torch.cat([W, W]), torch.cat([b, b]), c, x.repeat(1, 2)
    else:
        double_W, double_b, double_c, data = torch.cat([W, W], 1), b, torch.cat([c, c]), x
    field = double_c + data @ double_W
    log_p = data @ double_b + torch.nn.functional.softplus(field).sum(1)
    states = all_states(len(double_b), dtype=double)
    table = states @ double_b + torch.nn.functional.softplus(double_c + states @ double_W).sum(1)
    want = torch.autograd.grad(table.logsumexp(0) - log_p.mean(), [W, b, c])
    for mine, exact in zip(got, want, strict=True):
        assert (mine - exact).abs().max() < 0.025  # five standard errors, of sums up to 2


def test_the_joined_machine_averages_what_the_two_rbms_say():
    first, second = build_rbm(4, 3, seed=1), build_rbm(3, 2, seed=2)
    model = join(first, second)
    x = all_states(4, dtype=double)
    h2 = all_states(2, dtype=double).repeat(4, 1)
    with torch.no_grad():
        below, above = first.field(2 * x), second.b + 2 * h2 @ second.W.T
        field = model.c1 + x @ model.W1 + h2 @ model.W2.T
    assert torch.allclose(field, (below + above) / 2)
    assert torch.equal(model.b, first.b)
    assert torch.equal(model.c2, second.c)


def test_pretraining_is_reproducible_and_learns_both_layers():
    x = bars_and_stripes(3)
    one, other, raw = (
        pretrain_dbm(x, 8, 4, epochs=epochs, batch_size=14, lr=0.02) for epochs in (100, 100, 0)
    )
    for p, q, start in zip(one.parameters(), other.parameters(), raw.parameters(), strict=True):
        assert torch.equal(p, q)
        assert (p - start).abs().max() > 0.05


def test_the_second_rbm_learns_what_two_copies_of_the_data_say(monkeypatch):
    seen = []
    original = DoubledLoss.__call__

    def record(self, model, x, context=None):
        seen.append((model, x))
        return original(self, model, x, context)

    monkeypatch.setattr(DoubledLoss, "__call__", record)
    x = bars_and_stripes(2).repeat(5000, 1)
    pretrain_dbm(x, 3, 2, epochs=1, batch_size=len(x), lr=0.5)
    (first, _), (_, h) = seen
    assert first.W.abs().min() > 0.3  # so that one copy and two differ
    want = first.field(2 * x).sigmoid().mean(0)
    assert (h.mean(0) - want).abs().max() < 0.015  # five standard errors


def test_learning_end_to_end_raises_bound_and_likelihood():
    x = bars_and_stripes(3)
    model = pretrain_dbm(x, 8, 4, epochs=200, batch_size=14, lr=0.01)
    before = model.elbo(x).mean().item(), model.log_prob(x).mean().item()
    loss = MeanFieldLoss(sweeps=5, chains=200)
    fit(model, x, loss=loss, epochs=600, batch_size=14, lr=0.01, valid=0.0)
    after = model.elbo(x).mean().item(), model.log_prob(x).mean().item()
    independent = 9 * math.log(0.5)
    assert independent < before[1]
    assert after[0] > before[0] + 0.3
    assert after[1] > before[1] + 0.3
    assert after[0] <= after[1] <= -math.log(14)


def test_samples_and_gibbs_follow_the_model():
    model = build((2, 3, 2), seed=7)
    want = model.log_prob(all_states(2, dtype=double)).exp()
    generator = torch.Generator().manual_seed(0)
    x = model.sample(100000, generator=generator)
    assert (frequencies(x) - want).abs().max() < 0.008  # five standard errors
    even = model.as_rbm().sample(100000, generator=generator)
    exact = (-model.free_energy(all_states(4, dtype=double))).softmax(0)
    assert (frequencies(model.gibbs(even, 2, generator)) - exact).abs().max() < 0.008
    start = model.start(100000, generator)
    assert (frequencies(start) - 1 / 16).abs().max() < 0.004
    assert (frequencies(model.gibbs(start, 40, generator)) - exact).abs().max() < 0.008


def test_ais_gives_the_log_z_of_the_bound():
    model = DeepBoltzmannMachine(6, 5, 4).double().set_weights(*weights((6, 5, 4), seed=8))
    generator = torch.Generator().manual_seed(0)
    found = ais_log_partition(model.as_rbm(), steps=500, chains=300, generator=generator)
    assert found.low <= found.log_z <= found.high
    assert found.log_z == pytest.approx(model.log_partition().item(), abs=0.1)


def test_sizes_beyond_enumeration_work_where_they_can():
    model = DeepBoltzmannMachine(25, 22, 23, scale=0.1)
    x = torch.ones(3, 25)
    assert model.elbo(x, log_z=40.0).shape == (3,)
    assert model.sample(2, sweeps=2).shape == (2, 25)
    for call in (model.elbo, model.log_prob, model.energy):
        with pytest.raises(ValueError, match=r"an RBM of 22 and 48 units|got 22 .*want at most 20"):
            call(x)


def test_it_speaks_the_verbs_and_survives_large_weights():
    model = build((3, 2, 2))
    for verb in (HasElbo, HasEnergy, HasLogProb, HasLoss, HasSample):
        assert isinstance(model, verb)
    x = all_states(3, dtype=double)
    other = DeepBoltzmannMachine(3, 2, 2).double()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.log_prob(x), model.log_prob(x))
    for huge in (build((3, 2, 2), scale=1000.0), build((3, 2, 2), scale=1000.0).float()):
        x = x.to(huge.b.dtype)
        assert torch.isfinite(huge.elbo(x)).all()
        assert huge.log_prob(x).logsumexp(0).item() == pytest.approx(0, abs=1e-2)
        huge.loss(x).backward()
        assert all(torch.isfinite(p.grad).all() for p in huge.parameters())


def test_weights_that_diverge_stop_with_advice():
    model = DeepBoltzmannMachine(3, 2, 2)
    with torch.no_grad():
        model.W2[0, 0] = math.nan
    with pytest.raises(FloatingPointError, match=r"diverge.*nan.*lower lr"):
        MeanFieldLoss()(model, torch.ones(1, 3))
    with pytest.raises(FloatingPointError, match="lower lr"):
        pretrain_dbm(bars_and_stripes(2), 3, 2, lr=300.0, epochs=5)


def test_bad_input_is_named(unchecked):
    model, v = DeepBoltzmannMachine(3, 2, 4), torch.ones(2, 3)
    W1, W2, b, c1, c2 = (p.detach() for p in (model.W1, model.W2, model.b, model.c1, model.c2))
    for call, message in [
        (lambda: DeepBoltzmannMachine(3, 0, 2), "middle: got 0"),
        (lambda: DeepBoltzmannMachine(0, 1, 2), "visible: got 0"),
        (lambda: model.set_weights(W1, W2.T, b, c1, c2), "W: got shape"),
        (lambda: model.set_weights(W2.T, W1.T, c2, c1, b), r"W1, W2: got layers of \(4, 2, 3\)"),
        (lambda: dbm_mean_field(v, W1, W2, c1, c2, 0), "steps: got 0"),
        (lambda: dbm_mean_field(v[:, :2], W1, W2, c1, c2, 1), "v: got shape"),
        (lambda: dbm_mean_field(v, W1, W2.T, c1, c2, 1), "W: got shape"),
        (lambda: dbm_mean_field(v, W1, W2, c1.double(), c2, 1), "c: got dtype"),
        (lambda: model.elbo(v / 2), "x: got the value 0.5"),
        (lambda: model.elbo(v[:0]), "x: got an empty batch"),
        (lambda: model.energy(v.double()), "x: got dtype"),
        (lambda: model.joint_energy(v, v, v), "h1: got shape"),
        (lambda: model.gibbs(v), "state: got shape"),
        (lambda: model.gibbs(torch.full((1, 7), 0.5)), "state: got the value 0.5"),
        (lambda: model.gibbs(torch.ones(1, 7), -1), "steps: got -1"),
        (lambda: model.sample(0), "n: got 0"),
        (lambda: DoubledLoss("both"), "side: got 'both'"),
        (lambda: DoubledLoss("hidden", sweeps=0), "sweeps: got 0"),
        (lambda: DoubledLoss("hidden", chains=0), "chains: got 0"),
        (lambda: DoubledLoss("hidden")(RBM(3, 2), v / 2), "x: got the value 0.5"),
        (lambda: MeanFieldLoss(steps=0), "steps: got 0"),
        (lambda: MeanFieldLoss(sweeps=0), "sweeps: got 0"),
        (lambda: MeanFieldLoss(chains=0), "chains: got 0"),
        (lambda: join(RBM(3, 2), RBM(3, 2)), "first, second: got 2 hidden units in first, 3"),
        (lambda: pretrain_dbm(v / 2, 2, 2), "x: got the value 0.5"),
        (lambda: pretrain_dbm(v, 2, 0), "hidden: got 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
