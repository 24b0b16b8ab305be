"""A directed acyclic graph (DAG), as plain data: for each node, the list of its parents.

    {"rain": [], "sprinkler": [], "wet": ["rain", "sprinkler"], "slippery": ["wet"]}

An arrow runs from each parent to the node. The order of the dict is the order of the columns
wherever states of all nodes are written as a matrix; it need not be one in which parents come
first. That order is `topological_order`, and it exists if and only if no arrow closes a cycle.

Source: Koller and Friedman (2009), "Probabilistic Graphical Models", chapter 3.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from dgm_lib.validate import require

Graph = Mapping[str, Sequence[str]]
"""Node -> its parents."""


def topological_order(parents: Graph) -> list[str]:
    """All nodes, each after its parents; of those that are free to go first, the first listed.

    Raises:
        ValueError: if a parent is not a node, is listed twice, or if there is a cycle; both the
            unknown node and the cycle are named.

    >>> topological_order({"wet": ["rain"], "rain": []})
    ['rain', 'wet']
    >>> topological_order({"a": ["c"], "b": ["a"], "c": ["b"]})
    Traceback (most recent call last):
    ...
    ValueError: parents: got the cycle a → b → c → a; want a graph without cycles
    """
    _require_nodes(parents)
    below = children(parents)
    waiting = {node: len(above) for node, above in parents.items()}
    order = [node for node, count in waiting.items() if count == 0]
    for node in order:  # the list grows as we walk along it
        for child in below[node]:
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    if len(order) < len(parents):
        cycle = " → ".join(_cycle(parents, set(parents) - set(order)))
        raise ValueError(f"parents: got the cycle {cycle}; want a graph without cycles")
    return order


def children(parents: Graph) -> dict[str, list[str]]:
    """Node -> its children: the same arrows, listed at their other end.

    >>> children({"wet": ["rain"], "rain": []})
    {'wet': [], 'rain': ['wet']}
    """
    below: dict[str, list[str]] = {node: [] for node in parents}
    for node, above in parents.items():
        for parent in above:
            below[parent].append(node)
    return below


def ancestors(nodes: Collection[str], parents: Graph) -> set[str]:
    """The given nodes and every node from which arrows lead to one of them."""
    require_members("nodes", nodes, parents)
    return _closure(nodes, parents)


def descendants(nodes: Collection[str], parents: Graph) -> set[str]:
    """The given nodes and every node to which arrows lead from one of them."""
    require_members("nodes", nodes, parents)
    return _closure(nodes, children(parents))


def markov_blanket(node: str, parents: Graph) -> list[str]:
    """The nodes that shield `node` from all others: given them, it is independent of the rest.

    They are its parents, its children, and the other parents of its children.

    Args:
        node: the node in question, not part of its own blanket.
        parents: the graph, node -> its parents.

    Returns:
        The nodes of the blanket, each once, in the order in which `parents` lists them.
    """
    topological_order(parents)
    require_members("node", [node], parents)
    blanket = set(parents[node])
    for child, above in parents.items():
        if node in above:
            blanket |= {child, *above}
    return [other for other in parents if other in blanket and other != node]


def require_members(name: str, nodes: Iterable[str], parents: Mapping) -> None:
    """Check that `nodes` is a collection of nodes of the graph."""
    require(
        not isinstance(nodes, str), f"{name}: got the string {nodes!r}; want a list, [{nodes!r}]"
    )
    for node in nodes:
        if node not in parents:
            raise ValueError(
                f"{name}: got the node {node!r}; want nodes of the graph: {_some(parents)}"
            )


def _require_nodes(parents: Graph) -> None:
    require(
        isinstance(parents, Mapping) and len(parents) > 0,
        f"parents: got {parents!r:.60}; want a dict with a list of parents for each node",
    )
    for node, above in parents.items():  # messages are built only if needed: this is the hot loop
        if not isinstance(above, list | tuple):
            raise ValueError(
                f"parents: got {above!r} as the parents of {node!r}; want a list of nodes"
            )
        for parent in above:
            if parent not in parents:
                raise ValueError(
                    f"parents: got the parent {parent!r} of {node!r}, which is not a node; "
                    f"want nodes of the graph: {_some(parents)}"
                )
        if len(set(above)) < len(above):
            raise ValueError(
                f"parents: got a parent of {node!r} twice, {list(above)}; want each once"
            )


def _closure(nodes: Collection[str], step: Mapping[str, Sequence[str]]) -> set[str]:
    reached = set(nodes)
    todo = list(reached)
    while todo:
        for other in step[todo.pop()]:
            if other not in reached:
                reached.add(other)
                todo.append(other)
    return reached


def _cycle(parents: Graph, stuck: set[str]) -> list[str]:
    """A cycle among nodes each of which has a parent among them, in the direction of the arrows."""
    walk = [next(node for node in parents if node in stuck)]
    while walk[-1] not in walk[:-1]:
        walk.append(next(parent for parent in parents[walk[-1]] if parent in stuck))
    return walk[walk.index(walk[-1]) :][::-1]


def _some(parents: Mapping) -> str:
    names = list(parents)
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
