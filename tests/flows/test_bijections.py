"""One test of everything, over all bijections: add a bijection to `CASES` and it is tested."""

import io
import math

import pytest
import torch

from dgm_lib import flows
from dgm_lib.flows import jacobian
from dgm_lib.model import Bijection
from dgm_lib.nn import MLP, seeded

C = 3  # length of the context in the conditional cases


def multiscale(shape, scales, network):
    flow = flows.multiscale_real_nvp(shape, scales, 2, (8,), network, margin=None)
    return flow.bijection


# name: (a function that builds it, shape of an example, whether it takes a context)
CASES = {
    "sinh-arcsinh": (lambda: flows.SinhArcsinh(3), (3,), False),
    "sinh-arcsinh, d = 1": (lambda: flows.SinhArcsinh(1), (1,), False),
    "scale": (lambda: flows.Scale(3), (3,), False),
    "scale, d = 1": (lambda: flows.Scale(1), (1,), False),
    "logit": (lambda: flows.Logit(0.1), (1, 2, 2), False),
    "affine": (lambda: flows.Affine(torch.tensor([[2.0, 1.0], [0.5, -1.0]])), (2,), False),
    "affine, d = 1": (lambda: flows.Affine(torch.tensor([[-3.0]])), (1,), False),
    "cholesky": (lambda: flows.Cholesky(4), (4,), False),
    "cholesky, d = 1": (lambda: flows.Cholesky(1), (1,), False),
    "permutation": (lambda: flows.Permutation([2, 0, 3, 1]), (4,), False),
    "reverse": (lambda: flows.reverse(3), (3,), False),
    "permutation, d = 1": (lambda: flows.Permutation([0]), (1,), False),
    "householder": (lambda: flows.Householder(4, 3), (4,), False),
    "householder, d = 1": (lambda: flows.Householder(1, 1), (1,), False),
    "givens": (lambda: flows.Givens(5, [(0, 3), (4, 1)]), (5,), False),
    "givens, neighbours": (lambda: flows.Givens(5), (5,), False),
    "coupling, kept first": (lambda: flows.Coupling(flows.half_mask(5), (8,)), (5,), False),
    "coupling, kept last": (lambda: flows.Coupling(1 - flows.half_mask(5), (8,)), (5,), False),
    "coupling, mixed": (lambda: flows.Coupling(flows.alternating_mask(5), (8,)), (5,), False),
    "coupling, d = 2": (lambda: flows.Coupling(flows.half_mask(2), (8,)), (2,), False),
    "coupling, no bound": (
        lambda: flows.Coupling(flows.half_mask(4), (8,), bound=None),
        (4,),
        False,
    ),
    "coupling, context": (
        lambda: flows.Coupling(flows.alternating_mask(4), (8,), context_dim=C),
        (4,),
        True,
    ),
    "additive": (lambda: flows.Coupling(flows.half_mask(4), (8,), additive=True), (4,), False),
    "additive, context": (
        lambda: flows.Coupling(1 - flows.half_mask(4), (8,), additive=True, context_dim=C),
        (4,),
        True,
    ),
    "masked, vectors": (
        lambda: flows.MaskedCoupling(flows.alternating_mask(4), MLP((4, 8, 8))),
        (4,),
        False,
    ),
    "masked, images": (
        lambda: flows.MaskedCoupling(
            flows.checkerboard_mask(2, 2, 4), flows.ImageCNN((2, 2, 4), (4,))
        ),
        (2, 2, 4),
        False,
    ),
    "squeeze": (lambda: flows.Squeeze(), (2, 4, 2), False),
    "flatten": (lambda: flows.Flatten(1, 2, 3), (1, 2, 3), False),
    "split": (lambda: flows.Split(flows.Flatten(2, 1, 2), (3, 1, 2)), (3, 1, 2), False),
    "multi-scale, perceptrons": (
        lambda: multiscale((1, 4, 4), 1, flows.ImageMLP),
        (1, 4, 4),
        False,
    ),
    "multi-scale, convolutions": (
        lambda: multiscale((1, 8, 8), 2, flows.ImageCNN),
        (1, 8, 8),
        False,
    ),
    "composition": (
        lambda: flows.Compose([flows.SinhArcsinh(2), flows.Householder(2), flows.Cholesky(2)]),
        (2,),
        False,
    ),
    "inverse": (lambda: flows.Inverse(flows.SinhArcsinh(2)), (2,), False),
    "inverse, context": (
        lambda: flows.Inverse(flows.Coupling(flows.half_mask(2), (8,), context_dim=C)),
        (2,),
        True,
    ),
    "real nvp": (lambda: flows.real_nvp(3, 3, (8,), context_dim=C).bijection, (3,), True),
    "nice": (lambda: flows.nice(3, 2, (8,)).bijection, (3,), False),
}
FIXED = {"logit", "squeeze", "flatten", "split"}  # no parameters, along with the permutations


def build(name):
    """A bijection away from its starting point, in double precision, with inputs for it."""
    make, shape, takes_context = CASES[name]
    bijection = make().double()
    with seeded(7):
        for parameter in bijection.parameters():
            torch.nn.init.normal_(parameter, std=0.1 if "multi-scale" in name else 0.5)
        x = torch.randn(5, *shape, dtype=torch.float64)
        context = torch.randn(5, C, dtype=torch.float64) if takes_context else None
    return bijection, torch.sigmoid(x) if name == "logit" else x, context


every = pytest.mark.parametrize("name", CASES)


@every
def test_shapes_and_round_trip(name):
    bijection, x, context = build(name)
    z, log_det = bijection(x, context)
    back, log_det_back = bijection.inverse(z, context)
    assert isinstance(bijection, Bijection)
    assert z.shape[0] == log_det.shape[0] == 5
    assert log_det.shape == log_det_back.shape == (5,)
    assert math.prod(z.shape) == math.prod(x.shape)
    assert back.shape == x.shape
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_det_back, -log_det, rtol=1e-9, atol=1e-9)


@every
def test_other_way_round_trip(name):
    bijection, x, context = build(name)
    z = bijection(x, context)[0].detach()
    z = z + 0.1 * torch.randn(z.shape, dtype=z.dtype, generator=torch.Generator().manual_seed(0))
    x, log_det = bijection.inverse(z, context)
    again, log_det_again = bijection(x, context)
    torch.testing.assert_close(again, z, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_det_again, -log_det, rtol=1e-9, atol=1e-9)


@every
def test_log_det_is_that_of_autograds_jacobian(name):
    bijection, x, context = build(name)
    z, log_det = bijection(x, context)
    J = jacobian(lambda x: bijection(x, context)[0], x)
    torch.testing.assert_close(torch.linalg.slogdet(J).logabsdet, log_det, rtol=1e-8, atol=1e-8)
    _, log_det = bijection.inverse(z.detach(), context)
    J = jacobian(lambda z: bijection.inverse(z, context)[0], z.detach())
    torch.testing.assert_close(torch.linalg.slogdet(J).logabsdet, log_det, rtol=1e-8, atol=1e-8)


@every
def test_every_parameter_gets_a_gradient(name):
    bijection, x, context = build(name)
    parameters = dict(bijection.named_parameters())
    assert bool(parameters) != (name in FIXED or name.startswith(("permutation", "reverse")))
    if name == "householder, d = 1":  # in one dimension the mirror is x -> -x, whatever v
        return
    z, log_det = bijection(x, context)
    weights = torch.arange(1.0, z[0].numel() + 1, dtype=z.dtype)
    (log_det + (z.flatten(1) * weights).sum(1)).square().sum().backward() if parameters else None
    for key, parameter in parameters.items():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.numel() == 0 or (parameter.grad != 0).any(), key


@every
def test_saves_and_loads(name):
    bijection, x, context = build(name)
    buffer = io.BytesIO()
    torch.save(bijection.state_dict(), buffer)
    buffer.seek(0)
    other = CASES[name][0]().double()
    other.load_state_dict(torch.load(buffer))
    for a, b in zip(bijection(x, context), other(x, context), strict=True):
        assert torch.equal(a, b)


@every
def test_one_example_alone_and_strided_input(name):
    bijection, x, context = build(name)
    z, log_det = bijection(x, context)
    one, log_det_one = bijection(x[2:3], None if context is None else context[2:3])
    torch.testing.assert_close(one, z[2:3])
    torch.testing.assert_close(log_det_one, log_det[2:3])
    strided = torch.stack([x, x], -1)[..., 0]
    assert x.numel() == 5 or not strided.is_contiguous()
    torch.testing.assert_close(bijection(strided, context)[0], z)


@every
def test_single_precision(name):
    bijection, x, context = build(name)
    z, log_det = bijection(x, context)
    bijection.float()
    z32, log_det32 = bijection(x.float(), None if context is None else context.float())
    assert z32.dtype == log_det32.dtype == torch.float32
    torch.testing.assert_close(z32.double(), z, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(log_det32.double(), log_det, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2]])
def test_context_changes_the_map(name):
    bijection, x, context = build(name)
    assert not torch.allclose(bijection(x, context)[0], bijection(x, context + 1)[0])


@pytest.mark.parametrize("name", [n for n in CASES if "context" in n or n == "real nvp"])
@pytest.mark.parametrize("wrong", [None, torch.zeros(5, C + 1), torch.zeros(4, C)])
def test_context_missing_or_of_a_wrong_shape(name, wrong, unchecked):
    bijection, x, _ = build(name)
    with pytest.raises(ValueError, match="context: got"):
        bijection(x, wrong)
