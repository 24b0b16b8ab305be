"""Orders, ancestors and blankets of random graphs, and errors that name what is wrong."""

from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings

from dgm_lib.graphs import (
    ancestors,
    children,
    d_separated,
    descendants,
    markov_blanket,
    topological_order,
)
from tests.graphs.graphs import dags

few = settings(max_examples=50, deadline=None)


def as_networkx(graph):
    G = nx.DiGraph()
    G.add_nodes_from(graph)
    G.add_edges_from((p, node) for node, above in graph.items() for p in above)
    return G


@given(dags())
@few
def test_parents_come_first(graph):
    order = topological_order(graph)
    assert sorted(order) == sorted(graph)
    for node, above in graph.items():
        assert all(order.index(p) < order.index(node) for p in above)


@given(dags())
@few
def test_relatives_are_those_of_networkx(graph):
    G = as_networkx(graph)
    below = children(graph)
    for node in graph:
        assert set(below[node]) == set(G.successors(node))
        assert ancestors([node], graph) == nx.ancestors(G, node) | {node}
        assert descendants([node], graph) == nx.descendants(G, node) | {node}


@given(dags())
@few
def test_blanket_shields_and_each_of_its_nodes_is_needed(graph):
    for node in graph:
        blanket = markov_blanket(node, graph)
        rest = [n for n in graph if n != node and n not in blanket]
        assert not rest or d_separated([node], rest, blanket, graph)
        for member in blanket:
            others = [n for n in graph if n not in (node, member)]
            assert not d_separated([node], [member], others, graph)


def test_blanket_comes_in_the_order_of_the_graph():
    graph = {"z": ["x"], "y": [], "x": [], "w": ["z", "y"], "v": ["w"]}
    assert markov_blanket("z", graph) == ["y", "x", "w"]
    assert markov_blanket("a", {"a": []}) == []


BAD = [
    ({}, r"parents: got \{\}"),
    ({"a": "b", "b": []}, "parents: got 'b' as the parents of 'a'; want a list"),
    ({"a": ["c"], "b": []}, "got the parent 'c' of 'a', which is not a node"),
    ({"a": ["b", "b"], "b": []}, "got a parent of 'a' twice"),
    ({"a": ["a"]}, "cycle a → a"),
    ({"r": [], "b": ["a", "r"], "a": ["c"], "c": ["b"], "d": ["c"]}, "cycle . → . → . → ."),
]


@pytest.mark.parametrize(("graph", "message"), BAD)
def test_bad_graphs_are_named(unchecked, graph, message):
    with pytest.raises(ValueError, match=message):
        topological_order(graph)


def test_the_cycle_named_is_one():
    graph = {"r": [], "b": ["a", "r"], "a": ["c"], "c": ["b"], "d": ["c"]}
    with pytest.raises(ValueError, match="cycle") as error:
        topological_order(graph)
    walk = str(error.value).split("cycle ")[1].split(";")[0].split(" → ")
    assert walk[0] == walk[-1]
    assert len(walk) == 4
    assert all(a in graph[b] for a, b in pairwise(walk))


def test_unknown_nodes_are_named(unchecked):
    for call in (lambda: markov_blanket("q", {"a": []}), lambda: ancestors(["q"], {"a": []})):
        with pytest.raises(ValueError, match="got the node 'q'; want nodes of the graph: a"):
            call()
