"""Boltzmann machines by the definition: Python loops over states and pairs, nothing shared with
the library."""

import itertools
import math

import torch
from torch import Tensor


def machine(d: int, seed: int, scale: float = 1.0, dtype: torch.dtype = torch.float64):
    """Random symmetric weights with a zero diagonal, and biases."""
    generator = torch.Generator().manual_seed(seed)
    A = scale * torch.randn(d, d, generator=generator, dtype=dtype)
    b = scale * torch.randn(d, generator=generator, dtype=dtype)
    return torch.triu(A, 1) + torch.triu(A, 1).T, b


def energy(x, W, b) -> float:
    total = 0.0
    for i in range(len(x)):
        total -= float(b[i]) * x[i]
        for j in range(i + 1, len(x)):
            total -= float(W[i, j]) * x[i] * x[j]
    return total


def table(W: Tensor, b: Tensor, units=(0, 1)) -> tuple[list[tuple[int, ...]], list[float], float]:
    """All states in counting order, their probabilities, and log Z."""
    states = list(itertools.product(units, repeat=len(b)))
    energies = [energy(x, W, b) for x in states]
    lowest = min(energies)
    weights = [math.exp(lowest - e) for e in energies]
    total = sum(weights)
    return states, [w / total for w in weights], math.log(total) - lowest


def tensors(W: Tensor, b: Tensor, units=(0, 1)) -> tuple[Tensor, Tensor, float]:
    """`table` with states and probabilities as float64 tensors."""
    states, p, log_z = table(W, b, units)
    double = torch.float64
    return torch.tensor(states, dtype=double), torch.tensor(p, dtype=double), log_z
