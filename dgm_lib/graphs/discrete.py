"""Discrete Bayesian networks: a table of conditional probabilities for each node of a DAG.

    p(x_1, ..., x_d) = Π_i p(x_i | x_parents(i))

The table of a node has one axis for each parent, in the order in which `parents` lists them, and a
last axis for the node's own value: `tables["wet"][r, s, w]` is p(wet = w | rain = r, sprinkler = s).
Values are whole numbers from 0. In a matrix of states, column i belongs to the i-th node of the
dict `parents`.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.graphs.dag import Graph, topological_order
from dgm_lib.validate import require, require_finite, require_tensor

Tables = Mapping[str, Tensor]
"""Node -> p(node | parents), with a last axis for the node's own value."""


def joint_log_prob(x: Int[Tensor, "n d"], parents: Graph, tables: Tables) -> Float[Tensor, " n"]:
    """log p(x) = Σ_i log p(x_i | x_parents(i)) of each state, in nats.

    Args:
        x: n states, whole numbers; column i holds the values of the i-th node of `parents`.
        parents: the graph, node -> its parents.
        tables: for each node a tensor of probabilities with one axis per parent, in the order of
            `parents[node]`, and a last axis for the node's own value.

    Returns:
        The n log-probabilities; -inf where a state is impossible.
    """
    require_tables(parents, tables)
    require_states(x, parents, tables)
    column = dict(zip(parents, x.T, strict=True))
    terms = [
        tables[node][tuple(column[name] for name in (*above, node))].log()
        for node, above in parents.items()
    ]
    return torch.stack(terms).sum(0)


def ancestral_sample(
    uniforms: Float[Tensor, "n d"], parents: Graph, tables: Tables
) -> Int[Tensor, "n d"]:
    """Draw n states: each node from its table, after its parents and given their values.

    Args:
        uniforms: random numbers in [0, 1); column i is for the i-th node of `parents`. A node
            takes the smallest value k with u < p(0) + ... + p(k), given its parents' values.
        parents: the graph, node -> its parents, which may be listed in any order.
        tables: for each node a tensor of probabilities with one axis per parent, in the order of
            `parents[node]`, and a last axis for the node's own value.

    Returns:
        The states, whole numbers (int64); column i holds the values of the i-th node of `parents`.
    """
    order = require_tables(parents, tables)
    require_tensor("uniforms", uniforms, ("n", len(parents)), batch=True)
    require(
        bool(((uniforms >= 0) & (uniforms < 1)).all()),
        f"uniforms: got values from {uniforms.min():g} to {uniforms.max():g}; want them in [0, 1)",
    )
    u = dict(zip(parents, uniforms.T, strict=True))
    values: dict[str, Tensor] = {}
    for node in order:
        p = tables[node][tuple(values[name] for name in parents[node])]  # (n, k), or (k,) at a root
        upper = p.cumsum(-1)
        upper = upper / upper[..., -1:]  # rounding must not leave a gap below 1
        values[node] = (u[node][:, None] >= upper).sum(-1)
    return torch.stack([values[node] for node in parents], 1)


def random_tables(
    parents: Graph, levels: int = 2, generator: torch.Generator | None = None
) -> dict[str, Float[Tensor, "..."]]:
    """Tables in float64 whose rows are uniform among all distributions over `levels` values."""
    topological_order(parents)
    require(levels >= 2, f"levels: got {levels}; want at least 2")
    tables = {}
    for node, above in parents.items():
        shape = [levels] * (len(above) + 1)
        p = -torch.rand(shape, generator=generator, dtype=torch.float64).clamp_min(1e-12).log()
        tables[node] = p / p.sum(-1, keepdim=True)
    return tables


def require_tables(parents: Graph, tables: Tables) -> list[str]:
    """Check the graph and its tables; returns a topological order."""
    order = topological_order(parents)
    odd = [node for node in (*parents, *tables) if (node in parents) != (node in tables)]
    require(
        not odd, f"tables: got no match for {', '.join(map(repr, odd))}; want a table for each node"
    )
    first = tables[next(iter(parents))]
    for node in order:
        table, name = tables[node], f"tables[{node!r}]"
        require(
            isinstance(table, Tensor) and table.is_floating_point() and table.dim() > 0,
            f"{name}: got {_kind(table)}; want a tensor of probabilities",
        )
        shape = tuple(tables[parent].shape[-1] for parent in parents[node])
        require(
            tuple(table.shape[:-1]) == shape and table.shape[-1] > 0,
            f"{name}: got shape {tuple(table.shape)}; want {(*shape, 'k')}: one axis per parent "
            f"{list(parents[node])}, then the node's own",
        )
        require(
            table.dtype == first.dtype,
            f"{name}: got dtype {table.dtype}; want {first.dtype} as in the others",
        )
        require_finite(name, table)
        off = (table.sum(-1) - 1).abs().max().item()
        require(
            table.min().item() >= 0 and off < 1e-4,
            f"{name}: got a smallest entry {table.min():g} and rows that miss a sum of 1 by up to "
            f"{off:g}; want probabilities that sum to 1 along the last axis",
        )
    return order


def require_states(x: Tensor, parents: Graph, tables: Tables) -> None:
    """Check that x holds states of the network, one per row."""
    fits = isinstance(x, Tensor) and x.dim() == 2 and x.shape[1] == len(parents)
    require(fits, f"x: got {_kind(x)}; want a tensor of shape (n, {len(parents)})")
    require(x.dtype == torch.int64, f"x: got dtype {x.dtype}; want torch.int64, say x.long()")
    require(len(x) > 0, "x: got an empty batch; want at least one example")
    for node, column in zip(parents, x.T, strict=True):
        k = tables[node].shape[-1]
        low, high = int(column.min()), int(column.max())
        require(
            low >= 0 and high < k,
            f"x: got the value {low if low < 0 else high} for {node!r}; want 0 to {k - 1}",
        )


def _kind(x: object) -> str:
    if isinstance(x, Tensor):
        return f"{x.dtype} of shape {tuple(x.shape)}"
    return f"a {type(x).__name__}"
