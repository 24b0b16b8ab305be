"""The RBM against loops over joint states; its sampler, its gradients, learning end to end."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib.data import bars_and_stripes
from dgm_lib.energy import (
    RBM,
    ContrastiveLoss,
    GaussianRBM,
    all_states,
    cd_gradients,
    exact_gradients,
    free_energy,
    hidden_probs,
)
from dgm_lib.fit import fit
from dgm_lib.model import HasEnergy, HasLogProb, HasLoss, HasSample
from tests.energy import brute

SIZES = [(1, 1), (4, 2), (2, 4), (3, 3)]


def weights(visible, hidden, seed=0, scale=1.0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(visible, hidden), (visible,), (hidden,)]
    return [scale * torch.randn(s, generator=generator, dtype=dtype) for s in shapes]


def build(visible, hidden, seed=0, scale=1.0):
    return RBM(visible, hidden).double().set_weights(*weights(visible, hidden, seed, scale))


def joint(W, b, c):
    """The same machine as a Boltzmann machine over (v, h), for the loops in `brute`."""
    d, k = len(b) + len(c), len(b)
    full = torch.zeros(d, d, dtype=W.dtype)
    full[:k, k:], full[k:, :k] = W, W.T
    return full, torch.cat([b, c])


def frequencies(x):
    """How often each state occurs, in counting order."""
    place = 2 ** torch.arange(x.shape[1] - 1, -1, -1)
    return torch.bincount((x.long() * place).sum(1), minlength=2 ** x.shape[1]) / len(x)


@pytest.mark.parametrize(("visible", "hidden"), SIZES)
def test_everything_exact_equals_loops_over_joint_states(visible, hidden):
    W, b, c = weights(visible, hidden)
    model = build(visible, hidden)
    states, p, log_z = brute.tensors(*joint(W, b, c))
    assert model.log_partition().item() == pytest.approx(log_z)
    v = all_states(visible, dtype=torch.float64)
    by_v = p.view(2**visible, 2**hidden)
    marginal = by_v.sum(1)
    assert torch.allclose(model.log_prob(v), marginal.log())
    assert torch.allclose(free_energy(v, W, b, c), -marginal.log() - log_z)
    assert torch.allclose(model.energy(v), free_energy(v, W, b, c))
    h = all_states(hidden, dtype=torch.float64)
    assert torch.allclose(hidden_probs(v, W, c), (by_v / marginal[:, None]) @ h)
    assert torch.allclose(model.hidden_probs(v), hidden_probs(v, W, c))
    assert torch.allclose(model.visible_probs(h), (by_v / by_v.sum(0)).T @ v)
    energies = torch.tensor([brute.energy(s, *joint(W, b, c)) for s in states.tolist()])
    got = model.joint_energy(states[:, :visible], states[:, visible:])
    assert torch.allclose(got, energies.double())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.floats(0.1, 5.0))
def test_free_energy_sums_out_the_hidden_units(seed, visible, hidden, scale):
    W, b, c = weights(visible, hidden, seed, scale)
    for v in itertools.product((0, 1), repeat=visible):
        terms = [
            math.exp(-brute.energy(v + h, *joint(W, b, c)))
            for h in itertools.product((0, 1), repeat=hidden)
        ]
        x = torch.tensor([v], dtype=torch.float64)
        assert free_energy(x, W, b, c).item() == pytest.approx(-math.log(sum(terms)), abs=1e-9)


def test_free_energy_and_its_gradient_survive_large_weights():
    for dtype in (torch.float32, torch.float64):
        W = torch.tensor([[2000.0, -2000.0]], dtype=dtype, requires_grad=True)
        zero = torch.zeros(2, dtype=dtype)
        F = free_energy(torch.ones(1, 1, dtype=dtype), W, zero[:1], zero)
        assert F.item() == -2000
        F.sum().backward()
        assert torch.equal(W.grad, torch.tensor([[-1.0, 0.0]], dtype=dtype))


def test_free_energy_in_float64_has_sixteen_digits_around_twenty():
    one = torch.ones(1, 1, dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    for t in (15.0, 19.0, 21.0, 30.0):
        got = free_energy(one, t * one, zero, zero).item() + t
        assert got == pytest.approx(-math.log1p(math.exp(-t)), rel=1e-4, abs=1e-14)


def test_enumeration_in_several_pieces_is_the_same(monkeypatch):
    W, b, c = weights(6, 4)
    v = all_states(6, dtype=torch.float64)[:5]
    whole = build(6, 4).log_partition(), *exact_gradients(v, W, b, c)
    monkeypatch.setattr("dgm_lib.energy.rbm._rows", lambda M: 3)
    pieces = build(6, 4).log_partition(), *exact_gradients(v, W, b, c)
    for one, other in zip(whole, pieces, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize(("visible", "hidden"), SIZES)
def test_exact_gradients_equal_autograd(visible, hidden):
    model = build(visible, hidden, seed=3)
    v = all_states(visible, dtype=torch.float64)[: 2**visible // 2 + 1]
    (-model.loss(v)).backward()
    got = exact_gradients(v, model.W.detach(), model.b.detach(), model.c.detach())
    for mine, auto in zip(got, (model.W.grad, model.b.grad, model.c.grad), strict=True):
        assert torch.allclose(mine, auto, atol=1e-12)


def test_cd_gradients_follow_the_uniforms():
    """Two steps of every chain, unit by unit in Python."""
    W, b, c = weights(3, 2, seed=1)
    generator = torch.Generator().manual_seed(2)
    v = torch.tensor([[1, 0, 1], [0, 1, 1]], dtype=torch.float64).repeat(10, 1)
    hu = torch.rand(2, 20, 2, generator=generator, dtype=torch.float64)
    vu = torch.rand(2, 20, 3, generator=generator, dtype=torch.float64)
    sigmoid = lambda t: 1 / (1 + math.exp(-t))  # noqa: E731
    dW, db, dc = torch.zeros_like(W), torch.zeros_like(b), torch.zeros_like(c)
    for m in range(20):
        p = lambda x: [sigmoid(c[j] + sum(x[i] * W[i, j] for i in range(3))) for j in range(2)]  # noqa: E731
        state = v[m].tolist()
        for t in range(2):
            h = [float(hu[t, m, j] < q) for j, q in enumerate(p(state))]
            on = [sigmoid(b[i] + sum(W[i, j] * h[j] for j in range(2))) for i in range(3)]
            state = [float(vu[t, m, i] < on[i]) for i in range(3)]
        for sign, x in ((1, v[m].tolist()), (-1, state)):
            for i, j in itertools.product(range(3), range(2)):
                dW[i, j] += sign * x[i] * p(x)[j] / 20
            db += sign * torch.tensor(x) / 20
            dc += sign * torch.tensor(p(x)) / 20
    for got, want in zip(cd_gradients(v, hu, vu, W, b, c), (dW, db, dc), strict=True):
        assert torch.allclose(got, want, atol=1e-7)


def test_cd_is_biased_and_many_steps_are_not():
    W, b, c = weights(3, 2, seed=7)
    v = all_states(3, dtype=torch.float64)[3:4].repeat(20000, 1)
    exact = exact_gradients(v[:1], W, b, c)
    generator = torch.Generator().manual_seed(0)
    error = {}
    for k in (1, 50):
        u = torch.rand(k, 20000, 5, generator=generator, dtype=torch.float64)
        got = cd_gradients(v, u[..., 3:], u[..., :3], W, b, c)
        error[k] = max((g - e).abs().max().item() for g, e in zip(got, exact, strict=True))
    assert error[50] < 0.018  # five standard errors: 5 · 0.5 / √20000
    assert error[1] > 0.06


@pytest.mark.parametrize("persistent", [True, False])
def test_the_contrastive_loss_has_the_contrastive_gradient(persistent):
    model = build(4, 3, seed=2)
    v = all_states(4, dtype=torch.float64)[:6]
    loss = ContrastiveLoss(k=2, persistent=persistent, chains=5)
    value = loss(model, v)
    value.backward()
    fantasies = loss.fantasies
    assert len(fantasies) == (5 if persistent else 6)
    assert torch.allclose(value, model.energy(v).mean() - model.energy(fantasies).mean())
    p, q = model.hidden_probs(v), model.hidden_probs(fantasies)
    want_W = v.T @ p / 6 - fantasies.T @ q / len(fantasies)
    assert torch.allclose(model.W.grad, -want_W)
    assert torch.allclose(model.b.grad, -(v.mean(0) - fantasies.mean(0)))
    assert torch.allclose(model.c.grad, -(p.mean(0) - q.mean(0)))


def test_persistent_chains_go_on_and_move_only_when_learning():
    model, x = build(4, 3), torch.ones(2, 4, dtype=torch.float64)
    loss = ContrastiveLoss(persistent=True, chains=50)
    loss(model, x)
    before = loss.fantasies
    with torch.no_grad():
        loss(model, x)
    assert torch.equal(loss.fantasies, before)
    loss(model, x)
    assert not torch.equal(loss.fantasies, before)


@pytest.mark.parametrize("steps", [1, 3])
def test_gibbs_leaves_the_model_as_it_is(steps):
    model = build(3, 2, seed=4)
    want = model.log_prob(all_states(3, dtype=torch.float64)).exp()
    generator = torch.Generator().manual_seed(0)
    x = model.sample(100000, generator=generator)
    assert (frequencies(x) - want).abs().max() < 0.008  # five standard errors
    assert (frequencies(model.gibbs(x, steps, generator)) - want).abs().max() < 0.008


@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (2, 4)])
def test_gibbs_reaches_the_model_from_anywhere_and_one_sweep_is_exact(visible, hidden):
    model = build(visible, hidden, seed=6)
    states = all_states(visible, dtype=torch.float64)
    h = all_states(hidden, dtype=torch.float64)
    p_h, p_v = model.hidden_probs(states[-1:]), model.visible_probs(h)
    of_h = (h * p_h + (1 - h) * (1 - p_h)).prod(1)
    of_v = (states[:, None] * p_v + (1 - states[:, None]) * (1 - p_v)).prod(2)
    generator = torch.Generator().manual_seed(0)
    start = states[-1:].repeat(100000, 1)
    assert (frequencies(model.gibbs(start, 1, generator)) - of_v @ of_h).abs().max() < 0.008
    after = model.gibbs(start[:40000], 60, generator)
    assert (frequencies(after) - model.log_prob(states).exp()).abs().max() < 0.0125
    assert torch.equal(model.gibbs(start, 0), start)


def test_completion_draws_from_the_conditional():
    model = build(4, 3, seed=7)
    observed = torch.tensor([True, False, True, False])
    x = torch.tensor([[1.0, 9, 0, 9]]).double().repeat(40000, 1)  # 9: not looked at
    got = model.complete(x, observed, 40, torch.Generator().manual_seed(0))
    assert (got[:, observed] == x[:, observed]).all()
    states = all_states(4, dtype=torch.float64)
    agree = (states[:, 0] == 1) & (states[:, 2] == 0)
    p = model.log_prob(states).exp() * agree
    assert (frequencies(got) - p / p.sum()).abs().max() < 0.0125


def test_reconstruction_is_a_pass_up_and_down():
    W, b, c = weights(4, 3)
    x = all_states(4, dtype=torch.float64)
    want = hidden_probs(hidden_probs(x, W, c), W.T.contiguous(), b)
    assert torch.allclose(build(4, 3).reconstruct(x), want)


def test_a_large_machine_is_sampled_by_chains():
    W, b, c = torch.zeros(30, 25), torch.linspace(-2, 2, 30), torch.zeros(25)
    x = RBM(30, 25).set_weights(W, b, c).sample(4000, generator=torch.Generator().manual_seed(0))
    assert x.shape == (4000, 30)
    assert (x.mean(0) - torch.sigmoid(b)).abs().max() < 0.04


def test_speaks_the_verbs_and_seeds():
    model = RBM(3, 2, seed=3)
    for protocol in (HasLogProb, HasEnergy, HasSample, HasLoss):
        assert isinstance(model, protocol)
        assert isinstance(GaussianRBM(3, 2), protocol)
    before = torch.random.get_rng_state()
    assert torch.equal(RBM(3, 2, seed=3).W, model.W)
    assert not torch.equal(RBM(3, 2, seed=4).W, model.W)
    assert torch.equal(before, torch.random.get_rng_state())


def test_exact_learning_finds_bars_and_stripes():
    x = bars_and_stripes(2)
    model = RBM(4, 4, scale=1.0)
    fit(model, x, epochs=300, lr=0.1, valid=0.0)
    assert model.loss(x).item() < math.log(len(x)) + 0.1


@pytest.mark.parametrize("persistent", [True, False])
def test_contrastive_learning_comes_near_the_exact_optimum(persistent):
    truth = RBM(6, 3, scale=1.5, seed=1)
    x = truth.sample(1000, generator=torch.Generator().manual_seed(1))
    exact, sampled = RBM(6, 3, scale=0.5), RBM(6, 3, scale=0.5)
    kwargs = {"epochs": 60, "lr": 0.03, "valid": 0.0, "batch_size": 250}
    fit(exact, x, **kwargs)
    loss = ContrastiveLoss(k=1 if persistent else 5, persistent=persistent, chains=500)
    before = sampled.loss(x).item()
    fit(sampled, x, loss=loss, **kwargs)
    assert sampled.loss(x).item() < exact.loss(x).item() + 0.05
    assert before > exact.loss(x).item() + 0.3


def test_diverging_weights_stop_with_advice():
    x = torch.ones(20, 5)
    x[::2, :2] = 0
    with pytest.raises(FloatingPointError, match=r"weights diverge.*lower lr"):
        fit(RBM(5, 4), x, loss=ContrastiveLoss(), epochs=100, lr=60.0, valid=0.0)
    broken = RBM(5, 4)
    torch.nn.init.constant_(broken.W, math.nan)
    with pytest.raises(FloatingPointError, match="the largest is nan; lower lr"):
        ContrastiveLoss()(broken, x)


def gaussian(visible, hidden, seed=0):
    model = GaussianRBM(visible, hidden).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.8 * torch.randn(parameter.shape, generator=generator).double())
    return model


def test_the_gaussian_rbm_integrates_to_one_and_is_the_mixture():
    model = gaussian(1, 3)
    grid = torch.linspace(-30, 30, 60001, dtype=torch.float64)[:, None]
    p = model.log_prob(grid).exp()
    assert torch.trapezoid(p, dx=0.001).item() == pytest.approx(1, abs=1e-9)
    two = gaussian(2, 2, seed=1)
    line = torch.linspace(-15, 15, 601, dtype=torch.float64)
    p = two.log_prob(torch.cartesian_prod(line, line)).exp()
    assert p.sum().item() * 0.05**2 == pytest.approx(1, abs=1e-6)


def test_the_gaussian_free_energy_sums_out_the_hidden_units():
    model = gaussian(3, 2)
    W, b, c, sigma = (t.detach() for t in (model.W, model.b, model.c, model.sigma))
    v = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).double()
    h = all_states(2, dtype=torch.float64)
    square = ((v - b) ** 2 / (2 * sigma**2)).sum(1)
    E = square[:, None] - (v / sigma) @ W @ h.T - h @ c
    assert torch.allclose(model.energy(v), -(-E).logsumexp(1))
    assert torch.allclose(model.hidden_probs(v), (-E).softmax(1) @ h)
    # p(v | h) is proportional to exp(-E(v, h)) as a function of v
    law = torch.distributions.Normal(model.visible_mean(h)[:, None], sigma)
    difference = law.log_prob(v).sum(-1).T + E
    assert torch.allclose(difference, difference[:1].expand_as(difference))


def test_gaussian_samples_and_gibbs_follow_the_density():
    model = gaussian(1, 2, seed=2)
    grid = torch.linspace(-20, 20, 40001, dtype=torch.float64)[:, None]
    p = model.log_prob(grid).exp().detach() * 0.001
    mean = (p * grid[:, 0]).sum()
    std = ((p * grid[:, 0] ** 2).sum() - mean**2).sqrt()
    generator = torch.Generator().manual_seed(0)
    x = model.sample(40000, generator=generator)
    for draws in (x, model.gibbs(x, 3, generator), model.gibbs(model.start(40000), 60, generator)):
        assert (draws.mean() - mean).abs() < 5 * std / 200
        assert (draws.std() / std - 1).abs() < 0.03


@pytest.mark.parametrize("kind", [None, {"k": 5}])
def test_a_gaussian_rbm_learns_two_clusters(kind):
    loss = None if kind is None else ContrastiveLoss(**kind)
    generator = torch.Generator().manual_seed(0)
    sign = torch.randint(0, 2, (1000, 1), generator=generator) * 2.0 - 1
    x = 2 * sign + 0.5 * torch.randn(1000, 2, generator=generator)
    x = x / x.std(0)
    model = GaussianRBM(2, 2, scale=0.5)
    fit(model, x, loss=loss, epochs=80, lr=0.03, valid=0.0, batch_size=200)
    normal = torch.distributions.MultivariateNormal(x.mean(0), x.T.cov())
    assert model.loss(x).item() < -normal.log_prob(x).mean().item() - 0.15
    error = (model.reconstruct(x) - x).pow(2).mean()
    assert error < 0.3  # of a variance of 1; without the hidden units it would be that


@pytest.mark.parametrize("persistent", [True, False])
def test_the_contrastive_loss_of_a_gaussian_rbm_becomes_exact_with_many_sweeps(persistent):
    model = gaussian(2, 2, seed=3)
    v = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)).double()
    names, parameters = zip(*model.named_parameters(), strict=True)
    exact = torch.autograd.grad(model.loss(v), parameters)
    loss = ContrastiveLoss(k=40, persistent=persistent, chains=40000)
    got = torch.autograd.grad(loss(model, v.repeat(10000, 1)), parameters)
    x = model.sample(40000, generator=torch.Generator().manual_seed(1))
    per_sample = torch.func.vmap(torch.func.grad(lambda p, x: one(model, p, x)), (None, 0))
    spread = per_sample(dict(zip(names, parameters, strict=True)), x)
    for name, mine, want in zip(names, got, exact, strict=True):
        error = spread[name].std(0) / 200
        assert ((mine - want).abs() < 5 * error + 1e-9).all(), name


def one(model, parameters, x):
    """The free energy of a single state, as a function of the parameters."""
    return torch.func.functional_call(Unchecked(model), prefixed(parameters), (x[None],))[0]


class Unchecked(torch.nn.Module):
    """The free energy as `forward`: the public verbs look at values, which vmap forbids."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model.free_energy(x, self.model.field(x))


def prefixed(parameters):
    return {f"model.{name}": value for name, value in parameters.items()}


def test_bad_input_is_named(unchecked):
    W, b, c = torch.zeros(3, 2), torch.zeros(3), torch.zeros(2)
    v, hu, vu = torch.zeros(4, 3), torch.zeros(1, 4, 2), torch.zeros(1, 4, 3)
    big, nothing = RBM(25, 22), torch.zeros(3, dtype=torch.bool)
    for call, message in [
        (lambda: free_energy(torch.zeros(4, 2), W, b, c), r"v: got shape \(4, 2\); want \(n, 3\)"),
        (lambda: free_energy(v[:0], W, b, c), "v: got an empty batch"),
        (lambda: free_energy(v.double(), W, b, c), "v: got dtype torch.float64"),
        (lambda: free_energy(v / 0, W, b, c), "v: got 12 NaN"),
        (lambda: free_energy(v, W.T, b, c), r"W: got shape \(2, 3\); want \(3, 2\)"),
        (lambda: free_energy(v, W.double(), b, c), "W: got dtype torch.float64"),
        (lambda: free_energy(v, W, b, c.double()), "c: got dtype torch.float64"),
        (lambda: hidden_probs(v, W, b), r"W: got shape \(3, 2\); want \(3, 3\)"),
        (lambda: hidden_probs(v.long(), W, c), "v: got dtype torch.int64"),
        (lambda: cd_gradients(v + 0.5, hu, vu, W, b, c), "v: got the value 0.5; want only 0 or 1"),
        (lambda: cd_gradients(v, hu[:, :2], vu, W, b, c), "hidden_uniforms: got shape"),
        (lambda: cd_gradients(v, hu, vu.repeat(2, 1, 1), W, b, c), "visible_uniforms: got shape"),
        (lambda: cd_gradients(v, hu + 2, vu, W, b, c), "hidden_uniforms: got values from 2 to 2"),
        (lambda: exact_gradients(v - 1, W, b, c), "v: got the value -1"),
        (lambda: RBM(0, 2), "visible: got 0"),
        (lambda: RBM(2, 0), "hidden: got 0"),
        (lambda: RBM(2, 2).set_weights(W, b, c), r"W: got shape \(3, 2\); want \(2, 2\)"),
        (lambda: RBM(3, 2).log_prob(v + 2), "x: got the value 2"),
        (lambda: big.log_partition(), "an RBM of 22 and 25 units.*ais_log_partition"),
        (lambda: big.loss(torch.zeros(1, 25)), "an RBM of 22 and 25 units.*ContrastiveLoss"),
        (lambda: RBM(3, 2).gibbs(v, -1), "steps: got -1"),
        (lambda: RBM(3, 2).gibbs(v + 0.5), "state: got the value 0.5"),
        (lambda: RBM(3, 2).complete(v, nothing, 0), "sweeps: got 0"),
        (lambda: RBM(3, 2).complete(v, nothing[:2]), "observed: got"),
        (lambda: RBM(3, 2).sample(0), "n: got 0"),
        (lambda: ContrastiveLoss(k=0), "k: got 0"),
        (lambda: ContrastiveLoss(chains=0), "chains: got 0"),
        (lambda: ContrastiveLoss()(RBM(3, 2), v + 0.5), "x: got the value 0.5"),
        (lambda: GaussianRBM(0, 2), "visible: got 0"),
        (lambda: GaussianRBM(2, 21).log_partition(), "hidden units: got 21"),
        (lambda: GaussianRBM(3, 2).energy(torch.zeros(1, 2)), "x: got shape"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
