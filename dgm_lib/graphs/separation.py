"""d-separation: reading independence off a DAG.

A and B are d-separated by C if every chain between a node of A and a node of B is blocked by C.
Then X_A and X_B are independent given X_C in *every* distribution that factorises over the graph
(soundness); if they are not d-separated, they are dependent in *some* such distribution
(completeness).

Two ways to decide it: chain by chain, as it is defined, which takes exponential time; and by
walking along open chains only, which takes time linear in the size of the graph.

Sources: Geiger, Verma and Pearl (1990), "Identifying independence in Bayesian networks", Networks
20 (the linear algorithm); Shachter (1998), "Bayes-ball", arXiv:1301.7412.
"""

from collections.abc import Collection
from itertools import product

from dgm_lib.graphs.blocking import chains, is_blocked
from dgm_lib.graphs.dag import Graph, ancestors, children, require_members, topological_order
from dgm_lib.validate import require


def d_separated(
    a: Collection[str], b: Collection[str], given: Collection[str], parents: Graph
) -> bool:
    """Whether `given` d-separates a from b: whether it blocks every chain between a node of a and
    a node of b.

    Args:
        a: one or more nodes.
        b: one or more other nodes.
        given: the observed nodes, possibly none; the three have no node in common.
        parents: the graph, node -> its parents.

    Returns:
        True if they are d-separated, False if some chain is open.
    """
    _require_disjoint(a, b, given, parents)
    return _walk(a, given, parents, set(b)).isdisjoint(b)


def d_separated_by_chains(
    a: Collection[str], b: Collection[str], given: Collection[str], parents: Graph
) -> bool:
    """`d_separated`, word for word by its definition: exponential time, for small graphs."""
    _require_disjoint(a, b, given, parents)
    return all(
        is_blocked(chain, given, parents)
        for one, other in product(a, b)
        for chain in chains(one, other, parents)
    )


def reachable(start: Collection[str], given: Collection[str], parents: Graph) -> set[str]:
    """The nodes outside `given` to which an open chain leads from a node of `start` (those nodes
    included), in time linear in the number of nodes and arrows.

    A walk arrives at a node either from one of its children or from one of its parents, and where
    it may go next depends only on that and on what is given. So each node is visited at most twice.
    """
    topological_order(parents)
    require_members("start", start, parents)
    require_members("given", given, parents)
    return _walk(start, given, parents)


def _walk(
    start: Collection[str],
    given: Collection[str],
    parents: Graph,
    until: Collection[str] = frozenset(),
) -> set[str]:
    """`reachable`, unchecked; stops as soon as it meets a node of `until`."""
    given = set(given)
    below, opens = children(parents), ancestors(given, parents)
    from_child, from_parent = set(start), set()
    todo = [(node, True) for node in from_child]
    while todo:
        node, upward = todo.pop()
        if node in until:
            break
        if node not in given:  # it passes a walk on to its children, wherever that came from
            fresh = [n for n in below[node] if n not in from_parent]
            from_parent.update(fresh)
            todo += [(n, False) for n in fresh]
        if (node not in given) if upward else (node in opens):  # and so to its parents
            fresh = [n for n in parents[node] if n not in from_child]
            from_child.update(fresh)
            todo += [(n, True) for n in fresh]
    return (from_child | from_parent) - given


def _require_disjoint(
    a: Collection[str], b: Collection[str], given: Collection[str], parents: Graph
) -> None:
    sets = {"a": a, "b": b, "given": given}
    topological_order(parents)
    for name, nodes in sets.items():
        require_members(name, nodes, parents)
        require(name == "given" or len(nodes) > 0, f"{name}: got no node; want at least one")
    for one, other in [("a", "b"), ("a", "given"), ("b", "given")]:
        both = [node for node in sets[one] if node in sets[other]]
        require(
            not both,
            f"{one}: got {', '.join(map(repr, both))}, which {other} also holds; "
            "want sets without a common node",
        )
