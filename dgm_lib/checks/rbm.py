"""The checks of unit 05_rbm.

What is expected comes from the definition: hidden units are summed out by listing their states,
chains are followed unit by unit in float64, bounds are averages over all hidden states. Uniforms
keep a distance from every probability they are compared with, so rounding decides nothing.
Misconceptions follow the properties of each function.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import softplus

from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.energy import ais, mean_field, rbm
from dgm_lib.energy.states import all_states

unit = Unit("05_rbm")
check = unit.check

double = torch.float64
single = torch.float32


def machine(
    draw: Draw, visible: int, hidden: int, scale: float = 1.0, dtype: torch.dtype = single
) -> tuple[Tensor, Tensor, Tensor]:
    """Random weights, visible biases and hidden biases."""
    shapes = [(visible, hidden), (visible,), (hidden,)]
    W, b, c = (draw.normal(*shape, scale=scale, dtype=dtype) for shape in shapes)
    return W, b, c


def energies(v: Tensor, W: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """All states of the hidden units, and E(v, h) of each row with each of them, in float64."""
    v, W, b, c = (t.double() for t in (v, W, b, c))
    h = all_states(len(c), dtype=double)
    return h, -torch.einsum("ni,ij,sj->ns", v, W, h) - (v @ b)[:, None] - h @ c


def away(u: Tensor, p: Tensor) -> Tensor:
    """The uniforms u, moved where they lie within 0.001 of the probabilities p."""
    return torch.where((u - p).abs() < 1e-3, torch.where(p < 0.5, p + 0.01, p - 0.01), u)


# --- free_energy ----------------------------------------------------------------------------------

free_energy = unit.graded(rbm.free_energy, siblings=[rbm.free_energy_from])


@free_energy.property(
    "sums the hidden units out",
    points=2,
    hint="F(v) = -log Σ_h exp(-E(v, h)). Each hidden unit is off (factor 1) or on (factor "
    "exp(c_j + (vᵀW)_j)), independently of the others, so the sum is a product over hidden units, "
    "and its log a sum of log(1 + exp(·)).",
)
def _(call: Caller, draw: Draw) -> None:
    for visible, hidden in [(4, 3), (2, 5)]:
        W, b, c = machine(draw, visible, hidden)
        v = draw.bernoulli(8, visible)
        want = -(-energies(v, W, b, c)[1]).logsumexp(1)
        expect.close(f"F of {visible} visible and {hidden} hidden units", call(v, W, b, c), want)


@free_energy.property(
    "has slopes that are probabilities: -∂F/∂c_j = p(h_j = 1 | v), -∂F/∂b_i = v_i",
    points=1,
    hint="Stay with torch operations from the weights to the result, so that a gradient can flow. "
    "If it flows but is wrong, look at which terms b and c enter.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b, c = machine(draw, 4, 3)
    v = draw.bernoulli(1, 4)
    h, E = energies(v, W, b, c)
    db, dc = call.gradient(v, W, b, c, wrt=(2, 3))
    expect.close("-∂F/∂c", -dc, (-E).softmax(1)[0] @ h)
    expect.close("-∂F/∂b", -db, v[0])


@free_energy.property(
    "holds at the edges: one state, one unit, float64, transposed storage, inputs that overflow exp",
    points=1,
    hint="exp(1000) is infinite in floating point, though log(1 + exp(1000)) is 1000: "
    "torch.nn.functional.softplus knows that. One state gives a tensor of shape (1,).",
)
def _(call: Caller, draw: Draw) -> None:
    for n, visible, hidden, scale, dtype in [
        (1, 4, 3, 1, single),
        (3, 1, 1, 1, double),
        (5, 6, 4, 1, double),
    ]:
        W, b, c = machine(draw, visible, hidden, scale, dtype)
        v = draw.bernoulli(visible, n, dtype=dtype).T
        want = -(-energies(v, W, b, c)[1]).logsumexp(1)
        expect.close(f"F for n = {n}, {visible} × {hidden} units", call(v, W, b, c), want)
    W, b, c = machine(draw, 3, 4)
    c = 1000 * torch.tensor([1.0, -1, 1, -1]) + 20 * c
    v = draw.bernoulli(6, 3)
    want = -(-energies(v, W, b, c)[1]).logsumexp(1)
    expect.close("F where exp overflows", call(v, W, b, c), want)


@free_energy.misconception(
    "overflow in exp",
    "The value is right until exp overflows. log(1 + exp(t)) and softplus(t) agree on paper, but "
    "only softplus notices that for large t the answer is t.",
)
def _(v, W, b, c):
    return -(v @ b) - torch.log(1 + torch.exp(v @ W + c)).sum(1)


@free_energy.misconception(
    "log-probability instead of energy",
    "This is -F(v), the log of the unnormalised probability. A free energy is low where states are "
    "likely: both of its terms carry a minus.",
)
def _(v, W, b, c):
    return v @ b + softplus(v @ W + c).sum(1)


@free_energy.misconception(
    "forgot the visible biases",
    "The hidden units are summed out well, but -bᵀv is missing: what the visible units like by "
    "themselves.",
)
def _(v, W, b, c):
    return -softplus(v @ W + c).sum(1)


@free_energy.misconception(
    "forgot the hidden biases",
    "The field of hidden unit j is c_j + (vᵀW)_j: its bias belongs inside log(1 + exp(·)).",
)
def _(v, W, b, c):
    return -(v @ b) - softplus(v @ W).sum(1)


@free_energy.misconception(
    "energy at the hidden means",
    "You put the probabilities p(h_j = 1 | v) into the energy in place of h. That is the mean of "
    "E(v, h); the free energy is lower, by the entropy of h given v. Sum exp(-E) over the states.",
)
def _(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - (field * torch.sigmoid(field)).sum(1)


@free_energy.misconception(
    "best hidden state instead of all",
    "You kept the hidden state of lowest energy only: max(0, t) is what log(1 + exp(t)) becomes for "
    "large |t|. Every hidden state adds its weight.",
)
def _(v, W, b, c):
    return -(v @ b) - torch.relu(v @ W + c).sum(1)


@free_energy.misconception(
    "mean over hidden states instead of sum",
    "You averaged exp(-E) over the hidden states instead of adding it up: you are off by log 2 for "
    "each hidden unit.",
)
def _(v, W, b, c):
    return -(v @ b) - softplus(v @ W + c).sum(1) + len(c) * math.log(2)


@free_energy.misconception(
    "one number for the whole batch",
    "You summed over the states too. Each row of v has a free energy of its own: sum over hidden "
    "units only, and return n numbers.",
)
def _(v, W, b, c):
    return (-(v @ b) - softplus(v @ W + c).sum(1)).sum()


# --- hidden_probs ---------------------------------------------------------------------------------

hidden_probs = unit.graded(rbm.hidden_probs)


@hidden_probs.property(
    "is the share of the states in which the unit is on",
    points=1,
    hint="In E(v, h) hidden unit j meets only c_j + (vᵀW)_j, so its two values weigh 1 and "
    "exp(c_j + (vᵀW)_j). The share of the second is a sigmoid.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b, c = machine(draw, 4, 3)
    v = draw.bernoulli(8, 4)
    h, E = energies(v, W, b, c)
    expect.close("p(h_j = 1 | v)", call(v, W, c), (-E).softmax(1) @ h)


@hidden_probs.property(
    "serves the other direction too, with W.T and b",
    points=1,
    hint="Nothing in the formula knows which side is called visible. Use matrix products on whole "
    "tensors (W.T is not contiguous: .view fails on it), and take sizes from the arguments.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b, c = machine(draw, 3, 5)
    h = draw.bernoulli(6, 5)
    v, E = energies(h, W.T, c, b)
    expect.close("p(v_i = 1 | h)", call(h, W.T, b), (-E).softmax(1) @ v)


@hidden_probs.property(
    "holds at the edges: one state, one unit, float64, inputs that overflow exp",
    points=1,
    hint="exp(1000) is infinite, and infinity over infinity is no number: torch.sigmoid is safe on "
    "both sides. Keep the dtype of the inputs.",
)
def _(call: Caller, draw: Draw) -> None:
    for n, visible, hidden in [(1, 4, 3), (3, 1, 1)]:
        W, b, c = machine(draw, visible, hidden, 1, double)
        v = draw.bernoulli(n, visible, dtype=double)
        h, E = energies(v, W, b, c)
        name = f"p for n = {n}, {visible} × {hidden} units"
        expect.close(name, call(v, W, c), (-E).softmax(1) @ h, rtol=1e-5, atol=1e-7)
    W, b, c = machine(draw, 3, 4)
    c = 1000 * torch.tensor([1.0, -1, 1, -1]) + c
    expect.close("p where exp overflows", call(draw.bernoulli(5, 3), W, c), (c > 0).expand(5, 4))


@hidden_probs.misconception(
    "overflow in exp",
    "The value is right until exp overflows: then exp(t) / (1 + exp(t)) is infinity over infinity. "
    "torch.sigmoid(t) is the same function, and safe.",
)
def _(v, W, c):
    t = torch.exp(v @ W + c)
    return t / (1 + t)


@hidden_probs.misconception(
    "forgot the biases",
    "The field of hidden unit j is c_j + (vᵀW)_j: the first part is missing.",
)
def _(v, W, c):
    return torch.sigmoid(v @ W)


@hidden_probs.misconception(
    "field instead of probability",
    "These are the fields c_j + (vᵀW)_j, the logits. A sigmoid turns them into probabilities.",
)
def _(v, W, c):
    return v @ W + c


@hidden_probs.misconception(
    "softmax instead of sigmoid",
    "A softmax lets exactly one hidden unit be on. Here each decides for itself, on or off: a sigmoid "
    "for each.",
)
def _(v, W, c):
    return torch.softmax(v @ W + c, 1)


@hidden_probs.misconception(
    "probability of being off",
    "This is p(h_j = 0 | v). A large field makes a unit likely to be on: mind the sign.",
)
def _(v, W, c):
    return torch.sigmoid(-(v @ W + c))


@hidden_probs.misconception(
    "states instead of probabilities",
    "You returned the likelier state of each unit, 0 or 1. The probability itself is wanted.",
)
def _(v, W, c):
    return (v @ W + c > 0).to(v.dtype)


@hidden_probs.misconception(
    "factor 2 of ±1 units",
    "σ(2 · field) belongs to units that are ±1, where on and off are 2 apart. These are 0 or 1.",
)
def _(v, W, c):
    return torch.sigmoid(2 * (v @ W + c))


# --- cd_gradients ---------------------------------------------------------------------------------

cd_gradients = unit.graded(rbm.cd_gradients)


def cd_case(
    draw: Draw, n: int, k: int, visible: int, hidden: int, scale=1.0, dtype=single
) -> tuple[tuple, tuple[Tensor, Tensor, Tensor]]:
    """Arguments for a call, and the gradients it should return: every chain by itself."""
    W, b, c = machine(draw, visible, hidden, scale, dtype)
    v = draw.bernoulli(n, visible, dtype=dtype)
    hu, vu = (draw.uniform(k, n, size, dtype=dtype).double() for size in (hidden, visible))
    w, x = W.double(), v.double()
    for t in range(k):
        p = torch.sigmoid(torch.einsum("ni,ij->nj", x, w) + c)
        hu[t] = away(hu[t], p)
        h = (hu[t] < p).double()
        p = torch.sigmoid(torch.einsum("nj,ij->ni", h, w) + b)
        vu[t] = away(vu[t], p)
        x = (vu[t] < p).double()
    first, last = v.double(), x
    p, q = (torch.sigmoid(torch.einsum("ni,ij->nj", s, w) + c) for s in (first, last))
    dW = torch.stack([torch.outer(first[m], p[m]) - torch.outer(last[m], q[m]) for m in range(n)])
    want = dW.mean(0), (first - last).mean(0), (p - q).mean(0)
    return (v, hu.to(dtype), vu.to(dtype), W, b, c), want


def triple(got: object, want: tuple[Tensor, Tensor, Tensor], what: str) -> None:
    """All three gradients as they should be."""
    parts = expect.pair("the result", got, 3)
    for name, mine, right in zip(("dW", "db", "dc"), parts, want, strict=True):
        expect.close(f"{name} {what}", mine, right)


@cd_gradients.property(
    "takes one step of block Gibbs from the data",
    points=1,
    hint="Draw h where hidden_uniforms[0] < σ(v W + c), then the new v where visible_uniforms[0] < "
    "σ(h W.T + b). db is the mean of the data minus the mean of what came out.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = cd_case(draw, 20, 1, 5, 4)
    db = expect.pair("the result", call(*args), 3)[1]
    expect.close("db for k = 1", db, want[1])


@cd_gradients.property(
    "is data minus reconstruction, with hidden probabilities",
    points=2,
    hint="The drawn h moves the chain and nothing more. For the gradient compute p(h | v) afresh, "
    "once at the data and once at the last states. v.T @ p adds up the outer products of all rows.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = cd_case(draw, 20, 1, 5, 4)
    triple(call(*args), want, "for k = 1")


@cd_gradients.property(
    "goes on for k steps",
    points=1,
    hint="Step t starts from the states that step t - 1 left, and uses hidden_uniforms[t] and "
    "visible_uniforms[t]. The number of steps is their first size.",
)
def _(call: Caller, draw: Draw) -> None:
    for k in (2, 4):
        args, want = cd_case(draw, 16, k, 5, 4)
        triple(call(*args), want, f"for k = {k}")


@cd_gradients.property(
    "holds at the edges: one example, one unit, float64, saturated units",
    points=1,
    hint="One example is still a batch of one row. Turn comparisons into numbers of the dtype of v: "
    "`.to(v.dtype)`. Leave v itself as it is.",
)
def _(call: Caller, draw: Draw) -> None:
    for n, k, visible, hidden, scale, dtype in [
        (1, 2, 4, 3, 1, double),
        (12, 1, 1, 1, 1, double),
        (6, 2, 5, 3, 300, single),
    ]:
        args, want = cd_case(draw, n, k, visible, hidden, scale, dtype)
        triple(call(*args), want, f"for n = {n}, {visible} × {hidden} units")


def _cd(v, hidden_uniforms, visible_uniforms, W, b, c, chain=None, phase=None):
    """The direct solution, with room for slips: `chain(state, hu, vu)` is a step."""
    step = chain or (lambda x, hu, vu: _visible(_hidden(x, hu, W, c), vu, W, b))
    x = v
    for hu, vu in zip(hidden_uniforms, visible_uniforms, strict=True):
        x = step(x, hu, vu)
    p, q = phase(x) if phase else (torch.sigmoid(v @ W + c), torch.sigmoid(x @ W + c))
    return (v.T @ p - x.T @ q) / len(v), (v - x).mean(0), (p - q).mean(0)


def _hidden(v, u, W, c):
    return (u < torch.sigmoid(v @ W + c)).to(v.dtype)


def _visible(h, u, W, b):
    return (u < torch.sigmoid(h @ W.T + b)).to(h.dtype)


@cd_gradients.misconception(
    "sum instead of mean over the batch",
    "You added up over the examples. Divide by n, so that the step does not grow with the batch.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    return tuple(len(v) * g for g in _cd(v, hidden_uniforms, visible_uniforms, W, b, c))


@cd_gradients.misconception(
    "model minus data",
    "The sign is that of descent. The gradient of the log-likelihood raises what the data do and "
    "lowers what the model does: data minus model.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    return tuple(-g for g in _cd(v, hidden_uniforms, visible_uniforms, W, b, c))


@cd_gradients.misconception(
    "probabilities instead of drawn hidden units",
    "You sent the probabilities p(h | v) back to the visible units. Then the hidden layer passes on "
    "far more than bits; the chain must draw h.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    def step(x, hu, vu):
        return _visible(torch.sigmoid(x @ W + c), vu, W, b)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, step)


@cd_gradients.misconception(
    "probabilities instead of drawn visible units",
    "Your new visible states are probabilities. Many programs do so to save noise, but it is no longer "
    "Gibbs sampling: here they are drawn, by visible_uniforms.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    def step(x, hu, vu):
        return torch.sigmoid(_hidden(x, hu, W, c) @ W.T + b)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, step)


@cd_gradients.misconception(
    "drawn hidden units in the positive phase",
    "For the data you used the drawn h. The chain needs it, the gradient does not: p(h | v) is its "
    "mean, and has no noise.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    def phase(x):
        return _hidden(v, hidden_uniforms[0], W, c), torch.sigmoid(x @ W + c)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, phase=phase)


@cd_gradients.misconception(
    "hidden units from before the last step",
    "In the negative phase you paired the last visible states with the hidden probabilities that "
    "produced them. Compute p(h | v) once more, at the last states.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    before = _cd_state(v, hidden_uniforms[:-1], visible_uniforms[:-1], W, b, c)

    def phase(x):
        return torch.sigmoid(v @ W + c), torch.sigmoid(before @ W + c)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, phase=phase)


def _cd_state(v, hidden_uniforms, visible_uniforms, W, b, c):
    for hu, vu in zip(hidden_uniforms, visible_uniforms, strict=True):
        v = _visible(_hidden(v, hu, W, c), vu, W, b)
    return v


@cd_gradients.misconception(
    "every step starts at the data",
    "Each of your k steps starts from v again, so only the last one counts. A chain goes on from "
    "where it is.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    return _cd(v, hidden_uniforms[-1:], visible_uniforms[-1:], W, b, c)


@cd_gradients.misconception(
    "one step whatever k is",
    "This is CD-1. The uniforms come in k blocks, one for each step of the chain.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    return _cd(v, hidden_uniforms[:1], visible_uniforms[:1], W, b, c)


@cd_gradients.misconception(
    "on where the uniform is above the probability",
    "Your units turn on with probability 1 - p: a uniform number is below p with probability p, so "
    "compare u < p.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    def step(x, hu, vu):
        h = (hu > torch.sigmoid(x @ W + c)).to(x.dtype)
        return (vu > torch.sigmoid(h @ W.T + b)).to(x.dtype)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, step)


@cd_gradients.misconception(
    "chain without biases",
    "Your chain listens to the weights only. The field of a hidden unit has c in it, that of a "
    "visible one b.",
)
def _(v, hidden_uniforms, visible_uniforms, W, b, c):
    def step(x, hu, vu):
        return _visible(_hidden(x, hu, W, 0 * c), vu, W, 0 * b)

    return _cd(v, hidden_uniforms, visible_uniforms, W, b, c, step)


# --- ais_log_weights ------------------------------------------------------------------------------

ais_log_weights = unit.graded(ais.ais_log_weights, siblings=[ais._anneal])


def log_f(v: Tensor, beta: float, base: Tensor, W: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """log f_β(v), its hidden units summed out by listing their states, in float64."""
    mixed = (1 - beta) * base.double() + beta * b.double()
    return (-energies(v, beta * W, mixed, beta * c)[1]).logsumexp(1)


def ais_case(
    draw: Draw, n: int, betas: list[float], visible: int, hidden: int, scale=1.0, dtype=single
) -> tuple[tuple, Tensor]:
    """Arguments for a call, and the log weights it should return."""
    W, b, c = machine(draw, visible, hidden, scale, dtype)
    base = draw.normal(visible, dtype=dtype)
    schedule = torch.tensor(betas, dtype=dtype)
    steps = schedule.double().tolist()
    u = draw.uniform(len(betas) - 1, n, visible + hidden, dtype=dtype).double()
    log_w = hidden * math.log(2) + torch.log1p(base.double().exp()).sum()
    v = None
    for t, (beta, following) in enumerate(pairwise(steps)):
        p = torch.sigmoid(base.double()).expand(n, -1)
        if v is not None:
            q = torch.sigmoid(beta * (v @ W.double() + c))
            u[t, :, visible:] = away(u[t, :, visible:], q)
            h = (u[t, :, visible:] < q).double()
            p = torch.sigmoid((1 - beta) * base + beta * (h @ W.double().T + b))
        u[t, :, :visible] = away(u[t, :, :visible], p)
        v = (u[t, :, :visible] < p).double()
        log_w = log_w + log_f(v, following, base, W, b, c) - log_f(v, beta, base, W, b, c)
    return (u.to(dtype), schedule, base, W, b, c), log_w


@ais_log_weights.property(
    "is importance sampling from the base model when there is one step",
    points=1,
    hint="With β going from 0 to 1 at once: draw v where uniforms[0, :, :v] < σ(base), and return "
    "log Z_0 + log f_1(v) - log f_0(v). log f_1 is -F(v), and log f_0 is aᵀv + h log 2.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = ais_case(draw, 12, [0.0, 1.0], 5, 4)
    expect.close("log w for one step", call(*args), want)


@ais_log_weights.property(
    "collects a ratio at every β and moves the chain between them",
    points=2,
    hint="In round t: first add log f_{β_t}(v) - log f_{β_{t-1}}(v) at the v that you have, then "
    "move: h where its uniforms are below σ(β_t (c + vW)), v where its uniforms are below "
    "σ((1 - β_t) a + β_t (b + W h)). The last state is not moved any more.",
)
def _(call: Caller, draw: Draw) -> None:
    for betas in ([0.0, 0.2, 0.45, 0.75, 1.0], [0.0, 0.1, 0.35, 0.6, 0.7, 0.8, 1.0]):
        args, want = ais_case(draw, 60, betas, 5, 4, 1.5)
        expect.close(f"log w for {len(betas) - 1} steps", call(*args), want)


@ais_log_weights.property(
    "is log Z in every chain where base and model agree",
    points=1,
    hint="With W = 0 and a = b, v drops out of every ratio: what is left is log Z_0 and the change "
    "of Σ_j log(1 + exp(β c_j)). log Z_0 counts 2 for each hidden unit and 1 + exp(a_i) for each "
    "visible one.",
)
def _(call: Caller, draw: Draw) -> None:
    (u, betas, _, W, b, c), _ = ais_case(draw, 5, [0.0, 0.3, 0.6, 1.0], 4, 3, dtype=double)
    want = softplus(b).sum() + softplus(c).sum()
    expect.close("log w for W = 0", call(u, betas, b, 0 * W, b, c), want.expand(5))


@ais_log_weights.property(
    "holds at the edges: one chain, one unit, float64, large weights",
    points=1,
    hint="One chain gives a tensor of shape (1,). Use softplus for log(1 + exp(·)), and make states "
    "of the dtype of b.",
)
def _(call: Caller, draw: Draw) -> None:
    for n, visible, hidden, scale, dtype in [
        (1, 4, 3, 1, single),
        (6, 1, 1, 1, double),
        (4, 5, 3, 60, double),
    ]:
        args, want = ais_case(draw, n, [0.0, 0.2, 0.9, 1.0], visible, hidden, scale, dtype)
        expect.close(f"log w for n = {n}, {visible} × {hidden} units", call(*args), want)


def _ais(uniforms, betas, base, W, b, c, move=None, at=None, start=None, restart=False):
    """The direct solution, with room for slips: `move(v, hu, vu, beta)` is a sweep, `at(t)` the β
    of the sweep that draws state t + 1, `start` replaces log Z_0."""
    visible = len(b)

    def log_f(v, beta):
        tempered = ((1 - beta) * base + beta * b).double()
        return v.double() @ tempered + softplus((beta * (c + v @ W)).double()).sum(1)

    def sweep(v, hu, vu, beta):
        h = (hu < torch.sigmoid(beta * (c + v @ W))).to(b.dtype)
        return (vu < torch.sigmoid((1 - beta) * base + beta * (b + h @ W.T))).to(b.dtype)

    move, at = move or sweep, at or (lambda t: betas[t])
    log_w = len(c) * math.log(2) + softplus(base.double()).sum() if start is None else start
    v = None
    for t, u in enumerate(uniforms):
        hu, vu = u[:, visible:], u[:, :visible]
        first = v is None or restart
        v = (vu < torch.sigmoid(base)).to(b.dtype) if first else move(v, hu, vu, at(t))
        log_w = log_w + log_f(v, betas[t + 1]) - log_f(v, betas[t])
    return log_w


@ais_log_weights.misconception(
    "forgot log Z of the base model",
    "Your weights estimate the ratio Z / Z_0. Add log Z_0 = h log 2 + Σ_i log(1 + exp(a_i)).",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, start=0.0)


@ais_log_weights.misconception(
    "idle hidden units forgotten in log Z of the base model",
    "At β = 0 the hidden units have no say, but they are there, and each state of theirs counts: "
    "Z_0 has a factor 2 for each hidden unit.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, start=softplus(base.double()).sum())


@ais_log_weights.misconception(
    "log Z of the base model without its biases",
    "You took (v + h) log 2 for log Z_0, which holds for a base of fair coins only. Visible unit i "
    "of the base weighs 1 + exp(a_i).",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, start=(len(b) + len(c)) * math.log(2))


@ais_log_weights.misconception(
    "ratio upside down",
    "The ratio of each step is new over old: log f at the higher β minus log f at the lower one.",
)
def _(uniforms, betas, base, W, b, c):
    log_z = len(c) * math.log(2) + softplus(base.double()).sum()
    return 2 * log_z - _ais(uniforms, betas, base, W, b, c)


@ais_log_weights.misconception(
    "chain at full strength",
    "Your Gibbs sweeps are those of the RBM itself. Round t must leave f_{β_t} alone: multiply the "
    "fields by β_t, and mix the visible biases.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, at=lambda t: betas[-1])


@ais_log_weights.misconception(
    "sweep one temperature behind",
    "The sweep after the ratio from β_{t-1} to β_t still uses β_{t-1}. It must use β_t: the state has "
    "just been weighted for that.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, at=lambda t: betas[t - 1])


@ais_log_weights.misconception(
    "sweep one temperature ahead",
    "The sweep after the ratio from β_{t-1} to β_t already uses β_{t+1}. It must use β_t.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, at=lambda t: betas[t + 1])


@ais_log_weights.misconception(
    "base biases missing in the sweeps",
    "On the way the visible units still feel the base: their field is (1 - β) a_i + β (b_i + (W h)_i). "
    "Your sweeps lack the first part.",
)
def _(uniforms, betas, base, W, b, c):
    def move(v, hu, vu, beta):
        h = (hu < torch.sigmoid(beta * (c + v @ W))).to(b.dtype)
        return (vu < torch.sigmoid(beta * (b + h @ W.T))).to(b.dtype)

    return _ais(uniforms, betas, base, W, b, c, move)


@ais_log_weights.misconception(
    "hidden biases not tempered",
    "β multiplies the whole field of a hidden unit, β (c_j + (vᵀW)_j). In your sweeps c_j is at full "
    "strength from the start.",
)
def _(uniforms, betas, base, W, b, c):
    def move(v, hu, vu, beta):
        h = (hu < torch.sigmoid(c + beta * (v @ W))).to(b.dtype)
        return (vu < torch.sigmoid((1 - beta) * base + beta * (b + h @ W.T))).to(b.dtype)

    return _ais(uniforms, betas, base, W, b, c, move)


@ais_log_weights.misconception(
    "fresh draws instead of a chain",
    "You drew every state from the base model. A chain goes on: each state comes from the one "
    "before by a sweep of Gibbs.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c, restart=True)


@ais_log_weights.misconception(
    "averaged already",
    "This is one number, log mean exp of the weights. Return the n log weights themselves: their "
    "spread tells how far to trust the mean.",
)
def _(uniforms, betas, base, W, b, c):
    log_w = _ais(uniforms, betas, base, W, b, c)
    return log_w.logsumexp(0) - math.log(len(log_w))


@ais_log_weights.misconception(
    "weights instead of log weights",
    "You returned w itself. Its logarithm is wanted: w grows like Z and soon overflows.",
)
def _(uniforms, betas, base, W, b, c):
    return _ais(uniforms, betas, base, W, b, c).exp()


# --- dbm_mean_field -------------------------------------------------------------------------------

dbm_mean_field = unit.graded(mean_field.dbm_mean_field)


def deep(
    draw: Draw, sizes: tuple[int, int, int], scale: float = 1.0, dtype: torch.dtype = single
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random W1, W2, c1 and c2."""
    v, h1, h2 = sizes
    shapes = [(v, h1), (h1, h2), (h1,), (h2,)]
    W1, W2, c1, c2 = (draw.normal(*shape, scale=scale, dtype=dtype) for shape in shapes)
    return W1, W2, c1, c2


def rounds(v: Tensor, W1: Tensor, W2: Tensor, c1: Tensor, c2: Tensor, steps: int) -> list[Tensor]:
    """μ1 and μ2 in float64, one example after the other."""
    W1, W2, c1, c2 = (t.double() for t in (W1, W2, c1, c2))
    rows = []
    for x in v.double():
        mu2 = torch.full_like(c2, 0.5)
        for _ in range(steps):
            mu1 = torch.sigmoid(c1 + (x[:, None] * W1).sum(0) + (W2 * mu2).sum(1))
            mu2 = torch.sigmoid(c2 + (mu1[:, None] * W2).sum(0))
        rows.append((mu1, mu2))
    return [torch.stack(part) for part in zip(*rows, strict=True)]


def bound(
    v: Tensor, mu1: Tensor, mu2: Tensor, W1: Tensor, W2: Tensor, c1: Tensor, c2: Tensor
) -> Tensor:
    """E_q[-E] + H(q) of each row (up to bᵀv), by listing all hidden states, in float64."""
    v, W1, W2, c1, c2 = (t.double() for t in (v, W1, W2, c1, c2))
    h = all_states(len(c1) + len(c2), dtype=double)
    h1, h2 = h.split([len(c1), len(c2)], 1)
    mu = torch.cat([mu1, mu2], 1).double().clamp(1e-12, 1 - 1e-12)
    log_q = mu.log() @ h.T + (-mu).log1p() @ (1 - h).T
    happiness = v @ W1 @ h1.T + ((h1 @ W2) * h2).sum(1) + h1 @ c1 + h2 @ c2
    return (log_q.exp() * (happiness - log_q)).sum(1)


def both(got: object, want: list[Tensor], what: str) -> None:
    """Both layers as they should be."""
    parts = expect.pair("the result", got)
    for name, mine, right in zip(("μ1", "μ2"), parts, want, strict=True):
        expect.close(f"{name} {what}", mine, right)


@dbm_mean_field.property(
    "updates the middle layer, then the top, in one round",
    points=1,
    hint="Start with μ2 = 1/2 everywhere. μ1 gets input from v and from μ2; then μ2 gets input from "
    "the new μ1. W2 has a row for each middle unit, so downwards it is μ2 @ W2.T.",
)
def _(call: Caller, draw: Draw) -> None:
    weights = deep(draw, (5, 4, 3))
    v = draw.bernoulli(6, 5)
    both(call(v, *weights, 1), rounds(v, *weights, 1), "after one round")


@dbm_mean_field.property(
    "never lowers the bound, round after round",
    points=1,
    hint="Each update maximises the bound in its own layer, if it uses the newest means of the other "
    "one. Updating both layers from old means is not an ascent.",
)
def _(call: Caller, draw: Draw) -> None:
    weights = deep(draw, (5, 4, 3), 2.0)
    v = draw.bernoulli(6, 5)
    before = None
    for steps in (1, 2, 3, 4):
        mu1, mu2 = expect.pair("the result", call(v, *weights, steps))
        mu1 = expect.tensor("μ1", mu1, (6, 4))
        mu2 = expect.tensor("μ2", mu2, (6, 3))
        inside = all(bool(((mu >= 0) & (mu <= 1)).all()) for mu in (mu1, mu2))
        expect.true(inside, "μ1, μ2: got values outside [0, 1]; want probabilities")
        value = bound(v, mu1, mu2, *weights)
        if before is not None:
            drop = (before - value).max().item()
            message = f"the bound falls by {drop:.3g} in round {steps}; want that it never falls"
            expect.true(drop < 1e-4, message)
        before = value
    both((mu1, mu2), rounds(v, *weights, 4), "after four rounds")


@dbm_mean_field.property(
    "comes to rest where both equations hold",
    points=1,
    hint="After many rounds μ1 = σ(c1 + vW1 + μ2 W2.T) and μ2 = σ(c2 + μ1 W2) at once. If only one "
    "holds, look at which means the other uses; if neither does, at how often the loop runs.",
)
def _(call: Caller, draw: Draw) -> None:
    weights = deep(draw, (4, 4, 3), 0.7)
    W1, W2, c1, c2 = weights
    v = draw.bernoulli(5, 4)
    mu1, mu2 = expect.pair("the result", call(v, *weights, 80))
    mu1, mu2 = expect.tensor("μ1", mu1, (5, 4)), expect.tensor("μ2", mu2, (5, 3))
    mu1, mu2 = mu1.to(single), mu2.to(single)
    expect.close("μ1 after 80 rounds", mu1, torch.sigmoid(c1 + v @ W1 + mu2 @ W2.T))
    expect.close("μ2 after 80 rounds", mu2, torch.sigmoid(c2 + mu1 @ W2))


@dbm_mean_field.property(
    "holds at the edges: one example, one unit, float64, the exact posterior where W2 = 0, large weights",
    points=1,
    hint="With W2 = 0 the layers do not hear each other, and μ1 = σ(c1 + vW1) is the exact posterior. "
    "Create μ2 with the dtype of the weights, and use torch.sigmoid, which does not overflow.",
)
def _(call: Caller, draw: Draw) -> None:
    for n, sizes, scale, dtype in [
        (1, (4, 3, 2), 1, single),
        (4, (1, 1, 1), 1, double),
        (3, (4, 3, 2), 50, double),
    ]:
        weights = deep(draw, sizes, scale, dtype)
        v = draw.bernoulli(n, sizes[0], dtype=dtype)
        both(call(v, *weights, 3), rounds(v, *weights, 3), f"for n = {n}, {sizes} units")
    W1, W2, c1, c2 = deep(draw, (4, 3, 2))
    v = draw.bernoulli(3, 4)
    h, E = energies(v, W1, torch.zeros(4), c1)
    want = [(-E).softmax(1) @ h, torch.sigmoid(c2.double()).expand(3, 2)]
    both(call(v, W1, 0 * W2, c1, c2, 2), want, "for W2 = 0")


def _rounds(v, W1, W2, c1, c2, steps, start=0.5, below=None, down=1.0, activate=torch.sigmoid):
    """The direct solution, with room for slips."""
    below = v @ W1 if below is None else below
    mu2 = torch.full((len(v), len(c2)), start, dtype=c2.dtype)
    for _ in range(steps):
        mu1 = activate(c1 + below + down * (mu2 @ W2.T))
        mu2 = activate(c2 + mu1 @ W2)
    return mu1, mu2


@dbm_mean_field.misconception(
    "bottom-up only",
    "Your middle layer does not hear the top one. In a deep Boltzmann machine, unlike in a deep belief "
    "network, it gets input from both sides: add μ2 @ W2.T.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, steps, down=0.0)


@dbm_mean_field.misconception(
    "doubled weights",
    "You doubled the input from below in place of the input from above. That is how the first RBM is "
    "trained, before there is a layer above; here there is one.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, steps, below=2 * (v @ W1), down=0.0)


@dbm_mean_field.misconception(
    "both layers updated at once",
    "You updated the top layer from the middle layer's old means. Use the new ones: only then is each "
    "update an ascent of the bound.",
)
def _(v, W1, W2, c1, c2, steps):
    mu1 = torch.full((len(v), len(c1)), 0.5, dtype=c1.dtype)
    mu2 = torch.full((len(v), len(c2)), 0.5, dtype=c2.dtype)
    for _ in range(steps):
        mu1, mu2 = torch.sigmoid(c1 + v @ W1 + mu2 @ W2.T), torch.sigmoid(c2 + mu1 @ W2)
    return mu1, mu2


@dbm_mean_field.misconception(
    "top layer starts at zero",
    "You started with μ2 = 0, as if every top unit were known to be off. It is unknown: start at 1/2.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, steps, start=0.0)


@dbm_mean_field.misconception(
    "one round whatever steps is",
    "You stopped after one round. The two layers need several to agree: repeat both updates `steps` "
    "times.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, 1)


@dbm_mean_field.misconception(
    "one round too many",
    "You do steps + 1 rounds. Perhaps you made a first pass before the loop: the first round belongs "
    "to it.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, steps + 1)


@dbm_mean_field.misconception(
    "middle layer last",
    "After the last update of the top you updated the middle layer once more. A round ends with the "
    "top layer.",
)
def _(v, W1, W2, c1, c2, steps):
    _, mu2 = _rounds(v, W1, W2, c1, c2, steps)
    return torch.sigmoid(c1 + v @ W1 + mu2 @ W2.T), mu2


@dbm_mean_field.misconception(
    "decisions instead of means",
    "You rounded the means to 0 or 1 on the way. Mean field passes on probabilities: that is how a "
    "layer tells the other how sure it is.",
)
def _(v, W1, W2, c1, c2, steps):
    def decide(t):
        return (t > 0).to(t.dtype)

    return _rounds(v, W1, W2, c1, c2, steps, activate=decide)


@dbm_mean_field.misconception(
    "forgot the biases",
    "The input of a hidden unit begins with its bias: c1 for the middle layer, c2 for the top.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, 0 * c1, 0 * c2, steps)


@dbm_mean_field.misconception(
    "layers in the wrong order",
    "You returned μ2 first. The result is (μ1, μ2): the middle layer, then the top.",
)
def _(v, W1, W2, c1, c2, steps):
    return _rounds(v, W1, W2, c1, c2, steps)[::-1]
