"""One house style, and the few kinds of picture that the lectures draw again and again.

Colours are Okabe & Ito's, which colour-blind readers tell apart; densities are drawn in
viridis, images in grey, signed matrices in a diverging map centred at zero. Every function
returns the Axes (or the Figure, where there are several) and leaves `plt.show()` to the caller.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from jaxtyping import Float, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from dgm_lib.validate import require, require_tensor

BLUE, ORANGE, GREEN, PINK, SKY, RED, YELLOW, BLACK = COLORS = [
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#000000",
]


def use_style() -> None:
    """Set matplotlib's defaults for this session; call it once at the top of a lecture."""
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.figsize": (5.0, 3.2),
            "figure.constrained_layout.use": True,
            "savefig.dpi": 100,
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.prop_cycle": plt.cycler(color=COLORS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#666666",
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E6E6E6",
            "grid.linewidth": 0.7,
            "xtick.color": "#444444",
            "ytick.color": "#444444",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "image.cmap": "viridis",
        }
    )


def scatter(
    x: Float[Tensor, "n 2"],
    ax: Axes | None = None,
    title: str = "",
    color: Any = BLUE,
    size: float = 4,
) -> Axes:
    """Points (n, 2) in the plane, at one scale on both axes."""
    require_tensor("x", x, ("n", 2))
    ax = _axes(ax, (3.4, 3.4))
    x = _numpy(x)
    ax.scatter(x[:, 0], x[:, 1], s=size, c=color, alpha=_alpha(len(x)), linewidths=0)
    ax.set_aspect("equal")
    ax.set_title(title)
    return ax


def samples_beside_data(
    data: Shaped[Tensor, "n ..."],
    samples: Shaped[Tensor, "m ..."],
    titles: Sequence[str] = ("data", "samples"),
) -> Figure:
    """Two panels at the same scale: points (n, 2), or images (n, 64) or (n, 1, h, w)."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.5), layout="constrained")
    if data.dim() == 2 and data.shape[1] == 2:
        scatter(data, left, titles[0], BLUE)
        scatter(samples, right, titles[1], RED)
        low, high = _limits(data)
        for ax in (left, right):  # a wild sample must not shrink the picture
            ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    else:
        images(data[:64], 8, left, titles[0])
        images(samples[:64], 8, right, titles[1])
    return fig


def density(
    log_prob: Callable[[Tensor], Tensor],
    limits: tuple[float, float] = (-4, 4),
    ax: Axes | None = None,
    title: str = "",
    points: Float[Tensor, "m 2"] | None = None,
) -> Axes:
    """A heat map of exp(log_prob) over a square; `points` (m, 2) are drawn on top.

    `log_prob` maps (n, 2) to (n,), in nats; it is called without gradient on a 160 × 160 grid.
    """
    low, high = limits
    require(low < high, f"limits: got {limits}; want (low, high)")
    ax = _axes(ax, (3.4, 3.4))
    side = 160
    step = (high - low) / side
    centres = torch.linspace(low + step / 2, high - step / 2, side)
    grid = torch.cartesian_prod(centres, centres)
    with torch.no_grad():
        p = log_prob(grid).exp().view(side, side).T
    ax.imshow(
        _numpy(p), origin="lower", extent=(low, high, low, high), interpolation="nearest", vmin=0
    )
    if points is not None:
        points = _numpy(points)
        ax.scatter(points[:, 0], points[:, 1], s=3, color="white", alpha=0.5, linewidths=0)
    ax.set(xlim=(low, high), ylim=(low, high), title=title)
    ax.grid(False)
    return ax


def images(
    x: Shaped[Tensor, "n ..."], columns: int = 10, ax: Axes | None = None, title: str = ""
) -> Axes:
    """A grid of grey images, ink on paper: (n, h·h), (n, h, w) or (n, 1, h, w).

    Values 0 (white) to 1 (black); what lies outside is clipped.
    """
    if x.dim() == 2:
        side = math.isqrt(x.shape[1])
        require(side**2 == x.shape[1], f"x: got {x.shape[1]} pixels; want a square number")
        x = x.view(-1, side, side)
    fits = (x.dim() == 3 or (x.dim() == 4 and x.shape[1] == 1)) and len(x) > 0
    require(fits, f"x: got shape {tuple(x.shape)}; want (n, h·h), (n, h, w) or (n, 1, h, w)")
    x = x.detach().cpu().float().reshape(len(x), *x.shape[-2:])
    n, h, w = x.shape
    columns, rows = min(columns, n), math.ceil(n / columns)
    zoom = math.ceil(24 / h)  # so that the lines between small images are thin
    x = x.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
    high, wide = h * zoom + 2, w * zoom + 2
    sheet = torch.full((rows * high - 2, columns * wide - 2), math.nan)
    for i, image in enumerate(x):
        top, left = i // columns * high, i % columns * wide
        sheet[top : top + high - 2, left : left + wide - 2] = image
    ax = _axes(ax, (0.55 * columns, 0.55 * rows * h / w + 0.3 * bool(title)))
    cmap = plt.get_cmap("gray_r").with_extremes(bad="#D9E4EC")
    ax.imshow(_numpy(sheet), cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title)
    ax.axis("off")
    return ax


def curves(
    values: Mapping[str, Any],
    ax: Axes | None = None,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
) -> Axes:
    """One line per label, each a sequence y or a pair (x, y); a legend if there are several."""
    ax = _axes(ax)
    for label, y in values.items():
        x, y = y if isinstance(y, tuple) else (range(len(y)), y)
        ax.plot(_numpy(x), _numpy(y), label=label)
    if len(values) > 1:
        ax.legend()
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return ax


def bars(
    values: Any,
    labels: Sequence[str],
    ax: Axes | None = None,
    ylabel: str = "",
    title: str = "",
    color: Any = BLUE,
) -> Axes:
    """One bar per label."""
    n = len(values)
    require(len(labels) == n, f"labels: got {len(labels)} for {n} values; want one for each")
    ax = _axes(ax)
    ax.bar(range(len(labels)), _numpy(values), color=color, width=0.7)
    ax.set_xticks(range(len(labels)), labels)
    ax.grid(False, axis="x")
    ax.set(ylabel=ylabel, title=title)
    return ax


def matrix(
    W: Float[Tensor, "rows columns"],
    ax: Axes | None = None,
    title: str = "",
    symmetric: bool = True,
) -> Axes:
    """A matrix as a picture with a colour bar; `symmetric` puts white at zero."""
    require_tensor("W", W, ("rows", "columns"))
    ax = _axes(ax, (3.6, 3.0))
    W = _numpy(W)
    top = float(abs(W).max()) or 1.0
    style = {"cmap": "RdBu_r", "vmin": -top, "vmax": top} if symmetric else {"cmap": "viridis"}
    picture = ax.imshow(W, interpolation="nearest", **style)
    ax.figure.colorbar(picture, ax=ax, shrink=0.85)
    ax.grid(False)
    ax.set_title(title)
    return ax


def _axes(ax: Axes | None, size: tuple[float, float] = (5.0, 3.2)) -> Axes:
    return plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax


def _numpy(x: Any) -> Any:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else x


def _alpha(n: int) -> float:
    """Many points are drawn fainter, so that their density shows."""
    return min(0.9, max(0.15, 30 / math.sqrt(n + 1)))


def _limits(x: Tensor) -> tuple[list[float], list[float]]:
    low, high = x.amin(0), x.amax(0)
    margin = 0.08 * (high - low).max()
    return (low - margin).tolist(), (high + margin).tolist()
