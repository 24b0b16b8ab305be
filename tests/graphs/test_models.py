"""The model families' graphs say what the families are known for; and they can be drawn."""

import matplotlib.pyplot as plt
import pytest
import torch

from dgm_lib.graphs import (
    DiscreteNetwork,
    autoregressive,
    d_separated,
    diffusion,
    hierarchical_vae,
    hmm,
    moral_graph,
    random_tables,
    topological_order,
    unroll,
    vae,
)
from dgm_lib.graphs.draw import SHADE, draw, draw_model, mark_chain
from dgm_lib.graphs.layout import layered

ALL = [
    vae(),
    vae("inference"),
    *[hierarchical_vae(3, part) for part in ("generation", "bottom-up", "top-down", "factorised")],
    diffusion(4),
    diffusion(4, "inference"),
    hmm(4),
    autoregressive(4),
    autoregressive(5, order=1),
]


@pytest.mark.parametrize("model", ALL)
def test_every_model_is_a_dag_that_can_be_drawn(model):
    topological_order(model.parents)
    assert set(model.observed) <= set(model.parents) == set(model.positions)
    ax = draw_model(model, "title")
    ax.figure.canvas.draw()
    [nodes] = ax.collections
    assert len(nodes.get_offsets()) == len(model.parents)
    arrows = sum(len(above) for above in model.parents.values())
    assert len(ax.patches) == arrows
    plt.close("all")


def test_vae_and_its_encoder():
    assert vae().parents == {"x": ["z"], "z": []}
    assert vae("inference").parents == {"x": [], "z": ["x"]}


def test_a_markov_chain_and_its_reverse_claim_the_same():
    forward, back = diffusion(4, "inference").parents, diffusion(4).parents
    for t in range(1, 4):
        for graph in (forward, back):
            assert d_separated(["x0"], ["x4"], [f"x{t}"], graph)
            assert not d_separated(["x0"], ["x4"], [], graph)


def test_hmm_forgets_only_given_the_hidden_state():
    graph = hmm(4).parents
    assert d_separated(["x1", "z1"], ["x3", "z4"], ["z2"], graph)
    assert not d_separated(["x1"], ["x3"], ["x2"], graph)


def test_autoregressive_graphs_claim_nothing_unless_their_memory_is_short():
    full, short = autoregressive(4).parents, autoregressive(4, order=1).parents
    assert not d_separated(["x1"], ["x4"], ["x2", "x3"], full)
    assert d_separated(["x1"], ["x4"], ["x3"], short)


def test_which_encoders_of_a_hierarchy_lose_nothing():
    """KL(posterior || its best approximation of that graph): the mean-field one has a gap."""
    model = hierarchical_vae(2)
    net = DiscreteNetwork(model.parents, random_tables(model.parents, 3))
    assert net.mutual_information(["x"], ["z2"], ["z1"]) < 1e-13  # bottom-up is exact
    assert net.mutual_information(["z1"], ["z2"], ["x"]) > 1e-4  # factorised is not
    claims = {
        part: hierarchical_vae(2, part).parents for part in ("bottom-up", "top-down", "factorised")
    }
    assert d_separated(["x"], ["z2"], ["z1"], claims["bottom-up"])
    assert not d_separated(["z1"], ["z2"], ["x"], claims["top-down"])
    assert d_separated(["z1"], ["z2"], ["x"], claims["factorised"])


def test_a_plate_unrolls_to_copies_that_share_what_is_outside():
    graph = unroll({"w": [], "z": [], "x": ["z", "w"], "s": ["x"]}, ["z", "x"], 3)
    assert graph["x2"] == ["z2", "w"]
    assert graph["s"] == ["x1", "x2", "x3"]
    graph = unroll({"w": [], "z": [], "x": ["z", "w"]}, ["z", "x"], 3)
    assert d_separated(["z1", "x1"], ["z2", "x2"], ["w"], graph)
    assert not d_separated(["x1"], ["x2"], [], graph)
    with pytest.raises(ValueError, match="copies named like another node"):
        unroll({"x1": [], "x": ["x1"]}, ["x"], 2)


def test_layers_put_parents_above():
    graph = {"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": []}
    place = layered(graph)
    assert all(place[p][1] > place[n][1] for n, above in graph.items() for p in above)
    assert len(set(place.values())) == 4


def test_observed_nodes_are_shaded_and_chains_marked():
    graph = {"a": [], "b": [], "m": ["a", "b"]}
    ax = draw(graph, observed=["m"], plates={"N": ["a", "m"]})
    shades = ax.collections[0].get_facecolors()
    want = torch.tensor(plt.matplotlib.colors.to_rgba(SHADE))
    assert torch.allclose(torch.tensor(shades[2]), want.double(), atol=1e-6)
    assert shades[0].tolist() == [1, 1, 1, 1]
    assert any(text.get_text() == "N" for text in ax.texts)
    place = layered(graph)
    for given, lines in (([], 2), (["m"], 1)):  # a band, and a cross where it is blocked
        before = len(ax.lines)
        mark_chain(ax, ["a", "m", "b"], given, graph, place)
        assert len(ax.lines) - before == lines
    plt.close("all")
    draw(moral_graph(graph), layered(graph), directed=False).figure.canvas.draw()
    plt.close("all")


BAD = [
    (lambda: hierarchical_vae(0), "levels: got 0"),
    (lambda: hierarchical_vae(2, "sideways"), "part: got 'sideways'"),
    (lambda: diffusion(0), "steps: got 0"),
    (lambda: hmm(0), "steps: got 0"),
    (lambda: autoregressive(0), "d: got 0"),
    (lambda: autoregressive(2, -1), "order: got -1"),
    (lambda: unroll({"a": []}, ["q"], 2), "plate: got the node 'q'"),
    (lambda: unroll({"a": []}, ["a"], 0), "n: got 0"),
    (lambda: draw({"a": []}, {}, observed=["q"]), "observed: got the node 'q'"),
    (lambda: draw({"a": [], "b": []}, {"a": (0, 0)}), "positions: got none for b"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_named(unchecked, call, message):
    with pytest.raises(ValueError, match=message):
        call()
