"""Random graphs, and independence by mathematics: nothing here is shared with the library."""

import itertools
import math
import random

import numpy as np
from hypothesis import strategies as st


def random_dag(rng: random.Random, n: int) -> dict[str, list[str]]:
    """A random DAG, listed in an order that need not be topological."""
    density = rng.choice([0.2, 0.4, 0.7])
    names = [f"n{i}" for i in range(n)]
    rng.shuffle(names)
    graph = {node: [p for p in names[:i] if rng.random() < density] for i, node in enumerate(names)}
    listed = list(graph)
    rng.shuffle(listed)
    return {node: graph[node] for node in listed}


def random_query(rng: random.Random, n: int):
    """A DAG and three disjoint sets of its nodes, the first two not empty."""
    graph = random_dag(rng, n)
    nodes = list(graph)
    rng.shuffle(nodes)
    part = [rng.choice("abcc--") for _ in nodes]
    part[:2] = ["a", "b"]
    return graph, *([n for n, p in zip(nodes, part, strict=True) if p == s] for s in "abc")


@st.composite
def dags(draw, low=2, high=7):
    return random_dag(random.Random(draw(st.integers(0, 10**9))), draw(st.integers(low, high)))


@st.composite
def queries(draw, low=2, high=7):
    return random_query(random.Random(draw(st.integers(0, 10**9))), draw(st.integers(low, high)))


def linear_gaussian_dependence(graph, a, b, given, seed=0) -> float:
    """The largest partial correlation between a node of a and one of b given `given` in a linear
    Gaussian network with random weights: each node is a weighted sum of its parents plus noise.

    Zero for almost no weights if they are d-connected, and for all if d-separated."""
    rng = np.random.default_rng(seed)
    nodes = list(graph)
    at = {node: i for i, node in enumerate(nodes)}
    B = np.zeros((len(nodes), len(nodes)))
    for node, above in graph.items():
        for parent in above:
            B[at[node], at[parent]] = rng.uniform(0.5, 1.5) * rng.choice([-1, 1])
    A = np.linalg.inv(np.eye(len(nodes)) - B)
    cov = A @ np.diag(rng.uniform(0.5, 1.5, len(nodes))) @ A.T
    i, j, k = ([at[node] for node in part] for part in (a, b, given))
    keep = [*i, *j]
    S = cov[np.ix_(keep, keep)]
    if k:
        S = S - cov[np.ix_(keep, k)] @ np.linalg.solve(cov[np.ix_(k, k)], cov[np.ix_(k, keep)])
    scale = np.sqrt(np.diag(S))
    return float(np.abs((S / np.outer(scale, scale))[: len(i), len(i) :]).max())


def brute_joint(graph, tables):
    """State -> probability, by a loop over all states and nodes."""
    nodes = list(graph)
    levels = [tables[node].shape[-1] for node in nodes]
    joint = {}
    for state in itertools.product(*map(range, levels)):
        value = dict(zip(nodes, state, strict=True))
        joint[state] = math.prod(
            tables[n][tuple(value[m] for m in (*graph[n], n))].item() for n in nodes
        )
    return joint
