"""Pictures with knobs: a figure that stands alone on paper, and controls that redraw it.

`explore` shows a figure and, below it, a control for each argument of the function that draws it.
`film` shows a few frames of a run side by side and, below them, a button that plays all of them in
one large picture. Nothing is drawn anew until somebody touches a control, so a lecture that is run
from top to bottom costs no more than its figures.
"""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dgm_lib.validate import require


@dataclass(frozen=True)
class Control:
    """What a reader can change: `shown` is on the page, `value` belongs to `source`."""

    source: widgets.Widget
    shown: widgets.Widget
    words: str


def slider(
    value: float, low: float, high: float, step: float | None = None, *, log: bool = False
) -> Control:
    """A number from `low` to `high`, at first `value`; whole if all three are and no step is given.

    Args:
        step: the distance between two positions; by default a hundredth of the way.
        log: equal ratios lie equally far apart (for scales such as a bandwidth).

    Raises:
        ValueError: if `value` is not in between, or `low` is not positive on a log scale.
    """
    require(low <= value <= high, f"value: got {value}; want a number from {low} to {high}")
    require(not log or low > 0, f"low: got {low}; want a positive number on a log scale")
    words = f"from {low:g} to {high:g}"
    if log:
        ends = {"min": math.log10(low), "max": math.log10(high)}
        step = (ends["max"] - ends["min"]) / 100
        source = widgets.FloatLogSlider(value, **ends, step=step, readout_format=".3g")
    elif step is None and all(isinstance(n, int) for n in (value, low, high)):
        source = widgets.IntSlider(value, low, high)
    else:
        step = step or (high - low) / 100
        source = widgets.FloatSlider(value, min=low, max=high, step=step, readout_format=".3g")
    return Control(source, source, words)


def choice(value: Any, options: Sequence | Mapping[str, Any]) -> Control:
    """One of a few: `options` are the values themselves, or words with the values they stand for.

    Raises:
        ValueError: if `value` is not among them.
    """
    values = list(options.values()) if isinstance(options, Mapping) else list(options)
    require(value in values, f"value: got {value!r}; want one of {values}")
    names = list(options) if isinstance(options, Mapping) else [str(one) for one in values]
    source = widgets.ToggleButtons(options=list(zip(names, values, strict=True)), value=value)
    source.style.button_width = "auto"
    return Control(source, source, " or ".join(names))


def explore(draw: Callable[..., Figure], **controls: Control) -> None:
    """Show the figure `draw(name=value, ...)`, and below it the controls that draw it anew.

    Args:
        draw: gets a value for each control by name, and returns a Figure of its own making.
        controls: made by `slider` or `choice`.

    A cell of a lecture looks like this:

        def estimate(h):
            fig, ax = plt.subplots()
            ax.plot(grid, KernelDensity(h).fit(x).log_prob(grid).exp())
            return fig

        explore(estimate, h=slider(0.3, 0.02, 2.0, log=True))
    """
    said = [f"{_spoken(name)} ({control.words})" for name, control in controls.items()]
    _show(draw(**_values(controls)), draw, controls, f"controls for {', '.join(said)}")


def film(draw: Callable[[Axes, int], Any], frames: int, shown: int = 5, size: float = 4.5) -> None:
    """Show some frames of a run side by side, and below them a button that plays all of them.

    Args:
        draw: draws frame i (from 0 to `frames` - 1) on an Axes.
        shown: so many stand side by side, the first and the last among them.
        size: height of the one picture that plays, in inches.

    Raises:
        ValueError: if there are not more frames than `shown`, or fewer than two of those.
    """
    require(2 <= shown < frames, f"shown: got {shown}; want a number from 2 to {frames - 1}")

    strip, axes = plt.subplots(1, shown, figsize=(9, 9 / shown + 0.3), squeeze=False)
    for i, ax in enumerate(axes[0]):
        draw(ax, round(i * (frames - 1) / (shown - 1)))

    def picture(frame: int) -> Figure:
        fig, ax = plt.subplots(figsize=(1.2 * size, size))
        draw(ax, frame)
        return fig

    button = widgets.Play(value=0, min=0, max=frames - 1, interval=250)
    place = widgets.IntSlider(0, 0, frames - 1, readout=False)
    widgets.jslink((button, "value"), (place, "value"))
    control = Control(place, widgets.HBox([button, place]), f"{frames} frames")
    _show(strip, picture, {"frame": control}, f"buttons for a film of {frames} frames")


def _show(
    first: Figure, draw: Callable[..., Figure], controls: Mapping[str, Control], what: str
) -> None:
    def redraw(_: Any) -> None:
        try:
            fig = draw(**_values(controls))
            handle.update(fig)
            plt.close(fig)
            trouble.value = ""
        except Exception as error:  # else it would go to a log that nobody reads
            trouble.value = html.escape(f"No picture for this: {type(error).__name__}: {error}")

    handle = display(first, display_id=True)
    plt.close(first)
    trouble = widgets.HTML()
    for name, control in controls.items():
        control.source.description = _spoken(name)
        control.source.style.description_width = "initial"
        control.source.layout.width = "460px"
        control.source.observe(redraw, "value")
    page = widgets.VBox([*(control.shown for control in controls.values()), trouble])
    told = f"In JupyterLab: {what}. Run this cell to use them."
    display({**page._repr_mimebundle_(), "text/plain": told}, raw=True)


def _values(controls: Mapping[str, Control]) -> dict[str, Any]:
    return {name: control.source.value for name, control in controls.items()}


def _spoken(name: str) -> str:
    return name.replace("_", " ")
