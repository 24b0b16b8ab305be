"""Sums over all states: against loops, at the edges, and within their memory."""

import subprocess
import sys

import pytest
import torch

from dgm_lib.energy import all_states, log_partition, log_weights, moments
from dgm_lib.energy.states import states_at
from tests.energy import brute


@pytest.mark.parametrize("units", [(0, 1), (-1, 1)])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_weights_and_moments_are_those_of_the_loops(d, units):
    W, b = brute.machine(d, d)
    states, p, log_z = brute.tensors(W, b, units)
    assert torch.equal(all_states(d, units, torch.float64), states)
    assert torch.allclose(log_weights(W, b, units).softmax(0), p)
    got_z, mean, second = moments(W, b, units)
    assert got_z.item() == pytest.approx(log_z)
    assert torch.allclose(mean, p @ states)
    assert torch.allclose(second, torch.einsum("s,si,sj->ij", p, states, states))


def test_moments_are_the_derivatives_of_log_partition():
    b = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    W, b = brute.machine(5, 1)[0], b.requires_grad_()
    (slope,) = torch.autograd.grad(log_partition(W, b), b)
    assert torch.allclose(slope, moments(W, b)[1])


def test_states_at_counts_in_binary():
    assert states_at(torch.tensor([0, 1, 6]), 3).tolist() == [[0, 0, 0], [0, 0, 1], [1, 1, 0]]


def test_too_many_units_are_refused():
    with pytest.raises(ValueError, match="units to enumerate: got 21; want at most 20"):
        all_states(21)


@pytest.mark.skipif(sys.platform == "win32", reason="resource is a Unix module")
def test_a_million_states_take_less_than_a_gibibyte():
    """Peak memory of log Z, moments and a gradient at 20 units, above that of the imports."""
    program = """
import resource, sys, torch
from dgm_lib.energy import bm_gradients, log_partition
unit = 1 if sys.platform == "darwin" else 1024
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
W = torch.randn(20, 20, generator=torch.Generator().manual_seed(0)).triu(1)
W, b, x = (W + W.T), torch.zeros(20, requires_grad=True), torch.zeros(2, 20)
bm_gradients(x[:, :3], W[:3, :3], b[:3].detach())
before = peak()
log_partition(W, b, (-1, 1)).backward()
bm_gradients(x, W, b.detach())
print(peak() - before)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 2**30
