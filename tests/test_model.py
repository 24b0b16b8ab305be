"""The five abstract families, each with a leaf so small that the truth can be enumerated."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, MixtureSameFamily, Normal

from dgm_lib import model as m
from dgm_lib.fit import fit

D = 3
STATES = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * D)
N = 20_000


class Chain(m.Autoregressive):
    """Logistic regressions on the earlier bits (and on a context)."""

    d = D

    def __init__(self):
        super().__init__()
        g = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(D, D, generator=g))
        self.bias = nn.Parameter(torch.randn(D, generator=g))

    def conditionals(self, x, context=None):
        logits = x @ self.weight.tril(-1).T + self.bias
        return Bernoulli(logits=logits if context is None else logits + context)


class FactorModel(m.LatentVariable):
    """z ~ N(0, 1), x | z ~ N(w z, s²) in two dimensions; the posterior is known."""

    w, s = torch.tensor([1.0, -0.5]), 0.7

    def __init__(self, shift: float = 0.0):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))  # 0 makes `encode` exact

    def prior(self, context=None):
        n = () if context is None else context.shape[:1]
        mean = torch.zeros(*n, 1) if context is None else context
        return Independent(Normal(mean, 1.0), 1)

    def decode(self, z, context=None):
        return Independent(Normal(z * self.w, self.s), 1)

    def encode(self, x, context=None):
        precision = 1 + self.w @ self.w / self.s**2
        mean = (x @ self.w / self.s**2)[:, None] / precision
        return Independent(Normal(mean + self.shift, precision.rsqrt()), 1)

    def log_marginal(self, x):
        covariance = torch.outer(self.w, self.w) + self.s**2 * torch.eye(2)
        return torch.distributions.MultivariateNormal(torch.zeros(2), covariance).log_prob(x)


class Ising(m.Energy):
    """Three ±-free bits in a triangle, with Gibbs sweeps that use the energy alone."""

    def __init__(self):
        super().__init__()
        self.weight = torch.tensor([[0.0, 1.2, -0.7], [1.2, 0.0, 0.4], [-0.7, 0.4, 0.0]])
        self.bias = torch.tensor([-0.3, 0.2, 0.5])

    def energy(self, x):
        return -0.5 * ((x @ self.weight) * x).sum(1) - x @ self.bias

    def gibbs(self, state, steps=1, generator=None):
        state = state.clone()
        for i in list(range(D)) * steps:
            on = torch.rand(len(state), generator=generator) < torch.sigmoid(
                state @ self.weight[i] + self.bias[i]
            )
            state[:, i] = on.float()
        return state


class Game(m.Implicit):
    """A scale against a slope."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.slope = nn.Parameter(torch.tensor(1.0))

    def generate(self, z, context=None):
        return self.scale * z

    def critic(self, x, context=None):
        return self.slope * x.square().mean(1)

    def losses(self, x, context=None):
        fake = self.generate(torch.ones_like(x))
        gap = self.critic(x).mean() - self.critic(fake).mean()
        return {"generator": gap, "critic": -gap}


class Doubling(m.Bijection):
    """z = 2x + c."""

    def forward(self, x, context=None):
        shift = 0 if context is None else context
        return 2 * x + shift, torch.full((len(x),), x.shape[1] * math.log(2))

    def inverse(self, z, context=None):
        shift = 0 if context is None else context
        return (z - shift) / 2, torch.full((len(z),), -z.shape[1] * math.log(2))


def assert_frequencies(x, p):
    """Every state as often as `p` says, within five standard deviations."""
    index = (x @ torch.tensor([4.0, 2.0, 1.0])).long()
    got = index.bincount(minlength=len(p)) / len(x)
    assert ((got - p).abs() <= 5 * (p * (1 - p) / len(x)).sqrt()).all()


def test_autoregressive_mass_sums_to_one_and_follows_the_chain_rule():
    chain = Chain()
    log_p = chain.log_prob(STATES)
    assert log_p.shape == (8,)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)
    by_hand = []
    for x in STATES:
        total = 0.0
        for i in range(D):
            field = chain.bias[i] + sum(chain.weight[i, j] * x[j] for j in range(i))
            p = torch.sigmoid(field)
            total += torch.log(p if x[i] == 1 else 1 - p)
        by_hand.append(total.item())
    assert log_p.tolist() == pytest.approx(by_hand, abs=1e-6)
    assert chain.loss(STATES).item() == pytest.approx(-sum(by_hand) / 8, abs=1e-6)


@pytest.mark.parametrize("context", [None, torch.tensor([[0.5, -1.0, 2.0]])])
def test_autoregressive_samples_have_the_enumerated_frequencies(generator, context):
    chain = Chain()
    many = None if context is None else context.expand(N, -1)
    x = chain.sample(N, many, generator=generator)
    assert not x.requires_grad
    few = None if context is None else context.expand(8, -1)
    assert_frequencies(x, chain.log_prob(STATES, few).exp().detach())


def test_fit_trains_a_family_through_its_inherited_loss(generator):
    truth, model = Chain(), Chain()
    with torch.no_grad():
        model.weight.zero_(), model.bias.zero_()
    x = truth.sample(2000, generator=generator)
    before = model.loss(x).item()
    fit(model, x, epochs=60, batch_size=200, lr=0.05, valid=0)
    counts = (x @ torch.tensor([4.0, 2.0, 1.0])).long().bincount(minlength=8) / len(x)
    # Seven free parameters would reach the entropy of the counts; these six come close.
    entropy = -(counts * counts.clamp_min(1e-9).log()).sum().item()
    assert entropy - 1e-6 <= model.loss(x).item() <= entropy + 0.01 < before


def test_elbo_of_the_exact_posterior_is_the_log_likelihood(generator):
    """Then every single log-weight equals log p(x): the bound is tight without averaging."""
    model = FactorModel()
    x = torch.randn(6, 2, generator=generator)
    weights = model.log_weights(x, samples=5, generator=generator)
    assert weights.shape == (5, 6)
    torch.testing.assert_close(weights.detach(), model.log_marginal(x).expand(5, 6))


def test_elbo_falls_short_by_the_kl_to_the_posterior(generator):
    model = FactorModel(shift=0.6)
    x = torch.randn(3, 2, generator=generator)
    exact = FactorModel()
    gap = torch.distributions.kl_divergence(model.encode(x), exact.encode(x))
    samples = 40_000
    weights = model.log_weights(x, samples=samples, generator=generator).detach()
    error = weights.std(0) / math.sqrt(samples)
    assert ((weights.mean(0) + gap - model.log_marginal(x)).abs() < 5 * error).all()
    assert (gap > 0.1).all()


def test_latent_loss_is_minus_the_mean_elbo_and_has_a_gradient():
    model = FactorModel(shift=0.6)
    x = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    loss = model.loss(x)
    torch.manual_seed(0)
    torch.testing.assert_close(loss, -model.elbo(x).mean())
    loss.backward()
    assert model.shift.grad.abs() > 0


def test_latent_samples_have_the_marginal_moments(generator):
    model = FactorModel()
    x = model.sample(N, generator=generator)
    assert x.shape == (N, 2)
    covariance = torch.outer(model.w, model.w) + model.s**2 * torch.eye(2)
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.06)
    shifted = model.sample(N, context=torch.full((N, 1), 3.0), generator=generator)
    torch.testing.assert_close(shifted.mean(0), 3 * model.w, rtol=0, atol=0.06)


def test_gibbs_leaves_the_boltzmann_law_invariant(generator):
    model = Ising()
    p = torch.softmax(-model.energy(STATES), 0)
    start = STATES[torch.multinomial(p, N, replacement=True, generator=generator)]
    assert_frequencies(model.gibbs(start, 1, generator), p)
    assert_frequencies(model.gibbs(torch.zeros(N, D), 50, generator), p)


def test_implicit_game_is_zero_sum_and_each_player_has_a_gradient():
    game = Game()
    losses = game.losses(torch.full((4, 2), 2.0))
    assert losses["generator"] == -losses["critic"]
    for player, weight in (("generator", game.scale), ("critic", game.slope)):
        (gradient,) = torch.autograd.grad(losses[player], weight, retain_graph=True)
        assert gradient != 0


def test_bijection_directions_are_inverse_and_log_dets_cancel(generator):
    x, c = torch.randn(5, 2, generator=generator), torch.randn(5, 2, generator=generator)
    f = Doubling()
    z, forward = f(x, c)
    back, inverse = f.inverse(z, c)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(forward, -inverse)
    jacobian = torch.autograd.functional.jacobian(lambda x: f(x[None])[0][0], x[0])
    assert forward[0].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item())


FAMILIES = [m.Autoregressive, m.Bijection, m.LatentVariable, m.Energy, m.Implicit]


@pytest.mark.parametrize("family", FAMILIES)
def test_families_are_abstract(family):
    with pytest.raises(TypeError, match="abstract"):
        family()


@pytest.mark.parametrize(
    ("leaf", "verbs"),
    [
        (Chain, {m.HasLogProb, m.HasSample, m.HasLoss}),
        (FactorModel, {m.HasElbo, m.HasSample, m.HasLoss}),
        (Ising, {m.HasEnergy}),
        (Game, set()),
        (Doubling, set()),
    ],
)
def test_a_model_has_the_verbs_that_are_defined_for_it_and_no_others(leaf, verbs):
    protocols = {m.HasLogProb, m.HasElbo, m.HasEnergy, m.HasSample, m.HasLoss}
    assert {p for p in protocols if isinstance(leaf(), p)} == verbs


def test_draw_mixes_components_in_their_proportions(generator):
    """A law without rsample: `draw` falls back to sample, under the generator."""
    from dgm_lib.nn import draw

    mixture = MixtureSameFamily(
        Categorical(torch.tensor([0.3, 0.7])), Normal(torch.tensor([-5.0, 5.0]), 1.0)
    )
    x = draw(mixture, (N,), generator)
    assert (x > 0).float().mean().item() == pytest.approx(0.7, abs=5 * math.sqrt(0.21 / N))
