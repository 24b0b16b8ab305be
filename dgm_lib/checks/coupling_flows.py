"""The checks of unit 10_coupling_flows.

Networks are built from a seed, and maps and laws are small modules of this file, so that they can
be sent to the process where a student's function runs.
"""

import math

import torch
from torch import Tensor, nn

from dgm_lib import flows
from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.flows.networks import ImageCNN
from dgm_lib.nn import MLP

unit = Unit("10_coupling_flows")
check = unit.check


# ---------------------------------------------------------------- maps, laws and networks


def require_batch(x: Tensor) -> None:
    if x.dim() != 2:
        raise ValueError(
            f"f: got shape {tuple(x.shape)}; want a batch, shape (n, d): "
            "for one example, add a first axis of length one"
        )


class Linear(nn.Module):
    """x @ matrix.T, from data to noise."""

    def __init__(self, matrix: Tensor):
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor) -> Tensor:
        require_batch(x)
        return x @ self.matrix.T


class Bend(nn.Module):
    """Stretch each coordinate near zero, x + a · tanh(x), then apply a matrix."""

    def __init__(self, matrix: Tensor, a: float = 2.0):
        super().__init__()
        self.register_buffer("matrix", matrix)
        self.a = a

    def forward(self, x: Tensor) -> Tensor:
        require_batch(x)
        return (x + self.a * torch.tanh(x)) @ self.matrix.T


class NormalLaw(nn.Module):
    """log density of N(0, I)."""

    def forward(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square() + math.log(2 * math.pi)).sum(-1)


class UniformLaw(nn.Module):
    """log density of independent coordinates, uniform on (0, width)."""

    def __init__(self, width: float):
        super().__init__()
        self.width = width

    def forward(self, z: Tensor) -> Tensor:
        inside = ((z > 0) & (z < self.width)).all(-1)
        density = inside.to(z.dtype) / self.width ** z.shape[-1]
        return density.log()


def invertible(draw: Draw, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """A well-conditioned matrix, not symmetric, whose determinant is negative and not -1."""
    q, _ = torch.linalg.qr(draw.normal(d, d, dtype=dtype))
    stretch = draw.uniform(d, low=1.3, high=2.5, dtype=dtype)
    upper = torch.eye(d, dtype=dtype) + 0.5 * torch.triu(torch.ones(d, d, dtype=dtype), 1)
    matrix = q * stretch @ upper
    if torch.linalg.det(matrix) > 0:
        matrix[0] = -matrix[0]
    return matrix


def network(draw: Draw, d: int, dtype: torch.dtype = torch.float64) -> MLP:
    """(n, d) to (n, 2d): smooth, with log-scales and shifts of about one."""
    net = MLP((d, 8, 2 * d), nn.Tanh, seed=draw.integer(0, 2**31)).to(dtype)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(draw.normal(*parameter.shape, scale=0.7, dtype=dtype))
    return net


def mask_of(draw: Draw, d: int, kept: int) -> Tensor:
    """A mask with `kept` ones in random places."""
    order = torch.argsort(draw.uniform(d))
    return (order < kept).double()


def case(draw: Draw, n: int = 5, d: int = 4, kept: int = 2) -> tuple[Tensor, Tensor, MLP]:
    return draw.normal(n, d, dtype=torch.float64), mask_of(draw, d, kept), network(draw, d)


def image_case(draw: Draw) -> tuple[Tensor, Tensor, ImageCNN]:
    net = ImageCNN((2, 4, 4), (4,)).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(draw.normal(*parameter.shape, scale=0.3, dtype=torch.float64))
    mask = flows.checkerboard_mask(2, 4, 4).double()
    return draw.normal(3, 2, 4, 4, dtype=torch.float64), mask, net


def pinned(draw: Draw, d: int, log_scale: Tensor, shift: Tensor, dtype: torch.dtype) -> MLP:
    """A network whose answer does not depend on its input."""
    net = network(draw, d, dtype)
    with torch.no_grad():
        net[-1].weight.zero_()
        net[-1].bias.copy_(torch.cat([log_scale, shift]))
    return net


def scale_and_shift(x: Tensor, mask: Tensor, net: nn.Module) -> tuple[Tensor, Tensor]:
    """What the network says of the kept entries: log-scale and shift, unmasked."""
    with torch.no_grad():
        s, t = net(mask * x).chunk(2, 1)
    return s, t


def autograd_log_det(x: Tensor, mask: Tensor, net: nn.Module) -> Tensor:
    """log|det ∂z/∂x| by brute force: autograd's Jacobian of the coupling, then slogdet."""

    def coupling(x: Tensor) -> Tensor:
        s, t = net(mask * x).chunk(2, 1)
        return mask * x + (1 - mask) * (x * s.exp() + t)

    return torch.linalg.slogdet(flows.jacobian(coupling, x)).logabsdet.detach()


# ---------------------------------------------------------------- change_of_variables

change_of_variables = unit.graded(flows.change_of_variables)


@change_of_variables.property(
    "X = 4 Z with Z uniform on (0, 2): the density at x = 4 is 1/8",
    points=0.5,
    hint="The interval becomes four times as long, so its height drops to a quarter of 1/2. The map "
    "that you are given is from data to noise, x / 4, and its derivative is 1/4.",
)
def _(call: Caller, draw: Draw) -> None:
    x = torch.cat([torch.tensor([[4.0]]), draw.uniform(3, 1, low=0.5, high=7.5)])
    got = call(x, Linear(torch.tensor([[0.25]])), UniformLaw(2.0))
    expect.close("log p(x)", got, torch.full((4,), math.log(1 / 8)))


@change_of_variables.property(
    "a linear map makes a multivariate normal",
    points=1,
    hint="With z = A x and z ~ N(0, I), x is normal with covariance (AᵀA)⁻¹. The Jacobian of f is A, "
    "also off the diagonal, and its determinant may be negative: the formula has |det|.",
)
def _(call: Caller, draw: Draw) -> None:
    A = invertible(draw, 3)
    x = draw.normal(5, 3, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(
        torch.zeros(3, dtype=torch.float64), precision_matrix=A.T @ A
    )
    expect.close("log p(x)", call(x, Linear(A), NormalLaw()), law.log_prob(x))


@change_of_variables.property(
    "a curved map: every example has a Jacobian of its own",
    points=1,
    hint="The Jacobian depends on x. Take it at every example: `torch.func.jacrev` with "
    "`torch.func.vmap`, or `torch.autograd.functional.jacobian` of the summed outputs; then "
    "`torch.linalg.slogdet` works on the whole batch (n, d, d).",
)
def _(call: Caller, draw: Draw) -> None:
    f, x = Bend(invertible(draw, 2)), draw.normal(6, 2, dtype=torch.float64)
    slopes = 1 + f.a * (1 - torch.tanh(x).square())
    log_det = slopes.log().sum(1) + torch.linalg.slogdet(f.matrix).logabsdet
    expect.close("log p(x)", call(x, f, NormalLaw()), NormalLaw()(f(x)) + log_det)


@change_of_variables.property(
    "edge cases: one example, one dimension, and a determinant too small for a float",
    points=0.5,
    hint="Keep the shape (n,) also for n = 1 and d = 1. In 40 dimensions a determinant like 0.05^40 "
    "underflows to 0 and its log is -inf: take the logarithm inside, with "
    "`torch.linalg.slogdet`, not `torch.log(torch.linalg.det(J))`.",
)
def _(call: Caller, draw: Draw) -> None:
    f, x = Bend(torch.tensor([[-1.5]])), draw.normal(1, 1)
    want = NormalLaw()(f(x)) + (1.5 * (1 + f.a * (1 - torch.tanh(x).square()))).log()[:, 0]
    expect.close("log p(x), n = d = 1", call(x, f, NormalLaw()), want)
    d = 40
    x = draw.normal(2, d)
    want = NormalLaw()(0.05 * x) + d * math.log(0.05)
    expect.close("log p(x), d = 40", call(x, Linear(0.05 * torch.eye(d)), NormalLaw()), want)


def _parts(x: Tensor, f: nn.Module, base_log_prob: nn.Module) -> tuple[Tensor, Tensor]:
    """log p_Z(f(x)) and the Jacobians."""
    return base_log_prob(f(x)), flows.jacobian(f, x)


@change_of_variables.misconception(
    "dropped log-det",
    "You return log p_Z(f(x)) alone. That is not a density of x: where f stretches, the same mass "
    "sits in less of x's space. Add the logarithm of the volume change.",
)
def _(x, f, base_log_prob):
    return base_log_prob(f(x))


@change_of_variables.misconception(
    "log-det subtracted",
    "The sign of the log-determinant is that of the other direction. f goes from data to noise, so "
    "its log|det ∂f/∂x| is added; you would subtract the one of the map from noise to data.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p - torch.linalg.slogdet(J).logabsdet


@change_of_variables.misconception(
    "determinant without the logarithm",
    "In logarithms the product p_Z · |det| becomes a sum of logs: add log|det|, not |det| itself.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.det(J).abs()


@change_of_variables.misconception(
    "no absolute value",
    "A map that mirrors space has a negative determinant, and the logarithm of a negative number is "
    "NaN. A volume is positive: take |det| before the log, as `torch.linalg.slogdet` does for you.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.log(torch.linalg.det(J))


@change_of_variables.misconception(
    "determinant underflows",
    "The formula is right, but the determinant itself does not fit into a float in many dimensions: "
    "it becomes 0 and its log -inf. `torch.linalg.slogdet` takes the log on the way.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.log(torch.linalg.det(J).abs())


@change_of_variables.misconception(
    "diagonal of the Jacobian only",
    "You multiply the derivatives ∂f_i/∂x_i. That is the determinant only of a triangular "
    "Jacobian; a general one needs the off-diagonal entries too.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + J.diagonal(dim1=1, dim2=2).abs().log().sum(1)


@change_of_variables.misconception(
    "mean of the log-det over the batch",
    "Every example has its own volume change. You average the log-determinant over the batch, so "
    "each example gets the others' Jacobian.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.slogdet(J).logabsdet.mean()


@change_of_variables.misconception(
    "sum of the log-det over the batch",
    "Every example has its own volume change. You add the log-determinants of the whole batch to "
    "each example: keep one for each.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.slogdet(J).logabsdet.sum()


@change_of_variables.misconception(
    "the sign instead of the log-det",
    "`torch.linalg.slogdet` returns two tensors: first the sign of the determinant, then log|det|. "
    "You add the sign; the second is the one to add.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.slogdet(J).sign


@change_of_variables.misconception(
    "the density, not its logarithm",
    "These are the right densities, without the logarithm. Return log p(x): in many dimensions p(x) "
    "itself is too small for a float.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return (log_p + torch.linalg.slogdet(J).logabsdet).exp()


@change_of_variables.misconception(
    "absolute value of the logarithm",
    "You take |log det|. The absolute value goes inside, log|det|: where f shrinks space this is "
    "negative, and must lower the density.",
)
def _(x, f, base_log_prob):
    log_p, J = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.slogdet(J).logabsdet.abs()


@change_of_variables.misconception(
    "Jacobian at the wrong point",
    "You take the Jacobian at z = f(x). The formula has ∂f/∂x at x, the point where f is applied.",
)
def _(x, f, base_log_prob):
    log_p, _ = _parts(x, f, base_log_prob)
    return log_p + torch.linalg.slogdet(flows.jacobian(f, f(x))).logabsdet


@change_of_variables.misconception(
    "density of the noise at x",
    "You evaluate the noise's density at x itself. It must be asked at z = f(x), the point of noise "
    "space that x comes from.",
)
def _(x, f, base_log_prob):
    _, J = _parts(x, f, base_log_prob)
    return base_log_prob(x) + torch.linalg.slogdet(J).logabsdet


# ---------------------------------------------------------------- coupling_forward

coupling_forward = unit.graded(flows.coupling_forward, siblings=[flows.MaskedCoupling.forward])


@coupling_forward.property(
    "the kept entries pass through unchanged",
    points=0.5,
    hint="Where the mask is 1, z equals x exactly: what the network says must not reach those "
    "entries. `1 - mask` is the opposite mask.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, d=5, kept=3)
    z = expect.tensor("z", call(x, mask, net), (5, 5))
    kept = mask.bool()
    expect.close("z where the mask is 1", z[:, kept], x[:, kept])


@coupling_forward.property(
    "the others are scaled by exp(s), then shifted by t",
    points=1,
    hint="z = x · exp(s) + t where the mask is 0. The network's output is cut in two along "
    "dimension 1, log-scale first, shift second.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, d=5, kept=2)
    s, t = scale_and_shift(x, mask, net)
    want = mask * x + (1 - mask) * (x * s.exp() + t)
    expect.close("z", call(x, mask, net), want)


@coupling_forward.property(
    "the network sees the kept entries only",
    points=0.5,
    hint="If the network could see what it transforms, nobody could undo it. Give it "
    "`mask * x`, with zeros in place of the others.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, n=2, d=4, kept=2)
    rest = torch.where(mask == 0)[0]
    moved = x.clone()
    moved[:, rest[0]] += 1.0
    a = expect.tensor("z", call(x, mask, net), (2, 4))
    b = expect.tensor("z", call(moved, mask, net), (2, 4))
    others = [i for i in range(4) if i != int(rest[0])]
    expect.close(
        "z after one transformed entry of x was moved, at all other entries",
        b[:, others],
        a[:, others],
    )


@coupling_forward.property(
    "gradients flow through the network too",
    points=0.5,
    hint="z depends on x in two ways: directly, and through what the network says. Training needs "
    "both: no `.detach()`, no `torch.no_grad()`, no numpy.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, n=3, d=4, kept=2)
    inputs = x.clone().requires_grad_()
    s, t = net(mask * inputs).chunk(2, 1)
    z = mask * inputs + (1 - mask) * (inputs * s.exp() + t)
    (want,) = torch.autograd.grad(z.sum(), inputs)
    (got,) = call.gradient(x, mask, net, wrt=[0])
    expect.close("gradient of the sum of z with respect to x", got, want)


@coupling_forward.property(
    "edge cases: images, and one example of two features in single precision",
    points=0.5,
    hint="`chunk(2, dim=1)` cuts vectors along the features and images along the channels, so the "
    "same line serves both. Do not reshape, and keep the dtype of x.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = image_case(draw)
    s, t = scale_and_shift(x, mask, net)
    want = mask * x + (1 - mask) * (x * s.exp() + t)
    got = call(x, mask, net)
    expect.close("z for images", got, want)
    expect.true(got.dtype == x.dtype, f"z: got dtype {got.dtype}; want that of x, {x.dtype}")
    x, mask, net = draw.normal(1, 2), torch.tensor([0.0, 1.0]), network(draw, 2, torch.float32)
    s, t = scale_and_shift(x, mask, net)
    want = mask * x + (1 - mask) * (x * s.exp() + t)
    expect.close("z for one example", call(x, mask, net), want)


@coupling_forward.misconception(
    "log-scale used as the scale",
    "The network gives the logarithm of the scale, so that any number it says is a positive factor. "
    "Use exp(s), not s.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, 1)
    return mask * x + (1 - mask) * (x * s + t)


@coupling_forward.misconception(
    "network sees everything",
    "The network is given x, also the entries that it transforms. It works forward, but the inverse "
    "would have to know x to compute x. Give it `mask * x`.",
)
def _(x, mask, net):
    s, t = net(x).chunk(2, 1)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "mask the wrong way round",
    "In this course (and in the RealNVP paper) 1 means kept and 0 means transformed. Yours keeps "
    "the zeros and transforms the ones.",
)
def _(x, mask, net):
    s, t = net((1 - mask) * x).chunk(2, 1)
    return (1 - mask) * x + mask * (x * s.exp() + t)


@coupling_forward.misconception(
    "network fed the transformed part",
    "You give the network `(1 - mask) * x`, the part that is about to change. It must look at the "
    "part that stays, `mask * x`, since only that is still there on the way back.",
)
def _(x, mask, net):
    s, t = net((1 - mask) * x).chunk(2, 1)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "kept part lost",
    "Where the mask is 1 you return 0. A coupling hands those entries on: add `mask * x`.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, 1)
    return (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "kept part transformed too",
    "You scale and shift every entry. Then the network's input is gone, and nothing can be undone. "
    "Use s and t only where the mask is 0.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, 1)
    return x * s.exp() + t


@coupling_forward.misconception(
    "shift before scale",
    "You shift first and scale the sum. The coupling scales x and then adds t: x · exp(s) + t.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, 1)
    return mask * x + (1 - mask) * ((x + t) * s.exp())


@coupling_forward.misconception(
    "log-scale and shift exchanged",
    "The first half of the network's output is the log-scale s, the second half the shift t. You "
    "use them the other way round.",
)
def _(x, mask, net):
    t, s = net(mask * x).chunk(2, 1)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "output cut along the last axis",
    "You cut the network's output along its last axis. For vectors that is dimension 1, for images "
    "it is the width: cut along `dim=1`, the features or channels.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, -1)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "detached",
    "The numbers are right, but no gradient reaches the network, so it would never learn. Look for "
    "`.detach()`, `.data`, `torch.no_grad()` or numpy.",
)
def _(x, mask, net):
    s, t = net(mask * x).detach().chunk(2, 1)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_forward.misconception(
    "the inverse direction",
    "This is the map from noise to data, (x - t) · exp(-s). Here x is data and z is wanted: "
    "x · exp(s) + t.",
)
def _(x, mask, net):
    s, t = net(mask * x).chunk(2, 1)
    return mask * x + (1 - mask) * ((x - t) * torch.exp(-s))


# ---------------------------------------------------------------- coupling_inverse

coupling_inverse = unit.graded(flows.coupling_inverse, siblings=[flows.MaskedCoupling.inverse])


def _forward(x: Tensor, mask: Tensor, net: nn.Module) -> Tensor:
    s, t = scale_and_shift(x, mask, net)
    return mask * x + (1 - mask) * (x * s.exp() + t)


@coupling_inverse.property(
    "the kept entries pass through unchanged",
    points=0.5,
    hint="What forward kept is the same in z and x. Where the mask is 1, return z as it is.",
)
def _(call: Caller, draw: Draw) -> None:
    z, mask, net = case(draw, d=5, kept=3)
    x = expect.tensor("x", call(z, mask, net), (5, 5))
    kept = mask.bool()
    expect.close("x where the mask is 1", x[:, kept], z[:, kept])


@coupling_inverse.property(
    "it undoes the forward map",
    points=1.5,
    hint="Solve z = x · exp(s) + t for x: first take the shift away, then undo the scale. s and t are "
    "the same numbers as on the way there, since the kept entries did not change.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, d=5, kept=2)
    expect.close("x", call(_forward(x, mask, net), mask, net), x)


@coupling_inverse.property(
    "the network sees the kept entries only",
    points=0.5,
    hint="The transformed entries of z are not those of x, so the network would say something else. "
    "Give it `mask * z`.",
)
def _(call: Caller, draw: Draw) -> None:
    z, mask, net = case(draw, n=2, d=4, kept=2)
    rest = torch.where(mask == 0)[0]
    moved = z.clone()
    moved[:, rest[0]] += 1.0
    a = expect.tensor("x", call(z, mask, net), (2, 4))
    b = expect.tensor("x", call(moved, mask, net), (2, 4))
    others = [i for i in range(4) if i != int(rest[0])]
    expect.close(
        "x after one transformed entry of z was moved, at all other entries",
        b[:, others],
        a[:, others],
    )


@coupling_inverse.property(
    "edge cases: images, and one example of two features in single precision",
    points=0.5,
    hint="The same line serves vectors and images if you cut the network's output with "
    "`chunk(2, dim=1)`. Keep shape and dtype.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = image_case(draw)
    got = call(_forward(x, mask, net), mask, net)
    expect.close("x for images", got, x)
    expect.true(got.dtype == x.dtype, f"x: got dtype {got.dtype}; want that of z, {x.dtype}")
    x, mask, net = draw.normal(1, 2), torch.tensor([0.0, 1.0]), network(draw, 2, torch.float32)
    z = _forward(x, mask, net)
    expect.close("x for one example", call(z, mask, net), x, rtol=1e-3, atol=1e-3)


@coupling_inverse.misconception(
    "scale undone before the shift",
    "Undo the last step first. Forward scaled and then shifted, so take t away first and divide by "
    "exp(s) afterwards; z · exp(-s) - t does it in the order of the way there.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * (z * torch.exp(-s) - t)


@coupling_inverse.misconception(
    "scaled in the wrong direction",
    "You subtract t, and then multiply by exp(s) once more. To undo a factor, divide by it: "
    "multiply by exp(-s).",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * ((z - t) * s.exp())


@coupling_inverse.misconception(
    "shift added",
    "Forward added t; the way back subtracts it.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * ((z + t) * torch.exp(-s))


@coupling_inverse.misconception(
    "divided by the log-scale",
    "s is the logarithm of the scale. Divide by exp(s), not by s.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * ((z - t) / s)


@coupling_inverse.misconception(
    "network sees everything",
    "The network is given all of z. Forward it saw `mask * x`; give it the same numbers, "
    "`mask * z`, and it gives the same s and t.",
)
def _(z, mask, net):
    s, t = net(z).chunk(2, 1)
    return mask * z + (1 - mask) * ((z - t) * torch.exp(-s))


@coupling_inverse.misconception(
    "log-scale and shift exchanged",
    "The first half of the network's output is the log-scale s, the second half the shift t. You "
    "use them the other way round.",
)
def _(z, mask, net):
    t, s = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * ((z - t) * torch.exp(-s))


@coupling_inverse.misconception(
    "kept part dropped",
    "Where the mask is 1 you return zeros. The kept entries of z are those of x: add them.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return (1 - mask) * ((z - t) * torch.exp(-s))


@coupling_inverse.misconception(
    "output cut along the last axis",
    "You cut the network's output along its last axis. For vectors that is dimension 1, for images "
    "it is the width: cut along `dim=1`, the features or channels.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, -1)
    return mask * z + (1 - mask) * ((z - t) * torch.exp(-s))


@coupling_inverse.misconception(
    "the forward direction again",
    "This maps from data to noise a second time. Here z is given: solve z = x · exp(s) + t for x.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return mask * z + (1 - mask) * (z * s.exp() + t)


@coupling_inverse.misconception(
    "kept part transformed too",
    "You transform every entry of z. The kept ones are already x: use s and t only where the mask "
    "is 0.",
)
def _(z, mask, net):
    s, t = net(mask * z).chunk(2, 1)
    return (z - t) * torch.exp(-s)


@coupling_inverse.misconception(
    "mask the wrong way round",
    "1 means kept and 0 means transformed. Yours keeps the zeros and transforms the ones.",
)
def _(z, mask, net):
    s, t = net((1 - mask) * z).chunk(2, 1)
    return (1 - mask) * z + mask * ((z - t) * torch.exp(-s))


# ---------------------------------------------------------------- coupling_log_det

coupling_log_det = unit.graded(flows.coupling_log_det)


@coupling_log_det.property(
    "one number per example",
    points=0.5,
    hint="Sum over everything but the batch. For a batch of n examples the result has shape (n,).",
)
def _(call: Caller, draw: Draw) -> None:
    for n in (4, 1):
        x, mask, net = case(draw, n=n)
        expect.tensor("log-det", call(x, mask, net), (n,))


@coupling_log_det.property(
    "equals log|det| of autograd's Jacobian",
    points=1.5,
    hint="The Jacobian is triangular: ones for the kept entries, exp(s_i) for the others. The "
    "determinant is the product of the diagonal, and its logarithm a sum.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, n=5, d=4, kept=2)
    expect.close("log-det", call(x, mask, net), autograd_log_det(x, mask, net))


@coupling_log_det.property(
    "only the transformed entries count, however many they are",
    points=1,
    hint="A kept entry has a 1 on the diagonal, and log 1 = 0: whatever s the network says for it, "
    "it adds nothing. A mean would divide by a number that has no place in a determinant.",
)
def _(call: Caller, draw: Draw) -> None:
    for kept in (1, 4):
        x, mask, net = case(draw, n=3, d=5, kept=kept)
        want = autograd_log_det(x, mask, net)
        expect.close(f"log-det with {kept} of 5 entries kept", call(x, mask, net), want)


@coupling_log_det.property(
    "a function of the kept entries alone, and gradients flow through it",
    points=1,
    hint="The network sees the kept entries only, so the others must not matter. Training "
    "pulls on this number: no `.detach()`, no `torch.no_grad()`, no numpy.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = case(draw, n=3, d=4, kept=2)
    inputs = x.clone().requires_grad_()
    s = net(mask * inputs).chunk(2, 1)[0]
    (want,) = torch.autograd.grad((s * (1 - mask)).sum(), inputs)
    (got,) = call.gradient(x, mask, net, wrt=[0])
    expect.close("gradient of the log-det with respect to x", got, want)


@coupling_log_det.property(
    "edge cases: images, and a determinant too large for a float",
    points=1,
    hint="exp(900) does not fit into any float, but its logarithm is just 900: add the "
    "log-scales, and never form the product. For images, sum over channels, height and width.",
)
def _(call: Caller, draw: Draw) -> None:
    x, mask, net = image_case(draw)
    expect.close("log-det for images", call(x, mask, net), autograd_log_det(x, mask, net))
    d = 60
    for sign in (1, -1):
        log_scale = sign * draw.uniform(d, low=25.0, high=35.0)
        net = pinned(draw, d, log_scale, draw.normal(d), torch.float32)
        mask = mask_of(draw, d, 30).float()
        want = ((1 - mask) * log_scale).sum().expand(2)
        got = call(draw.normal(2, d), mask, net)
        expect.close(f"log-det with log-scales near {30 * sign}", got, want)


def _s(x: Tensor, mask: Tensor, net: nn.Module) -> Tensor:
    return net(mask * x).chunk(2, 1)[0]


@coupling_log_det.misconception(
    "sign flipped",
    "This is the log-determinant of the other direction, from noise to data. `coupling_forward` "
    "multiplies by exp(s), so data to noise has plus Σ s; `coupling_inverse` has minus.",
)
def _(x, mask, net):
    return -((1 - mask) * _s(x, mask, net)).flatten(1).sum(1)


@coupling_log_det.misconception(
    "kept entries counted too",
    "You sum s over all entries. The network says a log-scale for each, but the kept ones are not "
    "scaled: their diagonal entry is 1, and log 1 = 0. Multiply s by `1 - mask` first.",
)
def _(x, mask, net):
    return _s(x, mask, net).flatten(1).sum(1)


@coupling_log_det.misconception(
    "the determinant, not its logarithm",
    "You return exp(Σ s), the determinant. A log-density needs its logarithm, the sum itself; as a "
    "bonus it can neither overflow nor underflow.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).flatten(1).sum(1).exp()


@coupling_log_det.misconception(
    "sum of the scales",
    "You add up exp(s). The determinant is the product of the scales exp(s_i), and the log of a "
    "product is the sum of the logs: Σ s_i, without exp.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net).exp()).flatten(1).sum(1)


@coupling_log_det.misconception(
    "log-scale used as the scale",
    "You take the logarithm of s. s is a logarithm already, that of the scale exp(s): add the s "
    "themselves.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net).abs().log()).flatten(1).sum(1)


@coupling_log_det.misconception(
    "zeros on the diagonal",
    "You multiply exp(s) by `1 - mask`, so the kept entries put zeros on the diagonal, and the "
    "determinant is 0. Their diagonal entry is 1; in logarithms it is 0, so mask s and not exp(s).",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net).exp()).flatten(1).log().sum(1)


@coupling_log_det.misconception(
    "summed over one axis",
    "Right for vectors. An image has three axes besides the batch, and you sum over one of them: "
    "sum over channels, height and width.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).sum(1)


@coupling_log_det.misconception(
    "product before the logarithm",
    "The formula is right, but exp, then product, then log overflows: e^900 is more than any float "
    "can hold. The log of Π exp(s_i) is Σ s_i; add, and never form the product.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).flatten(1).exp().prod(1).log()


@coupling_log_det.misconception(
    "mean instead of sum",
    "You average the log-scales. Volumes multiply over dimensions, so their logarithms add up: "
    "use the sum.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).flatten(1).mean(1)


@coupling_log_det.misconception(
    "mean over the transformed entries",
    "You divide by the number of transformed entries. Volumes multiply over dimensions, so their "
    "logarithms add up: use the sum.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).flatten(1).sum(1) / (1 - mask).sum()


@coupling_log_det.misconception(
    "summed over the batch",
    "You return one number for the whole batch. Each example has its own Jacobian: sum over "
    "features (or channels and pixels), and leave the batch axis alone.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).sum()


@coupling_log_det.misconception(
    "network sees everything",
    "You give the network x, also the entries that it transforms, so your s is not the one that "
    "`coupling_forward` used. Give it `mask * x`.",
)
def _(x, mask, net):
    return ((1 - mask) * net(x).chunk(2, 1)[0]).flatten(1).sum(1)


@coupling_log_det.misconception(
    "network fed the transformed part",
    "The log-scale comes from the wrong half: the network must look at the kept entries, "
    "`mask * x`, not at `(1 - mask) * x`.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, 1 - mask, net)).flatten(1).sum(1)


@coupling_log_det.misconception(
    "shift instead of log-scale",
    "You sum the second half of the network's output, the shift t. A shift moves volumes without "
    "changing them; the log-scale is the first half.",
)
def _(x, mask, net):
    return ((1 - mask) * net(mask * x).chunk(2, 1)[1]).flatten(1).sum(1)


@coupling_log_det.misconception(
    "mask the wrong way round",
    "You sum the log-scales of the kept entries. 1 means kept and 0 means transformed: the ones "
    "that count are where the mask is 0.",
)
def _(x, mask, net):
    return (mask * _s(x, mask, net)).flatten(1).sum(1)


@coupling_log_det.misconception(
    "absolute value of the log-scales",
    "You take |s|. The absolute value belongs to the determinant, and exp(s) is positive already; "
    "a negative s is a contraction, and must lower the log-determinant.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).abs().flatten(1).sum(1)


@coupling_log_det.misconception(
    "detached",
    "The numbers are right, but no gradient reaches the network, so training would not see this "
    "term. Look for `.detach()`, `.item()`, `.data`, `torch.no_grad()` or numpy.",
)
def _(x, mask, net):
    return ((1 - mask) * _s(x, mask, net)).flatten(1).sum(1).detach()


# ---------------------------------------------------------------- squeeze

squeeze = unit.graded(flows.squeeze)


@squeeze.property(
    "four times the channels, half the height and width",
    points=0.5,
    hint="(n, c, h, w) becomes (n, 4c, h/2, w/2). Nothing is lost: 4 · ½ · ½ = 1.",
)
def _(call: Caller, draw: Draw) -> None:
    expect.tensor("z", call(draw.normal(2, 3, 4, 6)), (2, 12, 2, 3))


@squeeze.property(
    "each 2 × 2 block becomes four channels in reading order",
    points=1,
    hint="Number the pixels of a 4 × 4 image from 0 to 15 and print what comes out: the first pixels "
    "of the four channels should be 0, 1, 4, 5. With `reshape`, the two axes of length 2 must come "
    "right behind the channels before they are merged.",
)
def _(call: Caller, draw: Draw) -> None:
    x = draw.normal(2, 1, 4, 6)
    want = torch.cat([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 1)
    expect.close("z", call(x), want)


@squeeze.property(
    "with several channels, each one's four stay together",
    points=1,
    hint="Channel c of x goes to channels 4c … 4c+3 of z. So in the permutation c comes first, and "
    "the row and column inside the block follow it.",
)
def _(call: Caller, draw: Draw) -> None:
    x = draw.normal(3, 3, 4, 6)
    want = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).flatten(1, 2)
    expect.close("z", call(x), want)


@squeeze.property(
    "edge cases: one example of one block, double precision, memory that is not contiguous",
    points=0.5,
    hint="`view` needs contiguous memory, `reshape` does not mind. Leave the numbers as they are.",
)
def _(call: Caller, draw: Draw) -> None:
    x = draw.normal(1, 1, 2, 2, dtype=torch.float64)
    got = expect.tensor("z", call(x), (1, 4, 1, 1))
    expect.true(got.dtype == x.dtype, f"z: got dtype {got.dtype}; want that of x, {x.dtype}")
    expect.close("z of one block", got, x.reshape(1, 4, 1, 1))
    x = draw.normal(2, 6, 4, 2).transpose(1, 3)  # (2, 2, 4, 6)
    want = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], 2).flatten(1, 2)
    expect.close("z", call(x), want)


def _blocks(x: Tensor) -> tuple[Tensor, tuple[int, int, int, int]]:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2), (n, 4 * c, h // 2, w // 2)


@squeeze.misconception(
    "reshape without permute",
    "A bare reshape keeps the order in memory, so it cuts rows into pieces: neighbours in a row end "
    "up in one channel. Bring the axes of the block next to the channels with `permute` first.",
)
def _(x):
    return x.reshape(_blocks(x)[1])


@squeeze.misconception(
    "quadrants instead of blocks",
    "Your four channels are the four quarters of the image. Each should be the whole image at half "
    "the resolution: every other pixel, so height is cut into (h/2, 2), not (2, h/2).",
)
def _(x):
    n, c, h, w = x.shape
    parts = x.reshape(n, c, 2, h // 2, 2, w // 2)
    return parts.permute(0, 1, 2, 4, 3, 5).reshape(n, 4 * c, h // 2, w // 2)


@squeeze.misconception(
    "rows and columns of the block exchanged",
    "Inside a block you read down before across. Reading order is top left, top right, bottom left, "
    "bottom right: in the permutation the row inside the block comes before the column.",
)
def _(x):
    blocks, shape = _blocks(x)
    return blocks.permute(0, 1, 5, 3, 2, 4).reshape(shape)


@squeeze.misconception(
    "clockwise instead of reading order",
    "You go round the block: top left, top right, bottom right, bottom left. Reading order starts "
    "the second row at its left: the last two channels of each block are exchanged.",
)
def _(x):
    corners = [x[:, :, i::2, j::2] for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
    return torch.stack(corners, 2).flatten(1, 2)


@squeeze.misconception(
    "rows and columns of the image exchanged",
    "Right blocks, but the small images are filled column by column. In the permutation the rows of "
    "blocks come before the columns, as in x.",
)
def _(x):
    blocks, shape = _blocks(x)
    return blocks.permute(0, 1, 3, 5, 4, 2).reshape(shape)


@squeeze.misconception(
    "channels interleaved the other way",
    "Right blocks, but with several channels the order differs: you put all top-left pixels first. "
    "Channel c of x goes to 4c … 4c+3, so c comes before the place in the block.",
)
def _(x):
    blocks, shape = _blocks(x)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(shape)


@squeeze.misconception(
    "average pooling",
    "You average each block, four times over. Squeezing loses nothing: every pixel of the block has "
    "a channel of its own.",
)
def _(x):
    blocks, _ = _blocks(x)
    return blocks.mean((3, 5)).repeat_interleave(4, 1)
