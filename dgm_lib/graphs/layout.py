"""Where to put the nodes of a graph in the plane, what to write in them, and how large they are."""

import re

from dgm_lib.graphs.dag import Graph, topological_order
from dgm_lib.graphs.models import Positions


def layered(parents: Graph) -> Positions:
    """A place for each node: below all of its parents, near their middle, one row per depth."""
    depth: dict[str, int] = {}
    rows: list[list[str]] = []
    for node in topological_order(parents):
        depth[node] = 1 + max((depth[parent] for parent in parents[node]), default=-1)
        rows += [[]] if depth[node] == len(rows) else []
        rows[depth[node]].append(node)
    place: Positions = {}
    for level, row in enumerate(rows):
        middle = {
            node: sum(place[p][0] for p in parents[node]) / max(1, len(parents[node]))
            for node in row
        }
        for i, node in enumerate(sorted(row, key=middle.__getitem__)):
            place[node] = (1.5 * (i - (len(row) - 1) / 2), -1.0 * level)
    return place


def label(node: str) -> str:
    """How a node is written: one letter and a number as a symbol with an index.

    >>> label("z12"), label("rain")
    ('$z_{12}$', 'rain')
    """
    match = re.fullmatch(r"([^\W\d_])(\d*)", node)
    if not match:
        return node
    index = f"_{{{match[2]}}}" if match[2] else ""
    return f"${match[1]}{index}$"


def size_of(text: str) -> tuple[float, float]:
    """Half width and half height of a node, in points."""
    word = 3.4 * len(text) + 5 if "$" not in text else 0
    return (max(13.0, word), 13.0)
