"""Pictures show what they were given: the artists in the figure hold the data."""

import math
from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import to_rgb

from dgm_lib import data, plots


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    with matplotlib.rc_context():
        yield
    plt.close("all")


def test_style_sets_our_colours_and_layout():
    plots.use_style()
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == plots.COLORS
    assert plt.rcParams["figure.constrained_layout.use"]
    assert plt.rcParams["figure.dpi"] <= 120


# Machado, Oliveira & Fernandes 2009 (doi:10.1109/TVCG.2009.113): what is left of linear RGB
# for a viewer without red, or without green, receptors.
PROTANOPIA = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]  # fmt: skip
DEUTERANOPIA = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]  # fmt: skip
RGB_TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip


@pytest.mark.parametrize("sight", [torch.eye(3), PROTANOPIA, DEUTERANOPIA])
def test_colours_can_be_told_apart_without_red_or_green_receptors(sight):
    """Distances in CIELAB: 2 is just noticeable; matplotlib's own ten colours fall to 5."""
    c = torch.tensor([to_rgb(color) for color in plots.COLORS])
    linear = torch.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    to_xyz = torch.tensor(RGB_TO_XYZ)
    xyz = (linear @ torch.as_tensor(sight).T).clamp(0, 1) @ to_xyz.T / to_xyz.sum(1)
    f = torch.where(xyz > 0.008856, xyz ** (1 / 3), 7.787 * xyz + 16 / 116)
    lab = torch.stack([116 * f[:, 1], 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)
    assert torch.pdist(lab).min() > 15


def test_scatter_holds_the_points_at_equal_scale():
    x = data.two_moons(50)
    ax = plots.scatter(x, title="moons")
    torch.testing.assert_close(torch.tensor(ax.collections[0].get_offsets().data).float(), x)
    assert ax.get_aspect() == 1
    assert ax.get_title(loc=plt.rcParams["axes.titlelocation"]) == "moons"
    assert plots.scatter(x.double().requires_grad_(), ax) is ax


def test_samples_beside_data_share_the_scale_of_the_data():
    x = data.two_moons(50)
    wild = x.clone()
    wild[0] = 1e6
    left, right = plots.samples_beside_data(x, wild, ("a", "b")).axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim() == right.get_ylim()
    assert left.get_xlim()[1] < 3
    assert len(plots.samples_beside_data(torch.rand(9, 64), torch.rand(9, 64)).axes) == 2


def test_density_is_exp_log_prob_in_the_right_place():
    """A Gaussian about (2, -1), off centre in both axes: its brightest pixel is there."""
    centre = torch.tensor([2.0, -1.0])

    def log_prob(x):
        return torch.distributions.Normal(centre, 0.5).log_prob(x).sum(1)

    ax = plots.density(log_prob, points=torch.zeros(3, 2))
    picture = ax.images[0]
    p = torch.tensor(picture.get_array().data)
    low, high, bottom, top = picture.get_extent()
    row, column = divmod(int(p.argmax()), p.shape[1])
    assert picture.origin == "lower"
    assert low + (column + 0.5) * (high - low) / p.shape[1] == pytest.approx(2.0, abs=0.05)
    assert bottom + (row + 0.5) * (top - bottom) / p.shape[0] == pytest.approx(-1.0, abs=0.05)
    assert p.max().item() == pytest.approx(1 / (2 * math.pi * 0.25), rel=0.01)
    assert p.sum().item() * (8 / p.shape[0]) ** 2 == pytest.approx(1, abs=1e-3)
    assert len(ax.collections[0].get_offsets()) == 3


def test_density_of_a_set_with_holes_and_other_limits():
    ax = plots.density(data.checkerboard_log_prob, limits=(0, 2))
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 2), (0, 2))
    assert ax.images[0].get_array().min() == pytest.approx(1 / 32)


@pytest.mark.parametrize("shape", [(7, 64), (7, 8, 8), (7, 1, 8, 8)])
def test_images_are_laid_out_row_by_row(shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    sheet = torch.tensor(plots.images(x, columns=3).images[0].get_array().filled(math.nan))
    step = (sheet.shape[1] + 2) // 3  # an image and the line after it
    zoom = (step - 2) // 8
    for i, image in enumerate(x.view(7, 8, 8)):
        top, left = i // 3 * step, i % 3 * step
        got = sheet[top : top + 8 * zoom : zoom, left : left + 8 * zoom : zoom]
        torch.testing.assert_close(got, image)
    assert sheet[2 * step :, step:].isnan().all()  # the two empty places of the last row
    assert sheet[step - 2 : step].isnan().all()


def test_images_of_other_sizes():
    assert plots.images(torch.rand(1, 784)).images
    assert plots.images(torch.rand(3, 1, 4, 6), columns=99).images
    assert plots.images(torch.rand(2, 1)).images


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(3, 10), (3, 3, 8, 8), (0, 64), (64,), (2, 1, 1, 8, 8)])
def test_what_is_no_image(shape):
    with pytest.raises(ValueError, match="x: got"):
        plots.images(torch.zeros(shape))


@pytest.mark.usefixtures("unchecked")
def test_bad_input():
    with pytest.raises(ValueError, match=r"x: got shape \(3, 5\); want \(n, 2\)"):
        plots.scatter(torch.zeros(3, 5))
    with pytest.raises(ValueError, match="W: got shape"):
        plots.matrix(torch.zeros(3))
    with pytest.raises(ValueError, match=r"limits: got \(1, 1\); want"):
        plots.density(data.eight_gaussians_log_prob, limits=(1, 1))
    with pytest.raises(ValueError, match="labels: got 1 for 2 values"):
        plots.bars([1.0, 2.0], ["a"])


def test_curves_from_lists_tensors_and_pairs():
    y = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    ax = plots.curves({"a": [1, 2, 3], "b": y, "c": ([10, 20], [0.5, 0.7])}, xlabel="t", ylabel="f")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1, 2, 3], [3, 1, 2], [0.5, 0.7]]
    assert [list(line.get_xdata()) for line in ax.lines] == [[0, 1, 2], [0, 1, 2], [10, 20]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t", "f")
    assert plots.curves({"alone": [1, 2]}).get_legend() is None


def test_bars_have_their_heights_and_names():
    ax = plots.bars(torch.tensor([0.25, 0.75]), ["a", "b"], ylabel="p")
    assert [patch.get_height() for patch in ax.patches] == [0.25, 0.75]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize("W", [torch.tensor([[0.0, -3.0], [1.0, 0.5]]), torch.zeros(2, 2)])
def test_matrix_is_white_at_zero(W):
    picture = plots.matrix(W).images[0]
    low, high = picture.get_clim()
    assert low == -high < 0
    assert picture.get_cmap()(picture.norm(0.0))[:3] == pytest.approx((0.97, 0.97, 0.97), abs=0.02)
    assert plots.matrix(W.abs(), symmetric=False).images[0].get_cmap().name == "viridis"
