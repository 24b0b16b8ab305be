"""Small networks and seeded randomness."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from dgm_lib.nn import MLP, draw, seeded


def test_seeded_is_manual_seed_without_the_trace():
    torch.manual_seed(123)
    want = torch.rand(4)
    torch.manual_seed(9)
    state = torch.get_rng_state()
    with seeded(123):
        got = torch.rand(4)
    assert torch.equal(got, want)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeded_restores_the_state_after_an_error():
    state = torch.get_rng_state()

    def fail():
        with seeded(0):
            torch.rand(3)
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert torch.equal(torch.get_rng_state(), state)


def test_seeded_nests():
    with seeded(1):
        first = torch.rand(1)
        with seeded(2):
            torch.rand(5)
        second = torch.rand(1)
    with seeded(1):
        assert torch.equal(torch.rand(1), first)
        assert torch.equal(torch.rand(1), second)


LAWS = [
    Normal(torch.zeros(3), 1.0),
    Bernoulli(logits=torch.zeros(3)),
    Categorical(logits=torch.zeros(3, 4)),
    Independent(Normal(torch.zeros(3, 2), 1.0), 1),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("shape", [(), (5,), (2, 5)])
def test_draw_shape_seed_and_global_state(law, shape):
    state = torch.get_rng_state()
    first, second = torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    x = draw(law, shape, first)
    assert x.shape == (*shape, *law.batch_shape, *law.event_shape)
    assert torch.equal(x, draw(law, shape, second))
    assert torch.equal(torch.get_rng_state(), state)
    many = [draw(law, (20,), first) for _ in range(2)]
    assert not torch.equal(*many)  # the generator moves on


def test_draw_without_a_generator_uses_the_global_state():
    torch.manual_seed(0)
    x = draw(LAWS[0], (4,))
    torch.manual_seed(0)
    assert torch.equal(x, LAWS[0].rsample((4,)))


def test_draw_keeps_the_gradient_where_there_is_one(generator):
    mean = torch.zeros(3, requires_grad=True)
    draw(Normal(mean, 1.0), generator=generator).sum().backward()
    assert torch.equal(mean.grad, torch.ones(3))
    logits = torch.zeros(3, requires_grad=True)
    assert not draw(Bernoulli(logits=logits), generator=generator).requires_grad


@given(sizes=st.lists(st.integers(1, 6), min_size=2, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_mlp_is_linear_maps_with_activations_between(sizes, seed):
    state = torch.get_rng_state()
    net = MLP(sizes, nn.Tanh, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in linear] == sizes[:-1]
    assert [layer.out_features for layer in linear] == sizes[1:]
    x = torch.randn(4, sizes[0], generator=torch.Generator().manual_seed(0))
    h = x
    for layer in linear[:-1]:
        h = torch.tanh(h @ layer.weight.T + layer.bias)
    torch.testing.assert_close(net(x), h @ linear[-1].weight.T + linear[-1].bias)
    again = MLP(sizes, nn.Tanh, seed=seed)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_mlp_seeds_differ_and_zero_last_is_zero_but_learns():
    assert not torch.equal(MLP((2, 3), seed=0)[0].weight, MLP((2, 3), seed=1)[0].weight)
    net = MLP((2, 8, 3), zero_last=True)
    x = torch.ones(4, 2)
    assert torch.equal(net(x), torch.zeros(4, 3))
    net(x).sum().backward()
    assert net[-1].weight.grad.abs().sum() > 0
