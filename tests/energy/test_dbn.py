"""The deep belief network against sums over all hidden states, and how it learns."""

import itertools
import math

import pytest
import torch

from dgm_lib.data import bars_and_stripes
from dgm_lib.energy import (
    RBM,
    BoundLoss,
    ContrastiveLoss,
    DeepBeliefNetwork,
    ais_log_partition,
    all_states,
    base_rates,
    greedy,
)
from dgm_lib.fit import fit
from dgm_lib.model import HasElbo, HasLogProb, HasLoss, HasSample
from tests.energy.test_rbm import build, frequencies

SIZES = [(3, 2), (3, 2, 4), (3, 2, 3, 2)]
double = torch.float64


def stack(sizes, seed=0, scale=1.0):
    return [build(v, h, seed + i, scale) for i, (v, h) in enumerate(itertools.pairwise(sizes))]


def network(sizes, seed=0, scale=1.0):
    """A network whose recognition weights are not those of the way down."""
    model = DeepBeliefNetwork(stack(sizes, seed, scale))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.up:
            for p in layer.parameters():
                p.add_(0.7 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def bernoulli(y, logits):
    """Π_j p_j^{y_j} (1 - p_j)^{1 - y_j}, in Python."""
    on = [1 / (1 + math.exp(-t)) for t in logits]
    return math.prod(p if unit else 1 - p for p, unit in zip(on, y, strict=True))


def logits(layer, x):
    W, bias = layer.W.tolist(), layer.bias.tolist()
    return [bias[j] + sum(x[i] * W[i][j] for i in range(len(x))) for j in range(len(bias))]


def tables(model, v):
    """p(v, h) and q(h | v) of every h = (h_1, .., h_{L-1}), by loops over all units and states."""
    W, b, c = (p.tolist() for p in (model.top.W, model.top.b, model.top.c))

    def weight(x, h):
        pairs = sum(W[i][j] * x[i] * h[j] for i in range(len(x)) for j in range(len(h)))
        return math.exp(
            pairs + sum(map(lambda s, t: s * t, b, x)) + sum(map(lambda s, t: s * t, c, h))
        )

    bits = [list(itertools.product((0, 1), repeat=k)) for k in model.sizes]
    by_x = {x: sum(weight(x, h) for h in bits[-1]) for x in bits[-2]}
    Z = sum(by_x.values())
    joint, posterior = [], []
    for path in itertools.product(*bits[1:-1]):
        layers = (tuple(v), *path)
        p, q = by_x[layers[-1]] / Z, 1.0
        for below, above, down, up in zip(layers, layers[1:], model.down, model.up, strict=False):
            p *= bernoulli(below, logits(down, above))
            q *= bernoulli(above, logits(up, below))
        joint.append(p)
        posterior.append(q)
    return torch.tensor(joint, dtype=double), torch.tensor(posterior, dtype=double)


def exact_bound(model, x):
    rows = []
    for v in x.long().tolist():
        p, q = tables(model, v)
        rows.append((q * (p.log() - q.log())).sum())
    return torch.stack(rows)


@pytest.mark.parametrize("sizes", SIZES)
def test_log_prob_sums_over_all_hidden_states(sizes):
    model = network(sizes)
    x = all_states(sizes[0], dtype=double)
    want = torch.stack([tables(model, v)[0].sum().log() for v in x.long().tolist()])
    assert torch.allclose(model.log_prob(x), want)
    assert model.log_prob(x).exp().sum().item() == pytest.approx(1)


def test_log_prob_in_several_pieces_is_the_same(monkeypatch):
    model, x = network((3, 2, 4)), all_states(3, dtype=double)
    whole = model.log_prob(x)
    monkeypatch.setattr("dgm_lib.energy.dbn.TABLE", 12)  # three rows of four
    assert torch.allclose(model.log_prob(x), whole)


@pytest.mark.parametrize("sizes", SIZES)
def test_the_bound_is_the_average_over_q_and_lies_below(sizes):
    model = network(sizes)
    x = all_states(sizes[0], dtype=double)
    bound = exact_bound(model, x)
    generator = torch.Generator().manual_seed(0)
    weights = model.log_weights(x, 20000, generator)
    error = weights.std(0) / math.sqrt(20000)
    assert ((weights.mean(0) - bound).abs() <= 5 * error + 1e-9).all()
    if len(sizes) > 2:
        assert (bound < model.log_prob(x) - 1e-3).all()
    ratio = (weights - model.log_prob(x)).exp()  # unbiased for 1
    assert ((ratio.mean(0) - 1).abs() <= 5 * ratio.std(0) / math.sqrt(20000) + 1e-9).all()


def test_the_bound_is_tight_where_the_posterior_is_factorial():
    """A second RBM with the first one's weights transposed changes nothing (Hinton et al. 2006): q is
    then the exact posterior, so every single weight is log p(v), and that of the first RBM."""
    first = build(4, 3)
    tied = RBM(3, 4).double().set_weights(first.W.detach().T, first.c.detach(), first.b.detach())
    model = DeepBeliefNetwork([first, tied])
    x = all_states(4, dtype=double)
    assert torch.allclose(model.log_prob(x), first.log_prob(x))
    assert torch.allclose(model.log_weights(x, 3), first.log_prob(x).expand(3, -1))
    assert torch.allclose(exact_bound(model, x), first.log_prob(x))


def test_a_better_law_of_the_hidden_units_raises_the_bound():
    """Why greedy training works: the bound moves by exactly E_q[log p_new(h) - log p_old(h)]."""
    first = build(4, 3, scale=2.0)
    tied = RBM(3, 4).double().set_weights(first.W.detach().T, first.c.detach(), first.b.detach())
    before = DeepBeliefNetwork([first, tied])
    x = all_states(4, dtype=double)[[0, 3, 12, 15]]
    h = all_states(3, dtype=double)
    on = first.hidden_probs(x).detach()[:, None]
    q = (on * h + (1 - on) * (1 - h)).prod(-1)
    old = (q @ tied.log_prob(h).detach()).mean()
    optimizer = torch.optim.Adam(tied.parameters(), 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        (-(q @ tied.log_prob(h)).mean()).backward()
        optimizer.step()
    gain = (q @ tied.log_prob(h).detach()).mean() - old
    after = DeepBeliefNetwork([first, tied])
    assert gain > 0.1
    rise = exact_bound(after, x).mean() - exact_bound(before, x).mean()
    assert torch.allclose(rise, gain)
    assert after.log_prob(x).mean() > before.log_prob(x).mean()


@pytest.mark.parametrize("sizes", SIZES)
def test_the_gradient_of_the_loss_is_that_of_the_bound(sizes):
    """Over many draws, for the weights down, up and of the top, against finite differences."""
    model = network(sizes, seed=3)
    x = all_states(sizes[0], dtype=double)[[1, 6]]
    n = 20000
    loss = model.bound_loss(x.repeat(n, 1), RBM.loss, 2, torch.Generator().manual_seed(0))
    parameters = list(model.parameters())
    for p, got in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        for index in itertools.product(*map(range, p.shape)):
            slope = 0.0
            for step in (1e-4, -1e-4):
                with torch.no_grad():
                    p[index] += step
                    slope -= exact_bound(model, x).mean().item() / (2 * step)
                    p[index] -= step
            assert got[index].item() == pytest.approx(slope, abs=0.02)


def test_the_loss_is_minus_an_estimate_of_the_bound():
    model, x = network((3, 2, 4)), all_states(3, dtype=double)
    want = -exact_bound(model, x).mean().item()
    assert model.loss(x.repeat(4000, 1)).item() == pytest.approx(want, abs=0.03)


def test_fine_tuning_raises_the_exact_bound_and_the_likelihood():
    torch.manual_seed(0)
    x = bars_and_stripes(3)
    model = DeepBeliefNetwork(greedy(x, (6, 5), epochs=150, batch_size=14, lr=0.02))
    before = exact_bound(model, x).mean().item(), model.log_prob(x).mean().item()
    fit(model, x, loss=BoundLoss(), epochs=400, batch_size=14, lr=0.01, valid=0.0)
    after = exact_bound(model, x).mean().item(), model.log_prob(x).mean().item()
    assert after[0] > before[0] + 0.3
    assert after[1] > before[1] + 0.1
    assert after[0] <= after[1] <= -math.log(14)


def test_the_loss_trains_without_help_where_the_top_is_small():
    x = bars_and_stripes(2)
    model = DeepBeliefNetwork([RBM(4, 4, scale=0.5), RBM(4, 4, scale=0.5, seed=1)])
    before = exact_bound(model, x).mean().item()
    fit(model, x.repeat(10, 1), epochs=300, batch_size=30, lr=0.03, valid=0.0)
    after = exact_bound(model, x).mean().item()
    assert before < -3
    assert -2.1 < after <= -math.log(6)


def test_greedy_training_is_rbm_training_and_starts_from_transposed_weights():
    x = bars_and_stripes(2)
    options = {"epochs": 20, "batch_size": 6, "lr": 0.02}
    seen = []
    first, second = greedy(x, (3, 4), callback=lambda *args: seen.append(args[:2]), **options)
    assert seen == [(layer, epoch) for layer in (0, 1) for epoch in range(20)]
    [alone] = greedy(x, (3,), **options)
    assert torch.equal(first.W, alone.W)
    assert (second.visible, second.hidden) == (3, 4)
    [_, start] = greedy(x, (3, 4), epochs=0)
    assert torch.equal(start.W, RBM(4, 3).W.T)


def test_the_second_rbm_learns_the_hidden_states_of_the_first():
    """It is better at what q makes of the data than independent units with the right means."""
    x = bars_and_stripes(3)
    x = x[x.sum(1) <= 3]  # all off, a single bar, a single stripe
    first, second = greedy(x, (5, 6), epochs=300, batch_size=14, lr=0.02, chains=500, k=3)
    h = DeepBeliefNetwork([first, second]).ascend(
        x.repeat(1000, 1), torch.Generator().manual_seed(0)
    )
    rates = base_rates(h)
    independent = (h * rates - torch.nn.functional.softplus(rates)).sum(1).mean()
    assert second.log_prob(h).mean() > independent + 0.2


@pytest.mark.parametrize("sizes", SIZES)
def test_samples_follow_log_prob(sizes):
    model = network(sizes, seed=5)
    want = model.log_prob(all_states(3, dtype=double)).exp()
    x = model.sample(100000, generator=torch.Generator().manual_seed(0))
    assert (frequencies(x) - want).abs().max() < 0.008  # five standard errors


def test_the_ways_up_and_down_follow_their_weights():
    model = network((3, 2, 4), seed=6)
    generator = torch.Generator().manual_seed(0)
    v = torch.tensor([[1.0, 0, 1]], dtype=double)
    h = model.ascend(v.repeat(50000, 1), generator)
    assert (h.mean(0) - model.up[0](v).sigmoid()[0]).abs().max() < 0.012
    x = model.descend(h[:1].repeat(50000, 1), generator)
    assert (x.mean(0) - model.down[0](h[:1]).sigmoid()[0]).abs().max() < 0.012


def test_a_large_top_needs_an_estimate_of_log_z():
    model = DeepBeliefNetwork([RBM(5, 22, scale=0.3), RBM(22, 23, scale=0.3)])
    x = torch.ones(2, 5)
    with pytest.raises(ValueError, match=r"an RBM of 22 and 23 units.*ais_log_partition"):
        model.elbo(x)
    generator = torch.Generator().manual_seed(0)
    log_z = ais_log_partition(model.top, steps=200, chains=100, generator=generator).log_z
    assert model.elbo(x, samples=5, log_z=log_z).shape == (2,)
    assert model.sample(3, generator=generator, sweeps=2).shape == (3, 5)
    assert isinstance(model.bound_loss(x, ContrastiveLoss(persistent=True), 2), torch.Tensor)


def test_it_speaks_the_verbs_and_takes_copies():
    rbms = stack((3, 2, 2))
    model = DeepBeliefNetwork(rbms)
    for verb in (HasElbo, HasLogProb, HasLoss, HasSample):
        assert isinstance(model, verb)
    with torch.no_grad():
        rbms[0].W.zero_()
        rbms[1].W.zero_()
    assert all(p.abs().max() > 0 for p in (model.down[0].W, model.up[0].W, model.top.W))
    other = DeepBeliefNetwork(stack((3, 2, 2), seed=8))
    other.load_state_dict(model.state_dict())
    x = all_states(3, dtype=double)
    assert torch.equal(other.log_prob(x), model.log_prob(x))
    x32 = x.float()
    assert torch.allclose(model.float().log_prob(x32).double(), other.log_prob(x), atol=1e-5)


def test_weights_that_diverge_stop_with_advice():
    model = DeepBeliefNetwork([RBM(3, 2), RBM(2, 2)])
    with torch.no_grad():
        model.down[0].W[0, 0] = 1e4
    with pytest.raises(FloatingPointError, match=r"diverge.* 1e\+04; lower lr"):
        BoundLoss()(model, torch.ones(1, 3))
    with pytest.raises(FloatingPointError, match="lower lr"):
        greedy(bars_and_stripes(2), (3,), lr=300.0, epochs=5)


def test_bad_input_is_named(unchecked):
    model, x = DeepBeliefNetwork([RBM(3, 2), RBM(2, 2)]), torch.ones(2, 3)
    wide = DeepBeliefNetwork([RBM(3, 21), RBM(21, 2)])
    deep = DeepBeliefNetwork([RBM(3, 11), RBM(11, 10), RBM(10, 2)])
    for call, message in [
        (lambda: DeepBeliefNetwork([]), "rbms: got none"),
        (lambda: DeepBeliefNetwork([RBM(3, 2), RBM(3, 2)]), r"2 hidden units in rbms\[0\], 3 vis"),
        (lambda: model.elbo(x / 2), "x: got the value 0.5"),
        (lambda: model.elbo(x[:, :2]), "x: got shape"),
        (lambda: model.elbo(x.double()), "x: got dtype"),
        (lambda: model.elbo(x * math.nan), "x: got 6 NaN"),
        (lambda: model.elbo(x, samples=0), "samples: got 0"),
        (lambda: model.ascend(x[:0]), "x: got an empty batch"),
        (lambda: model.sample(0), "n: got 0"),
        (lambda: wide.log_prob(x), "units of a hidden layer: got 21"),
        (lambda: deep.log_prob(x), "units of two neighbouring hidden layers: got 21"),
        (lambda: BoundLoss(samples=1), "samples: got 1; want at least 2"),
        (lambda: model.bound_loss(x, RBM.loss, 1), "samples: got 1"),
        (lambda: greedy(x, ()), "hidden: got no layer"),
        (lambda: greedy(x, (0,)), "hidden: got 0"),
        (lambda: greedy(x + 0.5, (2,)), "x: got the value 1.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
