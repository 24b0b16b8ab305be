"""A discrete Bayesian network as a model: exact questions by enumeration, tables by counting.

Any conditional p(query | evidence) is a ratio of two sums over the joint table, which has as many
entries as the network has states; so these sums stop at 2^20 states. Log-probabilities, sampling and
fitting need no sum, and work at any size.

Maximum likelihood is counting: log p(data) is a sum over nodes and over the values u of their
parents of Σ_k count(u, k) log p(k | u), and each such sum is largest at p(k | u) = count(u, k) /
count(u). Source: Koller and Friedman (2009), section 17.2.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.graphs.dag import Graph, require_members, topological_order
from dgm_lib.graphs.discrete import (
    Tables,
    ancestral_sample,
    joint_log_prob,
    require_states,
    require_tables,
)
from dgm_lib.graphs.independence import mutual_information
from dgm_lib.validate import require

MAX_STATES = 2**20


class DiscreteNetwork:
    """p(x) = Π_i p(x_i | x_parents(i)) over finitely many values.

    Args:
        parents: the graph, node -> its parents.
        tables: the conditional probabilities, as in `joint_log_prob`; or None, for `fit` to learn.

    >>> coin = torch.tensor([0.5, 0.5])
    >>> copy = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> pair = DiscreteNetwork({"a": [], "b": ["a"]}, {"a": coin, "b": copy})
    >>> pair.conditional(["a"], {"b": 1})
    tensor([0., 1.])
    """

    def __init__(self, parents: Graph, tables: Tables | None = None):
        topological_order(parents)
        self.parents = {node: list(above) for node, above in parents.items()}
        if tables is not None:
            require_tables(parents, tables)
            self.tables_ = dict(tables)

    def fit(
        self, x: Int[Tensor, "n d"], levels: Sequence[int], pseudocount: float = 0.0
    ) -> "DiscreteNetwork":
        """Set `tables_` to the relative frequencies in x; returns the network.

        Args:
            x: n states; column i holds the values of the i-th node.
            levels: how many values each node can take.
            pseudocount: added to every count, so that what was never seen keeps some probability;
                with 0 (maximum likelihood), rows of parents' values that never occur are uniform.
        """
        require(
            len(levels) == len(self.parents) and min(levels) >= 1,
            f"levels: got {list(levels)}; want a positive number for each of "
            f"{len(self.parents)} nodes",
        )
        require(
            math.isfinite(pseudocount) and pseudocount >= 0,
            f"pseudocount: got {pseudocount}; want 0 or more",
        )
        k = dict(zip(self.parents, levels, strict=True))
        flat = {node: torch.ones(k[node]) for node in self.parents}
        require_states(x, self.parents, flat)
        column = dict(zip(self.parents, x.T, strict=True))
        self.tables_ = {}
        for node, above in self.parents.items():
            index = torch.zeros_like(column[node])
            for name in (*above, node):
                index = index * k[name] + column[name]
            shape = [k[name] for name in (*above, node)]
            counts = torch.bincount(index, minlength=math.prod(shape)).view(shape) + pseudocount
            total = counts.sum(-1, keepdim=True)
            p = torch.where(total > 0, counts / total.clamp_min(1e-30), 1 / k[node])
            self.tables_[node] = p.to(torch.get_default_dtype())
        return self

    @property
    def parameters_(self) -> int:
        """How many numbers the tables hold that are free: rows sum to one."""
        return sum(t.numel() // t.shape[-1] * (t.shape[-1] - 1) for t in self.tables_.values())

    def log_prob(self, x: Int[Tensor, "n d"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x) of each state, in nats."""
        return joint_log_prob(x, self.parents, self.tables_)

    def sample(
        self, n: int, context: None = None, generator: torch.Generator | None = None
    ) -> Int[Tensor, "n d"]:
        """n states by ancestral sampling."""
        require(n >= 1, f"n: got {n}; want at least 1")
        u = torch.rand(n, len(self.parents), generator=generator)
        return ancestral_sample(u, self.parents, self.tables_)

    def joint(self) -> Float[Tensor, "..."]:
        """The table of p(x) over all states: one axis per node, at most 2^20 entries."""
        nodes = list(self.parents)
        states = math.prod(self.tables_[node].shape[-1] for node in nodes)
        require(
            states <= MAX_STATES,
            f"states to enumerate: got {states:.2g}; want at most {MAX_STATES} (sample instead)",
        )
        joint = torch.ones([], dtype=self.tables_[nodes[0]].dtype)
        for node, above in self.parents.items():
            axes = [nodes.index(name) for name in (*above, node)]
            order = sorted(range(len(axes)), key=axes.__getitem__)
            shape = [1] * len(nodes)
            for axis, size in zip(axes, self.tables_[node].shape, strict=True):
                shape[axis] = size
            joint = joint * self.tables_[node].permute(order).reshape(shape)
        return joint

    def conditional(
        self, query: Sequence[str], evidence: Mapping[str, int] | None = None
    ) -> Float[Tensor, "..."]:
        """p(query | evidence), exact: one axis per node of `query`, in that order."""
        evidence = dict(evidence or {})
        require_members("query", query, self.parents)
        require_members("evidence", evidence, self.parents)
        require(len(query) > 0, "query: got no node; want at least one")
        both = [node for node in query if node in evidence]
        require(not both, f"query: got {both}, which the evidence holds; want other nodes")
        joint, left = self.joint(), list(self.parents)
        for node, value in evidence.items():
            k = self.tables_[node].shape[-1]
            require(0 <= value < k, f"evidence: got {node} = {value}; want 0 to {k - 1}")
            joint = joint.select(left.index(node), value)
            left.remove(node)
        summed = [axis for axis, node in enumerate(left) if node not in query]
        marginal = joint.sum(summed) if summed else joint
        left = [node for node in left if node in query]
        total = marginal.sum()
        require(bool(total > 0), f"evidence: got {evidence}, which has probability 0")
        return (marginal / total).permute([left.index(node) for node in query])

    def mutual_information(
        self, a: Sequence[str], b: Sequence[str], given: Sequence[str] = ()
    ) -> float:
        """I(a; b | given) in nats, exact: 0 if and only if they are independent given `given`."""
        for name, nodes in {"a": a, "b": b, "given": given}.items():
            require_members(name, nodes, self.parents)
        axes = ([list(self.parents).index(node) for node in nodes] for nodes in (a, b, given))
        return mutual_information(self.joint(), *axes)
