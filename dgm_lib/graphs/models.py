"""The graphs of the model families of this course, each with what is observed and where to draw it.

A latent-variable model has two graphs: the one that generates, and the one that infers the latent
variables of an observation (the encoder). Neither graph says what the conditionals are: neural
networks sit *in* the arrows.
"""

from collections.abc import Collection
from itertools import pairwise
from typing import Literal, NamedTuple

from dgm_lib.graphs.dag import Graph, require_members, topological_order
from dgm_lib.validate import require

Positions = dict[str, tuple[float, float]]


class ModelGraph(NamedTuple):
    """A graph, its observed nodes, and a place for each node."""

    parents: Graph
    observed: tuple[str, ...]
    positions: Positions


def vae(part: Literal["generation", "inference"] = "generation") -> ModelGraph:
    """One latent variable: p(z) p(x | z), and q(z | x)."""
    return hierarchical_vae(1, "generation" if part == "generation" else "bottom-up")


def hierarchical_vae(
    levels: int,
    part: Literal["generation", "bottom-up", "top-down", "factorised"] = "generation",
) -> ModelGraph:
    """A VAE whose prior is a VAE: z_L → ... → z_1 → x, and three ways to infer the z's from x.

    `bottom-up` is q(z_1 | x) q(z_2 | z_1) ...; `top-down` is q(z_L | x) q(z_{L-1} | z_L, x) ...,
    as in ladder VAEs; `factorised` is q(z_1 | x) q(z_2 | x) ....
    """
    require(levels >= 1, f"levels: got {levels}; want at least 1")
    z = ["z"] if levels == 1 else [f"z{i}" for i in range(1, levels + 1)]
    nodes = ["x", *z]
    graph: dict[str, list[str]] = {"x": []}
    if part == "generation":
        graph = {node: [above] for node, above in zip(nodes, z, strict=False)} | {z[-1]: []}
    elif part == "bottom-up":
        graph |= {node: [below] for below, node in zip(nodes, z, strict=False)}
    elif part == "top-down":
        graph |= {z[i]: [z[i + 1], "x"] if i + 1 < levels else ["x"] for i in range(levels)}
    elif part == "factorised":
        graph |= {node: ["x"] for node in z}
    else:
        raise ValueError(f"part: got {part!r}; want generation, bottom-up, top-down or factorised")
    bend = 0.8 if part in ("top-down", "factorised") and levels > 1 else 0.0
    places: Positions = {node: (bend, float(i)) for i, node in enumerate(nodes)}
    return ModelGraph(graph, ("x",), places | {"x": (0.0, 0.0)})


def diffusion(steps: int, part: Literal["generation", "inference"] = "generation") -> ModelGraph:
    """A chain of `steps` noising steps x0 → x1 → ... (inference, fixed), or its reverse."""
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    x = [f"x{t}" for t in range(steps + 1)]
    order = x if part == "inference" else x[::-1]
    graph = {order[0]: []} | {b: [a] for a, b in pairwise(order)}
    return ModelGraph(graph, ("x0",), {node: (float(t), 0.0) for t, node in enumerate(x)})


def hmm(steps: int) -> ModelGraph:
    """A hidden Markov model: a chain z1 → z2 → ... that is seen through x1, x2, ...."""
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    times = range(1, steps + 1)
    graph = {f"z{t}": [f"z{t - 1}"] if t > 1 else [] for t in times}
    graph |= {f"x{t}": [f"z{t}"] for t in times}
    places = {f"{name}{t}": (float(t), y) for t in times for name, y in (("z", 1.0), ("x", 0.0))}
    return ModelGraph(graph, tuple(f"x{t}" for t in times), places)


def autoregressive(d: int, order: int | None = None) -> ModelGraph:
    """x1, x2, ... with all earlier ones as parents, or only the last `order` of them."""
    require(d >= 1, f"d: got {d}; want at least 1")
    require(order is None or order >= 0, f"order: got {order}; want 0 or more")
    memory = d if order is None else order
    graph = {f"x{i}": [f"x{j}" for j in range(max(1, i - memory), i)] for i in range(1, d + 1)}
    return ModelGraph(graph, tuple(graph), {f"x{i}": (float(i), 0.0) for i in range(1, d + 1)})


def unroll(parents: Graph, plate: Collection[str], n: int) -> dict[str, list[str]]:
    """What a plate stands for: its nodes n times, `x` becoming `x1`, ..., `xn`.

    Arrows within the plate are copied; arrows into it come from the one node outside. An arrow
    out of the plate would make the node outside a child of all copies.

    >>> unroll({"w": [], "x": ["w"]}, ["x"], 2)
    {'w': [], 'x1': ['w'], 'x2': ['w']}
    """
    topological_order(parents)
    require_members("plate", plate, parents)
    require(n >= 1, f"n: got {n}; want at least 1")
    copies = {node: [f"{node}{i}" for i in range(1, n + 1)] for node in plate}
    graph: dict[str, list[str]] = {}
    for node, above in parents.items():
        if node in plate:
            for i, copy in enumerate(copies[node]):
                graph[copy] = [copies[p][i] if p in plate else p for p in above]
        else:
            graph[node] = [c for p in above for c in copies.get(p, [p])]
    require(
        len(graph) == len(parents) + (n - 1) * len(copies),
        f"plate: got copies named like another node, {list(graph)}; want other names",
    )
    return graph
