"""Controls: a picture at once, another when a control is moved, and nothing in between."""

import matplotlib.pyplot as plt
import pytest
from ipywidgets import HTML
from ipywidgets.widgets.widget import _instances
from matplotlib.figure import Figure

from dgm_lib import controls
from dgm_lib.controls import choice, explore, film, slider


class Page:
    """What `display` would show: pictures with an address are replaced in their place."""

    def __init__(self):
        self.shown = []

    def display(self, what, *, raw=False, display_id=False):
        self.shown.append(what)
        return self

    def update(self, what):
        self.shown[0] = what


@pytest.fixture
def page(monkeypatch):
    page = Page()
    monkeypatch.setattr(controls, "display", page.display)
    return page


@pytest.fixture
def made(monkeypatch):
    """The controls of the page, by name."""
    found = {}
    show = controls._show

    def keep(first, draw, by_name, what):
        found.update(by_name)
        show(first, draw, by_name, what)

    monkeypatch.setattr(controls, "_show", keep)
    return found


def test_the_picture_stands_alone_until_a_control_is_moved(page, made):
    open_before, calls = plt.get_fignums(), []

    def draw(h, kernel):
        calls.append((h, kernel))
        fig, ax = plt.subplots()
        ax.plot([0, h])
        return fig

    explore(draw, h=slider(0.5, 0.0, 2.0), kernel=choice("box", {"box": "box", "bump": "gauss"}))
    assert calls == [(0.5, "box")], "drawn once"
    figure, widgets = page.shown
    assert isinstance(figure, Figure)
    assert widgets["text/plain"] == (
        "In JupyterLab: controls for h (from 0 to 2), kernel (box or bump). "
        "Run this cell to use them."
    )
    assert set(widgets) == {"text/plain", "application/vnd.jupyter.widget-view+json"}
    made["h"].source.value = 1.5
    made["kernel"].source.value = "gauss"
    assert calls[1:] == [(1.5, "box"), (1.5, "gauss")]
    assert page.shown[0] is not figure
    assert len(page.shown) == 2
    assert plt.get_fignums() == open_before, "no figure is left open"


def test_a_picture_that_fails_leaves_the_last_one_and_says_why(page, made):
    def draw(n):
        if n == 3:
            raise ValueError("<three> is too many")
        return plt.figure()

    explore(draw, n=slider(1, 0, 5))
    made["n"].source.value = 2
    good = page.shown[0]
    trouble = _texts(made)
    made["n"].source.value = 3
    assert page.shown[0] is good
    assert _texts(made) == ["No picture for this: ValueError: &lt;three&gt; is too many"]
    made["n"].source.value = 4
    assert _texts(made) == trouble == [""]


def _texts(made):
    """What stands in the lines for trouble on all pages that hold these controls."""
    pages = [w for w in _instances.values() if hasattr(w, "children")]
    mine = [p for p in pages if made["n"].shown in p.children]
    return [child.value for p in mine for child in p.children if isinstance(child, HTML)]


def test_a_film_shows_its_ends_and_then_each_frame_alone(page, made):
    drawn = []
    film(lambda ax, i: drawn.append(i), 9, shown=3)
    assert drawn == [0, 4, 8]
    assert len(page.shown[0].axes) == 3
    made["frame"].source.value = 5
    assert drawn[3:] == [5]
    assert len(page.shown[0].axes) == 1


@pytest.mark.parametrize(("value", "low", "high", "kind"), [(3, 1, 9, int), (3.0, 1, 9, float)])
def test_a_slider_is_whole_if_its_numbers_are(value, low, high, kind):
    assert type(slider(value, low, high).source.value) is kind


def test_a_slider_on_a_log_scale_begins_where_it_is_told():
    source = slider(0.3, 0.01, 10, log=True).source
    assert source.value == pytest.approx(0.3)
    assert (source.base**source.min, source.base**source.max) == pytest.approx((0.01, 10))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: slider(5, 0, 1), "value: got 5; want a number from 0 to 1"),
        (lambda: slider(0.5, 0, 1, log=True), "low: got 0; want a positive number on a log scale"),
        (lambda: choice("c", ["a", "b"]), "value: got 'c'; want one of"),
        (lambda: film(lambda ax, i: None, 5), "shown: got 5; want a number from 2 to 4"),
    ],
)
def test_bad_controls_say_what_is_wanted(make, message, unchecked):
    with pytest.raises(ValueError, match=message):
        make()
