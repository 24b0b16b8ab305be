"""Undirected graphs, where separation is what it looks like: no way around the given nodes.

A Boltzmann machine's graph joins two units if their weight is not zero, and p(x) is a product of
one factor per edge and per unit. If C separates A from B, no factor joins the two sides, so given
x_C the product falls into two, and A and B are independent: no colliders, no exceptions.

A DAG becomes undirected by *moralising*: marry the parents of each node, then drop the arrowheads.
C d-separates A from B if and only if it separates them in the moral graph of their common
ancestors (Lauritzen, Dawid, Larsen and Leimer 1990, "Independence properties of directed Markov
fields", Networks 20): a third way to decide d-separation.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from jaxtyping import Float
from torch import Tensor

from dgm_lib.graphs.dag import Graph, ancestors, require_members, topological_order
from dgm_lib.validate import require, require_tensor

Neighbours = Mapping[str, Collection[str]]
"""Node -> the nodes it shares an edge with; each edge stands at both ends."""


def neighbours_of(W: Float[Tensor, "d d"], names: Sequence[str]) -> dict[str, set[str]]:
    """The graph of a Boltzmann machine: an edge wherever a weight is not zero."""
    require_tensor("W", W, (len(names), len(names)))
    require(bool((W == W.T).all()), "W: got a matrix that is not symmetric; want w_ij = w_ji")
    return {
        name: {other for other, w in zip(names, row, strict=True) if w != 0 and other != name}
        for name, row in zip(names, W.tolist(), strict=True)
    }


def separated(
    a: Collection[str], b: Collection[str], given: Collection[str], neighbours: Neighbours
) -> bool:
    """Whether every path from a to b meets a node of `given`."""
    for name, nodes in {"a": a, "b": b, "given": given}.items():
        require_members(name, nodes, neighbours)
    for node, others in neighbours.items():
        for other in others:
            require(
                other in neighbours and node in neighbours[other],
                f"neighbours: got an edge from {node!r} to {other!r} at one end only; want both",
            )
    reached = set(a) - set(given)
    todo = list(reached)
    while todo:
        fresh = set(neighbours[todo.pop()]) - reached - set(given)
        reached |= fresh
        todo += fresh
    return reached.isdisjoint(b)


def moral_graph(parents: Graph) -> dict[str, set[str]]:
    """The undirected graph in which each node and its parents are all joined with one another.

    >>> sorted(moral_graph({"a": [], "b": [], "c": ["a", "b"]})["a"])
    ['b', 'c']
    """
    topological_order(parents)
    neighbours: dict[str, set[str]] = {node: set() for node in parents}
    for node, above in parents.items():
        for one, other in combinations([node, *above], 2):
            neighbours[one].add(other)
            neighbours[other].add(one)
    return neighbours


def d_separated_by_moralising(
    a: Collection[str], b: Collection[str], given: Collection[str], parents: Graph
) -> bool:
    """`d_separated`, decided in the moral graph of the ancestors of all nodes involved."""
    kept = ancestors([*a, *b, *given], parents)
    part = {node: parents[node] for node in parents if node in kept}
    return separated(a, b, given, moral_graph(part))
