"""The plain functions, those that the exercise grades among them."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dgm_lib import flows
from dgm_lib.flows import (
    change_of_variables,
    coupling_forward,
    coupling_inverse,
    coupling_log_det,
    jacobian,
    squeeze,
    unsqueeze,
)
from dgm_lib.nn import MLP, seeded


def test_jacobian_of_a_linear_map_is_its_matrix():
    A = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 5.0], [2.0, 2.0, 2.0]])
    assert torch.equal(jacobian(lambda x: x @ A.T, torch.zeros(4, 3)), A.expand(4, 3, 3))


def test_jacobian_matches_finite_differences():
    net = MLP((3, 8, 3), torch.nn.Tanh).double()
    x = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h = 1e-6
    columns = [(net(x + h * e) - net(x - h * e)) / (2 * h) for e in torch.eye(3).double()]
    torch.testing.assert_close(jacobian(net, x), torch.stack(columns, -1), rtol=1e-6, atol=1e-8)


def test_jacobian_is_part_of_a_graph_only_where_one_is_wanted():
    x, net = torch.ones(2, 3), MLP((3, 4, 3))
    assert jacobian(net, x).requires_grad  # its parameters may be trained through it
    assert jacobian(torch.sin, x.clone().requires_grad_()).requires_grad
    assert not jacobian(torch.sin, x).requires_grad
    with torch.no_grad():
        assert not jacobian(net, x).requires_grad


def test_change_of_variables_scaled_uniform():
    """X = 4 Z with Z uniform on (0, 2) has density 1/8."""
    law = torch.distributions.Uniform(0.0, 2.0)
    x = torch.tensor([[4.0], [1.0], [7.9]])
    log_p = change_of_variables(x, lambda x: x / 4, lambda z: law.log_prob(z).sum(-1))
    torch.testing.assert_close(log_p.exp(), torch.full((3,), 1 / 8))


def test_change_of_variables_lognormal_and_mirror():
    x = torch.tensor([[0.5], [1.0], [3.0]])
    base = flows.StandardNormal(1)
    want = torch.distributions.LogNormal(0.0, 1.0).log_prob(x)[:, 0]
    torch.testing.assert_close(change_of_variables(x, torch.log, base.log_prob), want)
    mirrored = change_of_variables(x, lambda x: -torch.log(x), base.log_prob)
    torch.testing.assert_close(mirrored, want)


def test_change_of_variables_agrees_with_a_flow():
    flow = flows.real_nvp(3, 3, hidden=(8,)).double()
    with seeded(0):
        for p in flow.parameters():
            torch.nn.init.normal_(p, std=0.5)
        x = torch.randn(6, 3, dtype=torch.float64)
    got = change_of_variables(x, lambda x: flow.bijection(x)[0], flow.base.log_prob)
    torch.testing.assert_close(got, flow.log_prob(x))


def test_change_of_variables_rejects_bad_input(unchecked):
    base = flows.StandardNormal(2)
    with pytest.raises(ValueError, match="f: got a Jacobian that is singular"):
        change_of_variables(
            torch.ones(1, 2), lambda x: x.sum(1, keepdim=True) * x * 0, base.log_prob
        )
    with pytest.raises(ValueError, match="x: got shape"):
        change_of_variables(torch.ones(2), torch.log, base.log_prob)
    with pytest.raises(ValueError, match="x: got an empty batch"):
        change_of_variables(torch.ones(0, 2), torch.log, base.log_prob)


@st.composite
def couplings(draw):
    """A mask with both values, a number of examples, a seed."""
    d = draw(st.integers(2, 6))
    bits = draw(st.lists(st.booleans(), min_size=d, max_size=d))
    bits[0], bits[-1] = draw(st.sampled_from([(True, False), (False, True)]))
    return bits, draw(st.integers(1, 5)), draw(st.integers(0, 1000))


@settings(max_examples=25, deadline=None)
@given(couplings())
def test_coupling_functions_against_autograd(case):
    bits, n, seed = case
    d, mask = len(bits), torch.tensor(bits, dtype=torch.float64)
    net = MLP((d, 8, 2 * d), torch.nn.Tanh, seed=seed).double()
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    z = coupling_forward(x, mask, net)
    torch.testing.assert_close(coupling_inverse(z, mask, net), x)
    J = jacobian(lambda x: coupling_forward(x, mask, net), x)
    log_det = coupling_log_det(x, mask, net)
    torch.testing.assert_close(torch.linalg.slogdet(J).logabsdet, log_det)
    kept = mask.bool()
    assert torch.equal(z[:, kept], x[:, kept])
    assert (J[:, kept][:, :, ~kept] == 0).all()  # the triangle
    off_diagonal = J[:, ~kept][:, :, ~kept] - torch.diag_embed(
        J[:, ~kept][:, :, ~kept].diagonal(dim1=1, dim2=2)
    )
    assert (off_diagonal == 0).all()


def test_coupling_written_out_by_hand():
    """d = 2, keep the first: z = (x1, x2 e^s + t) with s = x1 / 2, t = x1² through a fixed net."""

    def net(x):
        assert (x[:, 1] == 0).all()  # sees the kept entry only
        a = x[:, :1]
        return torch.cat([7 * a, a / 2, 7 * a, a**2], 1)

    x = torch.tensor([[2.0, 3.0]])
    mask = torch.tensor([1.0, 0.0])
    torch.testing.assert_close(
        coupling_forward(x, mask, net), torch.tensor([[2.0, 3 * math.e + 4]])
    )
    torch.testing.assert_close(coupling_log_det(x, mask, net), torch.tensor([1.0]))


def test_both_coupling_classes_are_the_same_map():
    """The one that cuts equals the one that masks, once their networks are matched."""
    d, mask = 5, flows.alternating_mask(5)
    quick = flows.Coupling(mask, (8,)).double()
    with seeded(0):
        for p in quick.parameters():
            torch.nn.init.normal_(p, std=0.5)
        x = torch.randn(4, d, dtype=torch.float64)
    kept = mask.bool()

    class Padded(torch.nn.Module):
        def forward(self, x):
            out = x.new_zeros(len(x), 2, d)
            out[:, :, ~kept] = quick.net(x[:, kept]).reshape(len(x), 2, -1)
            return out.flatten(1)

    slow = flows.MaskedCoupling(mask.double(), Padded())
    for a, b in zip(quick(x), slow(x), strict=True):
        torch.testing.assert_close(a, b)


def test_masked_coupling_is_the_graded_functions_with_a_squashed_log_scale():
    mask, net = flows.checkerboard_mask(1, 2, 2), flows.ImageMLP((1, 2, 2), (8,))
    with seeded(0):
        for p in net.parameters():
            torch.nn.init.normal_(p, std=0.3)
        x = torch.randn(3, 1, 2, 2)

    def squashed(x):
        s, t = net(x).chunk(2, 1)
        return torch.cat([2 * torch.tanh(s), t], 1)

    z, log_det = flows.MaskedCoupling(mask, net, bound=2.0)(x)
    torch.testing.assert_close(z, coupling_forward(x, mask, squashed))
    torch.testing.assert_close(log_det, coupling_log_det(x, mask, squashed))


@pytest.mark.parametrize("function", [coupling_forward, coupling_inverse, coupling_log_det])
@pytest.mark.parametrize(
    ("x", "mask", "says"),
    [
        (torch.zeros(2, 3), torch.ones(3), "mask: got all ones, which leaves nothing to transform"),
        (torch.zeros(2, 3), torch.zeros(3), "mask: got no ones"),
        (torch.zeros(2, 3), torch.tensor([1.0, 0.0]), "mask: got shape (2,)"),
        (torch.zeros(2, 3), torch.tensor([1.0, 0.0, 2.0]), "mask: got values"),
        (torch.zeros(3), torch.tensor([1.0, 0.0, 0.0]), "got shape (3,)"),
        (torch.zeros(0, 2), torch.tensor([1.0, 0.0]), "got an empty batch"),
        (torch.full((1, 2), math.nan), torch.tensor([1.0, 0.0]), "NaN"),
    ],
)
def test_coupling_functions_reject_bad_input(function, x, mask, says, unchecked):
    with pytest.raises(ValueError, match=re.escape(says)):
        function(x, mask, MLP((3, 6)))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_squeeze_by_its_definition(n, c, rows, columns):
    x = torch.arange(n * c * 4.0 * rows * columns).reshape(n, c, 2 * rows, 2 * columns)
    z = squeeze(x)
    assert z.shape == (n, 4 * c, rows, columns)
    for channel in range(c):
        for i in (0, 1):
            for j in (0, 1):
                assert torch.equal(z[:, 4 * channel + 2 * i + j], x[:, channel, i::2, j::2])
    assert torch.equal(unsqueeze(z), x)
    assert torch.equal(z, torch.nn.functional.pixel_unshuffle(x, 2))


def test_squeeze_rejects_bad_input(unchecked):
    for x, says in [
        (torch.zeros(1, 1, 3, 4), "x: got height 3 and width 4"),
        (torch.zeros(1, 4, 4), "x: got shape"),
        (torch.zeros(0, 1, 4, 4), "x: got an empty batch"),
        (torch.full((1, 1, 2, 2), math.nan), "x: got 4 NaN"),
    ]:
        with pytest.raises(ValueError, match=says.replace("(", r"\(")):
            squeeze(x)
    with pytest.raises(ValueError, match="z: got 3 channels"):
        unsqueeze(torch.zeros(1, 3, 2, 2))


def test_orthogonal_maps_keep_lengths_and_determinants():
    x = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for reflections in (1, 2, 5):
        mirror = flows.Householder(6, reflections).double()
        torch.testing.assert_close(mirror(x)[0].norm(dim=1), x.norm(dim=1))
        det = torch.linalg.det(jacobian(lambda x, m=mirror: m(x)[0], x[:1]))
        assert det.item() == pytest.approx((-1) ** reflections)
    turn = flows.Givens(6).double()
    torch.nn.init.normal_(turn.angle)
    torch.testing.assert_close(turn(x)[0].norm(dim=1), x.norm(dim=1))
    swap = jacobian(lambda x: flows.Permutation([1, 0])(x)[0], torch.zeros(1, 2))
    assert torch.linalg.det(swap).item() == -1


def test_givens_turns_a_plane_by_its_angle():
    turn = flows.Givens(2)
    torch.nn.init.constant_(turn.angle, math.pi / 2)
    torch.testing.assert_close(turn(torch.tensor([[1.0, 0.0]]))[0], torch.tensor([[0.0, 1.0]]))


def test_dequantize_and_bits():
    x, u = torch.tensor([[0.0, 16.0]]), torch.tensor([[0.5, 0.0]])
    torch.testing.assert_close(flows.dequantize(x, u, 17), torch.tensor([[0.5 / 17, 16 / 17]]))
    # a density that is L on each bin's share of mass q has exactly -log2 q bits
    q = 0.25
    bits = flows.bits_per_dim(torch.tensor([math.log(q * 17)]), 1, 17)
    assert bits.item() == pytest.approx(2)


def test_dequantize_rejects_bad_input(unchecked):
    with pytest.raises(ValueError, match="u: got shape"):
        flows.dequantize(torch.zeros(2, 2), torch.zeros(2, 1), 4)
    for bad in (4.0, -1.0, 0.5, math.nan):
        with pytest.raises(ValueError, match="x: got values other than"):
            flows.dequantize(torch.full((1, 1), bad), torch.zeros(1, 1), 4)
