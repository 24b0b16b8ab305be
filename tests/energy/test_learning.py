"""Gradients with hidden units against autograd; Monte Carlo gradients; learning end to end."""

import pytest
import torch

from dgm_lib.energy import (
    BoltzmannMachine,
    MonteCarloLoss,
    all_states,
    bm_gradients,
    hidden_gradients,
    monte_carlo_gradients,
)
from dgm_lib.fit import fit
from tests.energy import brute


def as_matrix(model, vector):
    """A value per pair, as the symmetric matrix that holds it."""
    M = torch.zeros_like(model.W)
    M[tuple(model._upper)] = vector
    return M + M.T


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
@pytest.mark.parametrize(("visible", "hidden"), [(3, 2), (1, 1), (4, 3), (3, 0)])
def test_hidden_gradients_equal_autograd(visible, hidden, units):
    W, b = brute.machine(visible + hidden, 4)
    model = BoltzmannMachine(visible, hidden, units).double().set_weights(W, b)
    v = all_states(visible, units, torch.float64)[: 2**visible // 2 + 1]
    dW, db = hidden_gradients(v, W, b, units)
    (-model.loss(v)).backward()
    assert torch.allclose(dW, as_matrix(model, model.pairs.grad), atol=1e-12)
    assert torch.allclose(db, model.b.grad, atol=1e-12)
    if hidden == 0:
        assert torch.allclose(dW, bm_gradients(v, W, b, units)[0])


def test_monte_carlo_gradients_are_the_exact_ones_on_average():
    W, b = brute.machine(5, 5)
    model = BoltzmannMachine(5).double().set_weights(W, b)
    x = all_states(5, dtype=torch.float64)[:9]
    fantasies = model.sample(100000, generator=torch.Generator().manual_seed(0))
    dW, db = monte_carlo_gradients(x, fantasies)
    exact_W, exact_b = bm_gradients(x, W, b)
    assert torch.equal(dW, dW.T)
    assert (dW.diagonal() == 0).all()
    assert (dW - exact_W).abs().max() < 0.008  # five standard errors
    assert (db - exact_b).abs().max() < 0.008


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("hidden", [0, 2])
def test_the_monte_carlo_loss_has_the_monte_carlo_gradient(hidden, persistent):
    model = BoltzmannMachine(3, hidden, scale=1.0).double()
    v = all_states(3, dtype=torch.float64)[:5]
    loss = MonteCarloLoss(chains=20000, sweeps=30, persistent=persistent)
    loss(model, v).backward()
    exact_W, exact_b = hidden_gradients(v, model.W.detach(), model.b.detach())
    assert (as_matrix(model, model.pairs.grad) + exact_W).abs().max() < 0.018
    assert (model.b.grad + exact_b).abs().max() < 0.018
    if hidden == 0:
        dW, db = monte_carlo_gradients(v, loss.fantasies)
        assert torch.allclose(as_matrix(model, model.pairs.grad), -dW)
        assert torch.allclose(model.b.grad, -db)


def test_many_hidden_units_are_sampled_with_the_data_clamped():
    """23 hidden units, all but one of them idle: the gradient is that of the small machine."""
    W, b = brute.machine(3, 6)
    big_W, big_b = torch.zeros(25, 25).double(), torch.zeros(25).double()
    big_W[:3, :3], big_b[:3] = W, b
    model = BoltzmannMachine(2, 23).double().set_weights(big_W, big_b)
    v = torch.tensor([[0, 1], [1, 1]], dtype=torch.float64).repeat(10000, 1)
    MonteCarloLoss(chains=20000, sweeps=20)(model, v).backward()
    dW, db = hidden_gradients(v, W, b)
    assert (as_matrix(model, model.pairs.grad)[:3, :3] + dW).abs().max() < 0.025
    assert (model.b.grad[:3] + db).abs().max() < 0.025


def test_persistent_chains_move_only_when_learning():
    model, loss = BoltzmannMachine(4), MonteCarloLoss(chains=50)
    x = torch.ones(2, 4)
    loss(model, x)
    before = loss.fantasies
    with torch.no_grad():
        loss(model, x)
    assert torch.equal(loss.fantasies, before)
    loss(model, x)
    assert not torch.equal(loss.fantasies, before)


def test_hidden_units_learn_parity_which_a_visible_machine_cannot():
    x = all_states(3)
    x = x[x.sum(1) % 2 == 0]
    kwargs = {"epochs": 150, "lr": 0.2, "valid": 0.0, "batch_size": 4}
    visible = BoltzmannMachine(3)
    fit(visible, x, **kwargs)
    hidden = BoltzmannMachine(3, 2, scale=1.0)
    fit(hidden, x, **kwargs)
    uniform = torch.tensor(8.0).log()
    assert visible.loss(x).item() == pytest.approx(uniform.item(), abs=1e-3)
    assert hidden.loss(x).item() < torch.tensor(4.0).log().item() + 0.1


def test_monte_carlo_learning_comes_near_the_exact_optimum():
    truth = BoltzmannMachine(6, scale=0.8, seed=1)
    x = truth.sample(2000, generator=torch.Generator().manual_seed(1))
    exact, sampled = BoltzmannMachine(6), BoltzmannMachine(6)
    kwargs = {"epochs": 40, "lr": 0.03, "valid": 0.0, "batch_size": 500}
    fit(exact, x, **kwargs)
    fit(sampled, x, loss=MonteCarloLoss(chains=1000), **kwargs)
    assert sampled.loss(x).item() < exact.loss(x).item() + 0.02


def test_bad_input_is_named(unchecked):
    W, b = torch.zeros(3, 3), torch.zeros(3)
    for call, message in [
        (lambda: hidden_gradients(torch.zeros(2, 4), W, b), "v: got 4 columns; want 1 to 3"),
        (lambda: hidden_gradients(torch.zeros(2, 0), W, b), "v: got 0 columns"),
        (lambda: hidden_gradients(torch.zeros(0, 2), W, b), "v: got an empty batch"),
        (lambda: hidden_gradients(torch.full((2, 2), 0.5), W, b), "v: got the value 0.5"),
        (lambda: hidden_gradients(torch.zeros(1, 2).double(), W, b), "v: got dtype torch.float64"),
        (
            lambda: monte_carlo_gradients(torch.zeros(2, 3), torch.zeros(2, 4)),
            r"fantasies: got shape \(2, 4\); want \(m, 3\)",
        ),
        (lambda: MonteCarloLoss(chains=0), "chains: got 0"),
        (lambda: MonteCarloLoss(sweeps=0), "sweeps: got 0"),
        (lambda: MonteCarloLoss()(BoltzmannMachine(2), torch.ones(1, 2) / 2), "x: got the value"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
