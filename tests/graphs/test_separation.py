"""d-separation decided in five ways on random graphs: by its definition, by reachability, by
moralising, by networkx, and by what a random linear Gaussian network of the graph really does."""

import random

import networkx as nx
import pytest
import torch
from hypothesis import given, settings

from dgm_lib.energy import log_weights
from dgm_lib.graphs import (
    DiscreteNetwork,
    blockers,
    chains,
    d_separated,
    d_separated_by_chains,
    d_separated_by_moralising,
    is_blocked,
    moral_graph,
    mutual_information,
    neighbours_of,
    random_tables,
    reachable,
    separated,
)
from tests.graphs.graphs import dags, linear_gaussian_dependence, queries, random_query
from tests.graphs.test_dag import as_networkx


@given(queries())
@settings(max_examples=200, deadline=None)
def test_five_ways_agree(query):
    graph, a, b, c = query
    answer = d_separated(a, b, c, graph)
    assert d_separated(b, a, c, graph) == answer
    assert d_separated_by_chains(a, b, c, graph) == answer
    assert d_separated_by_moralising(a, b, c, graph) == answer
    assert nx.is_d_separator(as_networkx(graph), set(a), set(b), set(c)) == answer
    assert (linear_gaussian_dependence(graph, a, b, c) < 1e-8) == answer


def test_thousands_of_small_graphs_agree_with_networkx():
    rng, separations = random.Random(0), 0
    for _ in range(3000):
        graph, a, b, c = random_query(rng, rng.randint(2, 8))
        want = nx.is_d_separator(as_networkx(graph), set(a), set(b), set(c))
        assert d_separated(a, b, c, graph) == want, (graph, a, b, c)
        separations += want
    assert 500 < separations < 2500  # both answers occur often


@given(queries(30, 60))
@settings(max_examples=50, deadline=None)
def test_larger_graphs_agree_with_networkx(query):
    graph, a, b, c = query
    a, b, c = a[:2], b[:2], c[:8]
    want = nx.is_d_separator(as_networkx(graph), set(a), set(b), set(c))
    assert d_separated(a, b, c, graph) == want


@given(queries(3, 6))
@settings(max_examples=40, deadline=None)
def test_reachable_is_all_that_is_not_separated(query):
    graph, a, _, c = query
    reached = reachable(a, c, graph)
    for node in graph:
        if node not in a and node not in c:
            assert (node in reached) != d_separated(a, [node], c, graph)


@given(queries(3, 6))
@settings(max_examples=40, deadline=None)
def test_sound_in_random_tables(query):
    graph, a, b, c = query
    tables = random_tables(graph, generator=torch.Generator().manual_seed(0))
    information = DiscreteNetwork(graph, tables).mutual_information(a, b, c)
    assert (information < 1e-13) == d_separated(a, b, c, graph)


@given(dags(2, 5))
@settings(max_examples=30, deadline=None)
def test_chains_are_the_simple_paths_of_the_skeleton(graph):
    a, b = list(graph)[:2]
    want = nx.all_simple_paths(as_networkx(graph).to_undirected(), a, b)
    assert sorted(chains(a, b, graph)) == sorted(want)


CHAIN = {"a": [], "m": ["a"], "b": ["m"]}
FORK = {"m": [], "a": ["m"], "b": ["m"]}
COLLIDER = {"a": [], "b": [], "m": ["a", "b"], "d": ["m"], "e": ["d"]}


@pytest.mark.parametrize(
    ("graph", "given_", "blocked"),
    [
        (CHAIN, [], False),
        (CHAIN, ["m"], True),
        (FORK, [], False),
        (FORK, ["m"], True),
        (COLLIDER, [], True),
        (COLLIDER, ["m"], False),
        (COLLIDER, ["d"], False),
        (COLLIDER, ["e"], False),
        (COLLIDER | {"f": ["a"]}, ["f"], True),
    ],
)
def test_three_junctions(graph, given_, blocked):
    assert is_blocked(["a", "m", "b"], given_, graph) is blocked
    assert is_blocked(["b", "m", "a"], given_, graph) is blocked
    assert d_separated(["a"], ["b"], given_, graph) is blocked


def test_figure_8_22_of_bishop():
    graph = {"a": [], "f": [], "e": ["a", "f"], "b": ["f"], "c": ["e"]}
    assert not d_separated(["a"], ["b"], ["c"], graph)
    assert d_separated(["a"], ["b"], ["f"], graph)
    assert blockers(["a", "e", "f", "b"], ["f"], graph) == ["e", "f"]
    assert blockers(["a", "e", "f", "b"], ["c"], graph) == []


def test_an_edge_is_never_blocked():
    assert is_blocked(["a", "m"], ["b"], CHAIN) is False


def test_separation_in_a_boltzmann_machine_is_independence():
    names = [f"u{i}" for i in range(6)]
    W = torch.zeros(6, 6).double()
    for i, j in [(0, 1), (1, 2), (2, 3), (0, 4), (4, 3)]:
        W[i, j] = W[j, i] = 1 + 0.3 * i
    graph = neighbours_of(W, names)
    b = torch.linspace(-1, 1, 6).double()
    joint = log_weights(W, b).softmax(0).view(*[2] * 6)
    for i, j, given_ in [(0, 3, []), (0, 3, [1]), (0, 3, [1, 4]), (0, 3, [2, 4]), (0, 5, [])]:
        says = separated([names[i]], [names[j]], [names[k] for k in given_], graph)
        assert says == (mutual_information(joint, [i], [j], given_) < 1e-13)


def test_moral_graph_marries_parents():
    assert moral_graph(COLLIDER)["a"] == {"b", "m"}
    assert moral_graph(CHAIN)["a"] == {"m"}


BAD = [
    (lambda: is_blocked(["a"], [], CHAIN), "chain: got 1 nodes"),
    (lambda: is_blocked(["a", "b"], [], CHAIN), "got 'a' beside 'b', between which there is no"),
    (lambda: is_blocked(["a", "m", "a"], [], CHAIN), "want no node more than once"),
    (lambda: is_blocked(["a", "m", "b"], ["b"], CHAIN), "given: got 'b', an end of the chain"),
    (lambda: is_blocked("amb", [], CHAIN), "chain: got the string 'amb'"),
    (lambda: is_blocked(["a", "m"], ["q"], CHAIN), "given: got the node 'q'"),
    (lambda: d_separated(["a"], ["b"], ["q"], CHAIN), "given: got the node 'q'"),
    (lambda: d_separated([], ["b"], [], CHAIN), "a: got no node"),
    (lambda: d_separated(["a"], [], [], CHAIN), "b: got no node"),
    (lambda: d_separated(["a"], ["a"], [], CHAIN), "a: got 'a', which b also holds"),
    (lambda: d_separated(["a"], ["b"], ["b"], CHAIN), "b: got 'b', which given also holds"),
    (lambda: d_separated("a", ["b"], [], CHAIN), "a: got the string 'a'; want a list"),
    (lambda: d_separated(["a"], ["b"], [], {"a": ["b"], "b": ["a"]}), "got the cycle"),
    (lambda: chains("a", "q", CHAIN), "b: got the node 'q'"),
    (lambda: separated(["a"], ["b"], [], {"a": ["b"], "b": []}), "at one end only"),
    (lambda: neighbours_of(torch.tensor([[0.0, 1], [2, 0]]), ["a", "b"]), "not symmetric"),
    (lambda: neighbours_of(torch.zeros(3, 3), ["a", "b"]), "W: got shape"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_named(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()
