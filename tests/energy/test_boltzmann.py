"""The five functions against enumeration by loops, autograd and finite differences."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib.energy import bm_gradients, conditional, energy, exact_sweep, gibbs_step, log_partition
from tests.energy import brute

UNITS = [(0, 1), (-1, 1)]
machines = {
    "d": st.integers(1, 6),
    "seed": st.integers(0, 10**6),
    "units": st.sampled_from(UNITS),
    "scale": st.sampled_from([0.1, 1.0, 3.0]),
}
few = settings(max_examples=25, deadline=None)

# The example of the slides: three ±1 units.
W3 = torch.tensor([[0, -1, -1], [-1, 0, 2], [-1, 2, 0]], dtype=torch.float64)
b3 = torch.tensor([0, 1, 0], dtype=torch.float64)


def bits(n, d, units, seed):
    index = torch.randint(2, (n, d), generator=torch.Generator().manual_seed(seed))
    return (units[0] + (units[1] - units[0]) * index).double()


@given(**machines)
@few
def test_energy_is_the_sum_over_pairs_and_biases(d, seed, units, scale):
    W, b = brute.machine(d, seed, scale)
    x = bits(7, d, units, seed)
    want = [brute.energy(row, W, b) for row in x.tolist()]
    assert torch.allclose(energy(x, W, b), torch.tensor(want, dtype=torch.float64))


@given(**machines)
@few
def test_log_partition_makes_probabilities_sum_to_one(d, seed, units, scale):
    W, b = brute.machine(d, seed, scale)
    states, _, log_z = brute.tensors(W, b, units)
    assert log_partition(W, b, units).item() == pytest.approx(log_z, abs=1e-9)
    total = (-energy(states, W, b) - log_partition(W, b, units)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-9)


def test_log_partition_does_not_overflow():
    W, b = 500 * W3, 500 * b3
    assert log_partition(W, b, (-1, 1)).item() == pytest.approx(2500, abs=1e-6)
    assert torch.isfinite(log_partition(W.float(), b.float(), (-1, 1)))


@given(mask=st.integers(0, 63), **machines)
@few
def test_conditional_is_a_ratio_of_sums(mask, d, seed, units, scale):
    W, b = brute.machine(d, seed, scale)
    states, p, _ = brute.table(W, b, units)
    observed = [bool(mask >> i & 1) for i in range(d)]
    x = bits(3, d, units, seed)
    got = conditional(x, torch.tensor(observed), W, b, units)
    for row, answer in zip(x.tolist(), got, strict=True):
        agree = [all(s[i] == row[i] for i in range(d) if observed[i]) for s in states]
        below = sum(q for q, a in zip(p, agree, strict=True) if a)
        for i in range(d):
            above = sum(
                q for q, a, s in zip(p, agree, states, strict=True) if a and s[i] == units[1]
            )
            assert answer[i].item() == pytest.approx(above / below, abs=1e-9)


def test_conditional_does_not_look_at_unobserved_entries():
    x = torch.tensor([[7.0, -1.0, 0.3]], dtype=torch.float64)
    observed = torch.tensor([False, True, False])
    got = conditional(x, observed, W3, b3, (-1, 1))
    assert torch.equal(got, conditional(x.sign(), observed, W3, b3, (-1, 1)))


@pytest.mark.parametrize(("units", "gap"), [((0, 1), 1), ((-1, 1), 2)])
def test_conditional_given_all_others_is_a_sigmoid(units, gap):
    W, b = brute.machine(5, 3)
    x = bits(8, 5, units, 3)
    for i in range(5):
        observed = torch.arange(5) != i
        want = torch.sigmoid(gap * (x @ W[:, i] + b[i]))
        assert torch.allclose(conditional(x, observed, W, b, units)[:, i], want)


def test_conditional_of_a_large_machine_with_few_units_free():
    W, b = brute.machine(64, 0, 0.2)
    x = bits(2, 64, (0, 1), 0)
    observed = torch.arange(64) >= 3
    got = conditional(x, observed, W, b)
    for row, answer in zip(x, got, strict=True):
        weights = {}
        for head in itertools.product((0.0, 1.0), repeat=3):
            state = torch.cat([torch.tensor(head, dtype=torch.float64), row[3:]])
            weights[head] = math.exp(-brute.energy(state.tolist(), W, b))
        total = sum(weights.values())
        for i in range(3):
            on = sum(w for head, w in weights.items() if head[i])
            assert answer[i].item() == pytest.approx(on / total, abs=1e-9)


def test_three_unit_example():
    _, p, log_z = brute.tensors(W3, b3, (-1, 1))
    assert round(log_partition(W3, b3, (-1, 1)).exp().item(), 3) == 172.420
    assert round(math.exp(log_z), 3) == 172.420
    nothing = torch.tensor([False, False, False])
    second = torch.tensor([False, True, False])
    x = torch.tensor([[1, -1, 1]], dtype=torch.float64)
    assert round(conditional(x, nothing, W3, b3, (-1, 1))[0, 0].item(), 3) == 0.135
    assert round(conditional(x, second, W3, b3, (-1, 1))[0, 0].item(), 3) == 0.980
    # the row that slides print with H = -3
    assert energy(torch.tensor([[-1.0, 1.0, -1.0]], dtype=torch.float64), W3, b3).item() == 1
    assert round(p[2].item(), 4) == 0.0021


def probabilities_used(step, start, i, prefix, d, units):
    """By bisection on the uniform number of unit i: the probability with which `step` turns it on,
    from each state of `start`, after the units before it were forced to `prefix`."""
    u = torch.full((len(start), d), 0.5, dtype=torch.float64)
    u[:, :i] = torch.tensor([0.0 if bit else 1.0 for bit in prefix], dtype=torch.float64)
    low, high = torch.zeros(len(start)).double(), torch.ones(len(start)).double()
    for _ in range(45):
        u[:, i] = (low + high) / 2
        on = step(start, u)[:, i] == units[1]
        low, high = torch.where(on, u[:, i], low), torch.where(on, high, u[:, i])
    return (low + high) / 2


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gibbs_step_leaves_p_invariant_exactly(d, units):
    """The transition matrix is read off the function from outside, and p T = p."""
    W, b = brute.machine(d, d)
    states, p, _ = brute.tensors(W, b, units)
    T = torch.ones(2**d, 2**d, dtype=torch.float64)
    for k, end in enumerate(itertools.product((0, 1), repeat=d)):
        for i in range(d):
            on = probabilities_used(
                lambda x, u: gibbs_step(x, u, W, b, units), states, i, end[:i], d, units
            )
            T[:, k] *= on if end[i] else 1 - on
    assert torch.allclose(T.sum(1), torch.ones(2**d, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(p @ T, p, atol=1e-10)
    eye = torch.eye(2**d, dtype=torch.float64)
    assert torch.allclose(exact_sweep(eye, W, b, units), T, atol=1e-10)


def test_gibbs_step_uses_new_values_at_once_and_leaves_x_alone():
    W = torch.tensor([[0.0, 100.0], [100.0, 0.0]])
    b = torch.tensor([0.0, -50.0])
    x = torch.zeros(1, 2)
    new = gibbs_step(x, torch.tensor([[0.4, 0.4]]), W, b)
    assert new.tolist() == [[1, 1]]  # the second unit follows the first one's new value
    assert x.tolist() == [[0, 0]]


def log_likelihood(pairs, b, x, units):
    d = len(b)
    i, j = torch.triu_indices(d, d, 1)
    upper = torch.zeros(d, d, dtype=torch.float64).index_put((i, j), pairs)
    states = torch.tensor(list(itertools.product(units, repeat=d)), dtype=torch.float64)
    score = lambda s: torch.einsum("ni,ij,nj->n", s, upper, s) + s @ b  # noqa: E731
    return score(x).mean() - score(states).logsumexp(0)


@given(n=st.integers(1, 9), **machines)
@few
def test_bm_gradients_equal_autograd_and_finite_differences(n, d, seed, units, scale):
    W, b = brute.machine(d, seed, scale)
    x = bits(n, d, units, seed)
    dW, db = bm_gradients(x, W, b, units)
    i, j = torch.triu_indices(d, d, 1)
    pairs, bias = W[i, j].requires_grad_(), b.clone().requires_grad_()
    value = log_likelihood(pairs, bias, x, units)
    want_pairs, want_b = torch.autograd.grad(value, [pairs, bias])
    assert torch.equal(dW, dW.T)
    assert (dW.diagonal() == 0).all()
    assert torch.allclose(dW[i, j], want_pairs, atol=1e-10)
    assert torch.allclose(db, want_b, atol=1e-10)
    with torch.no_grad():
        for k in range(len(pairs)):
            e = torch.zeros_like(pairs)
            e[k] = 1e-5
            rise = log_likelihood(pairs + e, bias, x, units)
            fall = log_likelihood(pairs - e, bias, x, units)
            assert dW[i[k], j[k]].item() == pytest.approx(((rise - fall) / 2e-5).item(), abs=1e-6)


def test_bm_gradients_in_float32_are_within_the_promised_tolerance():
    W, b = brute.machine(10, 0, 0.5)
    x = bits(50, 10, (0, 1), 0)
    dW, db = bm_gradients(x.float(), W.float(), b.float())
    dW64, db64 = bm_gradients(x, W, b)
    assert (dW.double() - dW64).abs().max() < 1e-5
    assert (db.double() - db64).abs().max() < 1e-5


def test_bm_gradients_vanish_when_the_data_are_the_model():
    W = math.log(2) * (torch.ones(3, 3) - torch.eye(3)).double()
    b = torch.tensor([0.0, math.log(3), math.log(2)], dtype=torch.float64)
    states, p, log_z = brute.tensors(W, b)
    copies = (p * math.exp(log_z)).round().long()  # exp(-E) is a whole number for each state
    dW, db = bm_gradients(states.repeat_interleave(copies, 0), W, b)
    assert dW.abs().max() < 1e-12
    assert db.abs().max() < 1e-12


x2, W2, b2 = torch.zeros(3, 2), torch.zeros(2, 2), torch.zeros(2)
seen = torch.tensor([True, False])
W21, b21 = torch.zeros(21, 21), torch.zeros(21)
BAD = [
    (energy, (torch.zeros(3, 4), W2, b2), r"x: got shape \(3, 4\); want \(n, 2\)"),
    (energy, (torch.zeros(0, 2), W2, b2), "x: got an empty batch"),
    (energy, (x2.long(), W2, b2), "x: got dtype torch.int64"),
    (energy, (x2.double(), W2, b2), "x: got dtype torch.float64; want that of b"),
    (energy, (x2 * float("nan"), W2, b2), "x: got 6 NaN"),
    (energy, (x2, torch.eye(2), b2), "W: got a diagonal"),
    (energy, (x2, torch.tensor([[0, 1], [2, 0.0]]), b2), "W: got a matrix that is not symmetric"),
    (energy, (x2, torch.zeros(3, 3), b2), r"W: got shape \(3, 3\); want \(2, 2\)"),
    (energy, (x2, W2.double(), b2), "W: got dtype torch.float64; want that of b"),
    (energy, (x2, W2, torch.zeros(2, 1)), r"b: got shape \(2, 1\)"),
    (log_partition, (W21, b21), "units to enumerate: got 21; want at most 20"),
    (log_partition, (W2, b2, (0, 2)), r"units: got \(0, 2\); want \(0, 1\) or \(-1, 1\)"),
    (conditional, (x2, torch.tensor([True]), W2, b2), r"observed: got torch.bool \(1,\)"),
    (conditional, (x2, torch.ones(2), W2, b2), "observed: got torch.float32"),
    (conditional, (x2, seen, W2, b2, (-1, 1)), "x: got the value 0; want only -1 or 1"),
    (conditional, (torch.zeros(1, 21), b21 > 0, W21, b21), "units that are not observed: got 21"),
    (gibbs_step, (x2, torch.zeros(3, 3), W2, b2), r"uniforms: got shape \(3, 3\)"),
    (gibbs_step, (x2, x2 - 1, W2, b2), "uniforms: got values from -1 to -1"),
    (gibbs_step, (x2 + 0.5, x2, W2, b2), "x: got the value 0.5; want only 0 or 1"),
    (bm_gradients, (x2 - 1, W2, b2), "x: got the value -1; want only 0 or 1"),
    (bm_gradients, (torch.zeros(1, 21), W21, b21), "units to enumerate: got 21"),
    (bm_gradients, (torch.zeros(0, 2), W2, b2), "x: got an empty batch"),
]


@pytest.mark.parametrize(("function", "args", "message"), BAD)
def test_bad_input_is_named(unchecked, function, args, message):
    with pytest.raises(ValueError, match=message):
        function(*args)
