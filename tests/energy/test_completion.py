"""Exact completion against a Boltzmann machine of all units, and against Gibbs sampling."""

import pytest
import torch

from dgm_lib.energy import RBM, completion_probs, conditional
from tests.energy.test_rbm import build, joint, weights

MASKS = [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 1, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize("mask", MASKS)
def test_completion_equals_that_of_the_whole_machine(mask):
    W, b, c = weights(4, 3, seed=1)
    observed = torch.tensor(mask).bool()
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(2, (6, 4), generator=generator).double()
    whole = torch.cat([x, torch.zeros(6, 3, dtype=x.dtype)], 1)
    hidden = torch.zeros(3, dtype=torch.bool)
    want = conditional(whole, torch.cat([observed, hidden]), *joint(W, b, c))[:, :4]
    assert torch.allclose(completion_probs(x, observed, W, b, c), want)
    other = torch.where(observed, x, 7.5)
    assert torch.allclose(completion_probs(other, observed, W, b, c), want)


def test_completion_is_what_gibbs_sampling_draws():
    model, observed = build(5, 3, seed=2), torch.tensor([True, False, True, False, False])
    x = torch.tensor([[1.0, 0, 0, 0, 0]], dtype=torch.float64)
    exact = completion_probs(x, observed, *(p.detach() for p in model.parameters()))[0]
    generator = torch.Generator().manual_seed(0)
    drawn = model.complete(x.repeat(40000, 1), observed, 60, generator)
    assert (drawn.mean(0) - exact).abs().max() < 0.0125  # five standard errors


def test_completion_survives_large_weights_and_many_rows():
    W, b, c = weights(6, 16, scale=300.0, dtype=torch.float32)
    observed = torch.tensor([1, 1, 0, 0, 0, 1]).bool()
    x = torch.randint(2, (200, 6), generator=torch.Generator().manual_seed(0)).float()
    p = completion_probs(x, observed, W, b, c)
    assert ((p >= 0) & (p <= 1)).all()
    assert torch.allclose(p[150:], completion_probs(x[150:], observed, W, b, c), atol=1e-6)


def test_bad_input_is_named(unchecked):
    W, b, c, x = torch.zeros(3, 2), torch.zeros(3), torch.zeros(2), torch.ones(1, 3)
    mask = torch.tensor([True, False, False])
    wide = RBM(3, 21)
    for call, message in [
        (lambda: completion_probs(x / 2, mask, W, b, c), "x: got the value 0.5"),
        (lambda: completion_probs(x[:, :2], mask, W, b, c), "x: got shape"),
        (lambda: completion_probs(x, mask[:2], W, b, c), "observed: got"),
        (lambda: completion_probs(x, mask, W.T, b, c), "W: got shape"),
        (lambda: completion_probs(x, mask, wide.W, wide.b, wide.c), "hidden units: got 21"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
