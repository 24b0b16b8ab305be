"""Chains, and what blocks them.

A chain (or trail) is a path that may follow arrows either way. Three kinds of junction occur in it:
→ m → and ← m → let a message through unless m is known; the collider → m ← lets it through only if
m or one of its descendants is known. A chain is open if all of its junctions are.

Source: Pearl (1988), "Probabilistic Reasoning in Intelligent Systems", section 3.3.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from dgm_lib.graphs.dag import Graph, children, descendants, require_members, topological_order
from dgm_lib.validate import require


def is_blocked(chain: Sequence[str], given: Collection[str], parents: Graph) -> bool:
    """Whether a chain is blocked by the nodes in `given`.

    It is, if at least one of its inner nodes blocks it. A node where both arrows of the chain
    arrive (→ node ←, a collider) blocks unless the node itself or one of its descendants is given.
    Any other inner node blocks if it is given.

    Args:
        chain: the nodes along the chain, at least two, neighbours joined by an arrow of either
            direction; its two ends are not given.
        given: the observed nodes.
        parents: the graph, node -> its parents.

    Returns:
        True if it is blocked, False if it is open. A chain of two nodes is never blocked.
    """
    return len(blockers(chain, given, parents)) > 0


def blockers(chain: Sequence[str], given: Collection[str], parents: Graph) -> list[str]:
    """The inner nodes of the chain that block it; see `is_blocked`.

    >>> blockers(["rain", "wet", "sprinkler"], [], {"rain": [], "sprinkler": [], "wet": ["rain", "sprinkler"]})
    ['wet']
    """
    topological_order(parents)
    _require_chain(chain, given, parents)
    found = []
    for left, node, right in zip(chain, chain[1:], chain[2:], strict=False):
        if left in parents[node] and right in parents[node]:
            if descendants([node], parents).isdisjoint(given):
                found.append(node)
        elif node in given:
            found.append(node)
    return found


def chains(a: str, b: str, parents: Graph) -> Iterator[list[str]]:
    """All chains from node a to node b that meet no node twice. There can be exponentially many.

    >>> list(chains("a", "b", {"a": [], "c": ["a"], "b": ["a", "c"]}))
    [['a', 'c', 'b'], ['a', 'b']]
    """
    topological_order(parents)
    require_members("a", [a], parents)
    require_members("b", [b], parents)
    below = children(parents)
    chain = [a]

    def extend() -> Iterator[list[str]]:
        if chain[-1] == b:
            yield list(chain)
            return
        for node in [*parents[chain[-1]], *below[chain[-1]]]:
            if node not in chain:
                chain.append(node)
                yield from extend()
                chain.pop()

    return extend()


def _require_chain(chain: Sequence[str], given: Collection[str], parents: Graph) -> None:
    require_members("chain", chain, parents)
    require_members("given", given, parents)
    require(len(chain) >= 2, f"chain: got {len(chain)} nodes; want at least two")
    require(len(set(chain)) == len(chain), f"chain: got {list(chain)}; want no node more than once")
    for left, right in pairwise(chain):
        require(
            left in parents[right] or right in parents[left],
            f"chain: got {left!r} beside {right!r}, between which there is no arrow; "
            "want neighbours in the graph",
        )
    for end in (chain[0], chain[-1]):
        require(end not in given, f"given: got {end!r}, an end of the chain; want inner nodes")
