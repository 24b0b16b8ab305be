"""Networks of tables against loops over all states."""

import math

import pytest
import torch
from hypothesis import given, settings

from dgm_lib.graphs import (
    DiscreteNetwork,
    ancestral_sample,
    empirical_joint,
    joint_log_prob,
    mutual_information,
    permutation_test,
    random_tables,
    witness,
)
from dgm_lib.model import HasLogProb, HasSample
from tests.graphs.graphs import brute_joint, dags, queries

few = settings(max_examples=20, deadline=None)


def random_network(graph, seed=0, levels=2):
    return random_tables(graph, levels, torch.Generator().manual_seed(seed))


@given(dags(1, 5))
@few
def test_joint_log_prob_is_the_product_of_table_entries(graph):
    tables = random_network(graph, levels=3)
    brute = brute_joint(graph, tables)
    states = torch.tensor(list(brute))
    got = joint_log_prob(states, graph, tables)
    assert torch.allclose(got.exp(), torch.tensor(list(brute.values())).double(), atol=1e-14)
    assert got.exp().sum().item() == pytest.approx(1, abs=1e-12)
    joint = DiscreteNetwork(graph, tables).joint()
    assert torch.allclose(joint.flatten(), got.exp(), atol=1e-14)


def test_impossible_states_have_log_prob_minus_infinity():
    tables = {"a": torch.tensor([1.0, 0.0])}
    assert joint_log_prob(torch.tensor([[0], [1]]), {"a": []}, tables).tolist() == [0, -math.inf]


def test_log_prob_is_differentiable_in_the_tables():
    p = torch.tensor([0.2, 0.8], requires_grad=True)
    joint_log_prob(torch.tensor([[1], [1], [0]]), {"a": []}, {"a": p}).sum().backward()
    assert torch.allclose(p.grad, torch.tensor([5.0, 2.5]))


@given(dags(1, 4))
@few
def test_ancestral_sample_has_the_right_law_exactly(graph):
    """On a fine grid of uniforms, the share of each state is its probability: the table entries
    are multiples of 1/8, so no grid point lies on a boundary."""
    tables = {}
    generator = torch.Generator().manual_seed(0)
    for node, above in graph.items():
        eighths = torch.randint(0, 9, [2] * len(above), generator=generator).double() / 8
        tables[node] = torch.stack([eighths, 1 - eighths], -1)
    ticks = (torch.arange(8).double() + 0.5) / 8
    u = torch.cartesian_prod(*[ticks] * len(graph)).view(-1, len(graph))
    x = ancestral_sample(u, graph, tables)
    share = empirical_joint(x, [2] * len(graph))
    assert torch.allclose(share, DiscreteNetwork(graph, tables).joint(), atol=1e-12)


def test_ancestral_sample_takes_the_smallest_value_that_fits():
    tables = {"a": torch.tensor([0.0, 0.25, 0.75, 0.0])}
    u = torch.tensor([[0.0], [0.2499], [0.25], [0.9999999]])
    assert ancestral_sample(u, {"a": []}, tables).flatten().tolist() == [1, 1, 2, 2]


def test_ancestral_sample_goes_by_columns_of_the_graph_not_by_order_of_drawing():
    graph = {"b": ["a"], "a": []}
    tables = {"a": torch.tensor([0.5, 0.5]), "b": torch.tensor([[0.9, 0.1], [0.1, 0.9]])}
    x = ancestral_sample(torch.tensor([[0.3, 0.7]]), graph, tables)
    assert x.tolist() == [[1, 1]]


@given(queries(3, 5))
@few
def test_conditional_is_a_ratio_of_sums(query):
    graph, a, _, c = query
    tables = random_network(graph, 1)
    brute, nodes = brute_joint(graph, tables), list(graph)
    evidence = {node: i % 2 for i, node in enumerate(c)}
    got = DiscreteNetwork(graph, tables).conditional(a, evidence)
    fits = lambda s, w: all(s[nodes.index(n)] == v for n, v in w.items())  # noqa: E731
    below = sum(p for s, p in brute.items() if fits(s, evidence))
    for index in torch.cartesian_prod(*[torch.arange(2)] * len(a)).view(-1, len(a)).tolist():
        wanted = evidence | dict(zip(a, index, strict=True))
        above = sum(p for s, p in brute.items() if fits(s, wanted))
        assert got[tuple(index)].item() == pytest.approx(above / below, abs=1e-12)


def test_conditional_keeps_the_order_of_the_query():
    graph = {"a": [], "b": ["a"]}
    tables = random_network(graph, levels=3)
    net = DiscreteNetwork(graph, tables)
    assert torch.allclose(net.conditional(["b", "a"]), net.conditional(["a", "b"]).T)


def test_fit_counts_and_is_the_maximum_of_the_likelihood():
    graph = {"b": ["a"], "a": []}
    x = torch.tensor([[0, 0], [1, 0], [1, 0], [1, 1]])  # columns b, a
    net = DiscreteNetwork(graph).fit(x, [2, 3])
    assert torch.allclose(net.tables_["a"], torch.tensor([0.75, 0.25, 0.0]))
    want = torch.tensor([[1 / 3, 2 / 3], [0, 1], [0.5, 0.5]])  # a = 2 never occurs: uniform
    assert torch.allclose(net.tables_["b"], want)
    assert net.parameters_ == 2 + 3
    assert torch.allclose(
        DiscreteNetwork(graph).fit(x, [2, 3], 1.0).tables_["a"], torch.tensor([4 / 7, 2 / 7, 1 / 7])
    )
    best = net.log_prob(x).sum()
    for seed in range(20):
        tables = random_network({"b": [], "a": []}, seed, 3)
        other = {
            "a": tables["a"].float(),
            "b": random_tables(graph, 2, torch.Generator().manual_seed(seed))["b"].float(),
        }
        other["b"] = torch.cat([other["b"], other["b"][:1]])
        assert joint_log_prob(x, graph, other).sum() < best


def test_fit_finds_the_tables_that_made_the_data():
    graph = {"a": [], "b": ["a"], "c": ["a", "b"]}
    net = DiscreteNetwork(graph, random_network(graph))
    assert isinstance(net, HasLogProb)
    assert isinstance(net, HasSample)
    x = net.sample(100_000, generator=torch.Generator().manual_seed(0))
    fitted = DiscreteNetwork(graph).fit(x, [2, 2, 2])
    for node in graph:
        assert (fitted.tables_[node] - net.tables_[node]).abs().max() < 0.02


def test_mutual_information_is_a_kl_divergence():
    p = torch.rand(2, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    p = p / p.sum()
    total = 0.0
    for i in range(2):
        for j in range(3):
            for k in range(2):
                product = p[i, :, k].sum() * p[:, j, k].sum() / p[:, :, k].sum()
                total += (p[i, j, k] * (p[i, j, k] / product).log()).item()
    assert mutual_information(p, [0], [1], [2]) == pytest.approx(total, abs=1e-12)


def test_exclusive_or_is_seen_only_together():
    """A faithless distribution: a and c are independent though an arrow joins them."""
    flip = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]]).double()
    coin = torch.tensor([0.5, 0.5]).double()
    net = DiscreteNetwork({"a": [], "b": [], "c": ["a", "b"]}, {"a": coin, "b": coin, "c": flip})
    assert net.mutual_information(["a"], ["c"]) < 1e-12
    assert net.mutual_information(["a"], ["b"], ["c"]) == pytest.approx(math.log(2))


@given(queries(3, 5))
@few
def test_a_witness_is_found_exactly_when_not_separated(query):
    graph, a, b, c = query
    separated = DiscreteNetwork(graph, random_network(graph, 9)).mutual_information(a, b, c) < 1e-13
    generator = torch.Generator().manual_seed(0)
    if separated:
        with pytest.raises(ValueError, match="there is no witness"):
            witness(a, b, c, graph, generator)
    else:
        tables, information = witness(a, b, c, graph, generator)
        measured = DiscreteNetwork(graph, tables).mutual_information(a, b, c)
        assert measured == pytest.approx(information)
        assert information > 1e-9


def test_permutation_test_tells_chance_from_dependence():
    generator = torch.Generator().manual_seed(0)
    c = torch.randint(3, (600,), generator=generator)
    noise = lambda: torch.randint(2, (600,), generator=generator)  # noqa: E731
    a, b = c + noise(), c + noise()
    assert permutation_test(a, b, times=99, generator=generator).p_value == 0.01
    rejections = 0
    for _ in range(20):
        a, b = c + noise(), c + noise()  # independent given c
        test = permutation_test(a, b, c, 19, generator)
        rejections += test.p_value <= 0.1
        assert test.information > 0
    assert rejections <= 7  # of 20 at level 0.1: more than 7 has probability 0.0004


coin = torch.tensor([0.5, 0.5])
ab = {"a": [], "b": ["a"]}
good = {"a": coin, "b": torch.stack([coin, coin])}
x0, u0 = torch.zeros(2, 2).long(), torch.zeros(2, 2)
BAD = [
    (lambda: joint_log_prob(x0, ab, {"a": coin}), "tables: got no match for 'b'"),
    (lambda: joint_log_prob(x0, ab, good | {"q": coin}), "tables: got no match for 'q'"),
    (lambda: joint_log_prob(x0, ab, good | {"b": coin}), r"tables\['b'\]: got shape \(2,\)"),
    (lambda: joint_log_prob(x0, ab, good | {"a": coin * 2}), "miss a sum of 1 by up to 1"),
    (lambda: joint_log_prob(x0, ab, good | {"a": coin.double()}), "got dtype torch.float"),
    (lambda: joint_log_prob(x0, ab, good | {"a": coin * math.nan}), r"tables\['a'\]: got 2 NaN"),
    (lambda: joint_log_prob(x0, ab, good | {"a": [0.5, 0.5]}), r"tables\['a'\]: got a list"),
    (lambda: joint_log_prob(x0.float(), ab, good), "x: got dtype torch.float32"),
    (lambda: joint_log_prob(x0[:, :1], ab, good), r"x: got torch.int64 of shape \(2, 1\)"),
    (lambda: joint_log_prob(x0[:0], ab, good), "x: got an empty batch"),
    (lambda: joint_log_prob(x0 + 2, ab, good), "x: got the value 2 for 'a'; want 0 to 1"),
    (lambda: joint_log_prob(x0 - 1, ab, good), "x: got the value -1 for 'a'"),
    (lambda: ancestral_sample(u0[:, :1], ab, good), r"uniforms: got shape \(2, 1\)"),
    (lambda: ancestral_sample(u0[:0], ab, good), "uniforms: got an empty batch"),
    (lambda: ancestral_sample(u0 + 1, ab, good), "uniforms: got values from 1 to 1"),
    (lambda: ancestral_sample(u0, {"a": ["b"], "b": ["a"]}, good), "got the cycle"),
    (lambda: random_tables(ab, 1), "levels: got 1"),
    (lambda: DiscreteNetwork(ab, good).conditional(["a"], {"a": 0}), "which the evidence holds"),
    (lambda: DiscreteNetwork(ab, good).conditional(["a"], {"b": 2}), "got b = 2; want 0 to 1"),
    (lambda: DiscreteNetwork(ab, good).conditional([]), "query: got no node"),
    (
        lambda: DiscreteNetwork(ab, good | {"a": 2 * coin * torch.tensor([1.0, 0.0])}).conditional(
            ["b"], {"a": 1}
        ),
        "which has probability 0",
    ),
    (
        lambda: DiscreteNetwork(
            {f"x{i}": [] for i in range(21)}, {f"x{i}": coin for i in range(21)}
        ).joint(),
        "states to enumerate: got 2.1e",
    ),
    (lambda: DiscreteNetwork(ab).fit(x0, [2]), "levels: got"),
    (lambda: DiscreteNetwork(ab).fit(x0, [2, 2], -1), "pseudocount: got -1"),
    (lambda: DiscreteNetwork(ab).fit(x0 + 5, [2, 2]), "x: got the value 5"),
    (lambda: DiscreteNetwork(ab, good).sample(0), "n: got 0"),
    (lambda: mutual_information(torch.ones(2, 2) / 4, [0], [0]), "axes: got"),
    (lambda: mutual_information(torch.ones(2, 2), [0], [1]), "joint: got a sum of 4"),
    (lambda: mutual_information(torch.ones(2, 2) / 4, [], [1]), "a, b: got"),
    (lambda: empirical_joint(x0 + 2, [2, 2]), "x: got values from 2 to 2"),
    (lambda: permutation_test(x0[0], x0[:, :1].flatten()[:1]), "a, b, given: got shapes"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_named(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()
