"""Boltzmann machines: a million states, and Gibbs sweeps, against what one would write first.

Each measurement runs in a process of its own, so that its peak memory is its own.
"""

import sys

import torch
from timing import apart, best_of, peak_memory, seconds

from dgm_lib.energy import all_states, bm_gradients, energy, gibbs, gibbs_step, log_partition


def machine(d: int) -> tuple[torch.Tensor, torch.Tensor]:
    upper = 0.3 * torch.randn(d, d, generator=torch.Generator().manual_seed(0)).triu(1)
    return upper + upper.T, torch.zeros(d)


def split_in_halves() -> None:
    log_partition(*machine(20))


def gradients() -> None:
    bm_gradients(torch.zeros(100, 20), *machine(20))


def full_table() -> None:
    W, b = machine(20)
    (-energy(all_states(20), W, b)).logsumexp(0)


def python_loop(d: int = 14) -> None:
    """The definition, state by state and pair by pair; 64 times fewer states than the others."""
    import itertools
    import math

    W, b = (tensor.tolist() for tensor in machine(d))
    Z = 0.0
    for x in itertools.product((0, 1), repeat=d):
        on = [i for i in range(d) if x[i]]
        H = sum(b[i] for i in on) + sum(W[i][j] for i in on for j in on if i < j)
        Z += math.exp(H)
    math.log(Z)


def measure(name: str) -> None:
    """Run one of the functions above, and print its best time and the peak memory it added."""
    run = globals()[name]
    log_partition(*machine(3))  # what torch loads at its first call is not ours
    before = peak_memory()
    times = [seconds(run)]
    memory = peak_memory() - before
    while len(times) < 5 and sum(times) < 3:
        times.append(seconds(run))
    print(min(times), times[0], memory)


def enumeration() -> None:
    names = ("split_in_halves", "gradients", "full_table", "python_loop")
    found = {name: apart(__file__, name) for name in names}
    best, first, memory = found["split_in_halves"]
    print(
        f"log Z of 2^20 states: {best:.3f} s (first call {first:.3f} s), {memory:.0f} MiB "
        "(targets 2 s, 1024 MiB)"
    )
    time_, _, mib = found["gradients"]
    print(f"gradients over 2^20 states: {time_:.3f} s, {mib:.0f} MiB")
    time_, _, mib = found["full_table"]
    print(
        f"log Z from a table of all states: {time_:.3f} s, {mib:.0f} MiB; "
        f"ours takes {best / time_:.3f} of the time"
    )
    time_ = found["python_loop"][0] * 64
    print(f"log Z by a Python loop, from 2^14 states: {time_:.0f} s; ours {best / time_:.1e}")


def one_chain_at_a_time(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor) -> None:
    """A sweep as the textbook writes it, in NumPy, chain by chain."""
    import numpy as np

    x, W, b = x.numpy().copy(), W.numpy(), b.numpy()
    rng = np.random.default_rng(0)
    for state in x:
        for i in range(len(b)):
            state[i] = rng.random() < 1 / (1 + np.exp(-(W[i] @ state + b[i])))


def sweeps() -> None:
    W, b = machine(64)
    for chains in (100, 1000):
        x = torch.zeros(chains, 64)
        ours = best_of(lambda x=x: gibbs(x, W, b, steps=10)) / 10
        plain = best_of(lambda x=x: gibbs_step(x, torch.rand(x.shape), W, b))
        loop = best_of(lambda x=x: one_chain_at_a_time(x[:20], W, b), 3) * len(x) / 20
        print(
            f"Gibbs sweep, 64 units, {chains} chains: {1000 * ours:.1f} ms; "
            f"{ours / plain:.2f} of gibbs_step's time, {ours / loop:.4f} of a NumPy loop's"
        )


def main() -> None:
    enumeration()
    sweeps()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
