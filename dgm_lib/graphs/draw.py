"""Pictures of graphs: observed nodes shaded, plates boxed, chains marked as open or blocked.

Nodes have a size in points and lie at places in the plane; both axes have one scale, so that arrows
end at the rim of their nodes whatever the size of the figure.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from dgm_lib.graphs.blocking import blockers
from dgm_lib.graphs.dag import Graph, require_members
from dgm_lib.graphs.layout import label, layered, size_of
from dgm_lib.graphs.models import ModelGraph, Positions
from dgm_lib.plots import BLACK, GREEN, RED
from dgm_lib.validate import require

SHADE = "#C9CDD2"
EDGE = "#333333"
ROOM = 0.55  # around the outermost nodes, in units of the plane
UNIT = 58.0  # points per unit of the plane, in a figure of its own


def draw(
    graph: Mapping[str, Collection[str]],
    positions: Positions | None = None,
    observed: Collection[str] = (),
    *,
    plates: Mapping[str, Collection[str]] | None = None,
    colors: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    bend: Mapping[tuple[str, str], float] | None = None,
    directed: bool = True,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw a graph.

    Args:
        graph: node -> its parents; or its neighbours, if not `directed`.
        positions: node -> (x, y). By default the parents stand above their children.
        observed: the nodes to shade.
        plates: label -> the nodes in a box with that label in its corner.
        colors: node -> the colour of its rim, for nodes that should stand out.
        labels: node -> what to write in it. By default a letter with a number becomes a letter
            with an index, and other names stay.
        bend: (parent, node) -> how much that arrow is curved; 0 is straight.
        directed: arrows, or plain lines for an undirected graph.
        title: the title.
        ax: where to draw; by default a new figure of a fitting size.
    """
    require_members("observed", observed, graph)
    place = positions or layered(graph)
    missing = [node for node in graph if node not in place]
    require(not missing, f"positions: got none for {', '.join(missing)}; want one for each node")
    text = {node: (labels or {}).get(node, label(node)) for node in graph}
    size = {node: size_of(text[node]) for node in graph}
    x, y = zip(*(place[node] for node in graph), strict=True)
    side = max(ROOM, max(wide for wide, _ in size.values()) / UNIT + 0.1)
    frame = (min(x) - side, max(x) + side, min(y) - ROOM, max(y) + ROOM)
    if ax is None:
        inches = UNIT / 72 * (frame[1] - frame[0]), UNIT / 72 * (frame[3] - frame[2])
        figure = (inches[0], inches[1] + 0.35 * bool(title))
        ax = plt.subplots(figsize=figure, layout="constrained")[1]
    for nodes_label, nodes in (plates or {}).items():
        require_members("plates", nodes, graph)
        _plate(ax, nodes_label, [place[node] for node in nodes])
    drawn: set[frozenset[str]] = set()
    for node, others in graph.items():
        for other in others:
            if directed or frozenset((node, other)) not in drawn:
                curve = (bend or {}).get((other, node), 0.0)
                _arrow(ax, place[other], place[node], size[other], size[node], curve, directed)
                drawn.add(frozenset((node, other)))
    _nodes(ax, list(graph), place, size, observed, colors or {})
    for node in graph:
        ax.text(*place[node], text[node], ha="center", va="center", fontsize=10, zorder=4)
    ax.set(xlim=frame[:2], ylim=frame[2:], title=title)
    ax.set_aspect("equal", anchor="N")  # titles of panels side by side at one height
    ax.axis("off")
    return ax


def draw_model(model: ModelGraph, title: str = "", ax: Axes | None = None) -> Axes:
    """Draw the graph of a model family, its observed nodes shaded."""
    x = [place[0] for place in model.positions.values()]
    y = [place[1] for place in model.positions.values()]
    bend = {}
    if max(y) == min(y):  # in a row: arrows that skip nodes pass above them
        for node, above in model.parents.items():
            for parent in above:
                step = abs(model.positions[node][0] - model.positions[parent][0])
                bend[parent, node] = -0.45 if step > 1 else 0.0
    ax = draw(model.parents, model.positions, model.observed, bend=bend, title=title, ax=ax)
    if any(bend.values()):
        ax.set_ylim(-ROOM, 0.28 * (max(x) - min(x)) + 0.2)
    return ax


def mark_chain(
    ax: Axes, chain: Sequence[str], given: Collection[str], parents: Graph, positions: Positions
) -> Axes:
    """Mark a chain in a drawn graph: a green band if it is open; a red dashed one if it is blocked,
    with a cross at each node that blocks it."""
    stops = blockers(chain, given, parents)
    x, y = zip(*(positions[node] for node in chain), strict=True)
    style = {"color": RED, "linestyle": (0, (1.2, 0.7))} if stops else {"color": GREEN}
    ax.plot(x, y, linewidth=9, alpha=0.45, zorder=1, solid_capstyle="round", **style)
    for node in stops:
        px, py = positions[node]
        ax.plot(px, py, "x", color=RED, markersize=37, markeredgewidth=3.5, zorder=2.5)
    return ax


def _rim(size: tuple[float, float], start: tuple[float, float], end: tuple[float, float]) -> float:
    """From the centre of an ellipse to its rim, in the direction from start to end, in points."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy) or 1.0
    return 1 / math.hypot(dx / length / size[0], dy / length / size[1])


def _arrow(ax, start, end, size_start, size_end, curve, directed) -> None:
    arrow = FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>" if directed else "-",
        connectionstyle=f"arc3,rad={curve}",
        mutation_scale=11,
        shrinkA=_rim(size_start, start, end),
        shrinkB=_rim(size_end, start, end) + (1 if directed else 0),
        color=EDGE,
        linewidth=1.2,
        zorder=2,
    )
    ax.add_patch(arrow)


def _nodes(ax, nodes, place, size, observed, colors) -> None:
    ax.add_collection(
        EllipseCollection(
            [2 * size[node][0] for node in nodes],
            [2 * size[node][1] for node in nodes],
            [0] * len(nodes),
            units="points",
            offsets=[place[node] for node in nodes],
            offset_transform=ax.transData,
            facecolors=[SHADE if node in observed else "white" for node in nodes],
            edgecolors=[colors.get(node, BLACK if node in observed else EDGE) for node in nodes],
            linewidths=[2.6 if node in colors else 1.2 for node in nodes],
            zorder=3,
            clip_on=False,
        ),
        autolim=False,
    )


def _plate(ax, text, places) -> None:
    x, y = zip(*places, strict=True)
    low_x, low_y, pad = min(x), min(y), 0.38
    box = FancyBboxPatch(
        (low_x - pad, low_y - pad - 0.1),
        max(x) - low_x + 2 * pad,
        max(y) - low_y + 2 * pad + 0.1,
        boxstyle="round,pad=0.03,rounding_size=0.1",
        facecolor="none",
        edgecolor="#777777",
        linewidth=1.2,
        zorder=0,
    )
    ax.add_patch(box)
    ax.text(max(x) + pad - 0.03, low_y - pad - 0.08, text, ha="right", va="bottom", fontsize=9)
