"""The checks of unit 04_boltzmann.

What is expected comes from the definition: energies by loops over pairs, probabilities by listing
all states, gradients by autograd through the exact log-likelihood. Misconceptions follow the
properties of each function.
"""

import itertools
import math

import torch
from torch import Tensor

from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.energy import boltzmann, enumeration
from dgm_lib.energy.gibbs import exact_sweep, gibbs
from dgm_lib.energy.states import Units, all_states

unit = Unit("04_boltzmann")
check = unit.check

BITS: Units = (0, 1)
SPINS: Units = (-1, 1)
double = torch.float64


def machine(
    draw: Draw, d: int, scale: float = 1.0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Random symmetric weights with a zero diagonal, and biases."""
    upper = draw.normal(d, d, scale=scale, dtype=dtype).triu(1)
    return upper + upper.T, draw.normal(d, scale=scale, dtype=dtype)


def states_of(draw: Draw, n: int, d: int, units: Units, dtype=torch.float32) -> Tensor:
    """n random states of d units."""
    return units[0] + (units[1] - units[0]) * draw.bernoulli(n, d, dtype=dtype)


def energies(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """E of each row, by loops over units and pairs, in float64."""
    w, bias = W.tolist(), b.tolist()
    pairs = list(itertools.combinations(range(len(bias)), 2))
    return torch.tensor(
        [
            -sum(w[i][j] * s[i] * s[j] for i, j in pairs)
            - sum(v * u for v, u in zip(bias, s, strict=True))
            for s in x.tolist()
        ],
        dtype=double,
    )


def table(W: Tensor, b: Tensor, units: Units) -> tuple[Tensor, Tensor]:
    """All states and their probabilities, in float64."""
    states = torch.tensor(list(itertools.product(units, repeat=len(b))), dtype=double)
    return states, (-energies(states, W, b)).softmax(0)


# --- energy ---------------------------------------------------------------------------------------

energy = unit.graded(boltzmann.energy, siblings=[enumeration.happiness])


@energy.property(
    "sums over pairs and biases, for {0,1} units",
    points=1,
    hint="Each pair i < j gives -w_ij x_i x_j, each unit -b_i x_i. In xᵀWx every pair appears "
    "twice, once as (i, j) and once as (j, i).",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 5)
    x = states_of(draw, 6, 5, BITS)
    expect.close("E(x)", call(x, W, b), energies(x, W, b))


@energy.property(
    "works as it is for ±1 units",
    points=1,
    hint="The formula is the same: put the values of the units in as they are.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    x = states_of(draw, 8, 4, SPINS)
    expect.close("E(x)", call(x, W, b), energies(x, W, b))


@energy.property(
    "holds at the edges: one state, one unit, float64, transposed storage, large weights",
    points=1,
    hint="One state gives a tensor of shape (1,): do not squeeze axes away, and sum over units "
    "only. For many states, work on whole columns rather than on x.view(...).",
)
def _(call: Caller, draw: Draw) -> None:
    for n, d, scale, dtype in [(1, 4, 1, torch.float32), (3, 1, 1, double), (5, 6, 100, double)]:
        W, b = machine(draw, d, scale, dtype)
        x = states_of(draw, d, n, SPINS, dtype).T
        expect.close(f"E(x) for n = {n}, d = {d}", call(x, W, b), energies(x, W, b), atol=1e-4)


@energy.misconception(
    "every pair counted twice",
    "xᵀWx meets each pair at (i, j) and at (j, i), since W is symmetric. The energy counts it once: "
    "halve that term, or keep the upper triangle of W only.",
)
def _(x, W, b):
    return -((x @ W) * x).sum(-1) - x @ b


@energy.misconception(
    "happiness instead of energy",
    "You computed H(x) = -E(x). The energy carries the minus signs: likely states have low energy.",
)
def _(x, W, b):
    return ((x @ W) * x).sum(-1) / 2 + x @ b


@energy.misconception(
    "forgot the biases",
    "The energy has a second sum, -Σ b_i x_i: what each unit prefers before it looks at others.",
)
def _(x, W, b):
    return -((x @ W) * x).sum(-1) / 2


@energy.misconception(
    "bias term with a plus",
    "Both sums carry a minus: a positive bias makes an active unit cheaper, so it lowers E.",
)
def _(x, W, b):
    return -((x @ W) * x).sum(-1) / 2 + x @ b


@energy.misconception(
    "one number for the whole batch",
    "You summed over the states too. Each row of x has an energy of its own: sum over the last "
    "axis only, and return n numbers.",
)
def _(x, W, b):
    return (-((x @ W) * x).sum(-1) / 2 - x @ b).sum()


@energy.misconception(
    "every state against every other",
    "x @ W @ x.T is an n × n table that combines state k with state l. You want its diagonal only: "
    "multiply x @ W by x entry by entry, then sum over units.",
)
def _(x, W, b):
    return -(x @ W @ x.T) / 2 - x @ b


# --- log_partition --------------------------------------------------------------------------------

log_partition = unit.graded(boltzmann.log_partition, siblings=[enumeration.log_weights])


@log_partition.property(
    "sums exp(-E) over all 2^d states of {0,1} units",
    points=1,
    hint="List all states with `all_states`, take their energies, and add up exp(-E): a single "
    "logsumexp. Check by hand: with W = 0 and b = 0 the answer is d log 2.",
)
def _(call: Caller, draw: Draw) -> None:
    for d in (2, 5):
        W, b = machine(draw, d)
        want = (-energies(table(W, b, BITS)[0], W, b)).logsumexp(0)
        expect.close(f"log Z for d = {d}", call(W, b), want)


@log_partition.property(
    "does so for ±1 units",
    points=1,
    hint="`units` says which two values a unit takes: pass it on to `all_states`.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    want = (-energies(table(W, b, SPINS)[0], W, b)).logsumexp(0)
    expect.close("log Z", call(W, b, SPINS), want)


@log_partition.property(
    "holds at the edges: one unit, float64, weights so large that Z overflows",
    points=1,
    hint="exp(1000) is infinite in floating point, though log Z is about 1000: never leave the "
    "log domain, use torch.logsumexp. If the error speaks of dtypes: ask for the states in the "
    "dtype of b, `all_states(d, units, b.dtype)`.",
)
def _(call: Caller, draw: Draw) -> None:
    b = draw.normal(1, dtype=double)
    W = torch.zeros(1, 1, dtype=double)
    expect.close("log Z for d = 1", call(W, b), math.log1p(math.exp(b.item())), rtol=1e-6)
    for dtype in (torch.float32, double):
        W, b = machine(draw, 3, 10, dtype)
        b = b + 900 * b.sign()
        want = (-energies(table(W, b, SPINS)[0], W, b)).logsumexp(0)
        expect.close("log Z with large weights", call(W, b, SPINS), want)


def _log_weights(W: Tensor, b: Tensor, units: Units) -> Tensor:
    return -boltzmann.energy(all_states(len(b), units, b.dtype), W, b)


@log_partition.misconception(
    "Z instead of log Z",
    "This is Z itself. Return its logarithm: Z grows like 2^d and soon overflows.",
)
def _(W, b, units=BITS):
    return _log_weights(W, b, units).exp().sum()


@log_partition.misconception(
    "overflow in exp",
    "The value is right until exp overflows. log(exp(a).sum()) and logsumexp(a) agree on paper, "
    "but only the second one subtracts the largest exponent first.",
)
def _(W, b, units=BITS):
    return _log_weights(W, b, units).exp().sum().log()


@log_partition.misconception(
    "exp(+E) instead of exp(-E)",
    "Likely states have low energy, so each state weighs exp(-E(x)): mind the minus.",
)
def _(W, b, units=BITS):
    return (-_log_weights(W, b, units)).logsumexp(0)


@log_partition.misconception(
    "states of 0 and 1 for ±1 units",
    "You summed over states of zeros and ones whatever `units` says. For ±1 units a unit that is "
    "off has the value -1, and still pushes its neighbours.",
)
def _(W, b, units=BITS):
    return _log_weights(W, b, BITS).logsumexp(0)


@log_partition.misconception(
    "energy with every pair twice",
    "The sum over states is fine, but the energies inside count every pair twice: halve xᵀWx.",
)
def _(W, b, units=BITS):
    return _log_weights(2 * W, b, units).logsumexp(0)


@log_partition.misconception(
    "forgot the biases",
    "The energies inside lack -Σ b_i x_i.",
)
def _(W, b, units=BITS):
    return _log_weights(W, 0 * b, units).logsumexp(0)


@log_partition.misconception(
    "mean over states instead of sum",
    "You averaged exp(-E) over the states. Z is the plain sum; your answer is too small by d log 2.",
)
def _(W, b, units=BITS):
    return _log_weights(W, b, units).logsumexp(0) - len(b) * math.log(2)


# --- conditional ----------------------------------------------------------------------------------

conditional = unit.graded(boltzmann.conditional, siblings=[enumeration.clamped_log_weights])


def ratio(x: Tensor, observed: Tensor, W: Tensor, b: Tensor, units: Units) -> Tensor:
    """p(x_i = on | x_observed) as a ratio of two sums over states, row by row."""
    states, p = table(W, b, units)
    rows = []
    for row in x.double():
        agree = p * (states[:, observed] == row[observed]).all(1)
        rows.append(agree @ (states == units[1]).double() / agree.sum())
    return torch.stack(rows)


def some_observed(draw: Draw, d: int) -> Tensor:
    """A mask that leaves at least two units unobserved, and observes at least one."""
    order = draw.uniform(d).argsort()
    return order < draw.integer(1, d - 2)


@conditional.property(
    "gives the marginals when nothing is observed",
    points=1,
    hint="With no unit observed, every state agrees with x. p(x_i = on) adds up the probabilities "
    "of the states in which unit i is on.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    nothing = torch.zeros(4, dtype=torch.bool)
    for units in (BITS, SPINS):
        x = states_of(draw, 3, 4, units)
        want = ratio(x, nothing, W, b, units)
        expect.close(f"p(x_i = on), units {units}", call(x, nothing, W, b, units), want)


@conditional.property(
    "conditions on whatever is observed",
    points=1,
    hint="Keep only the states that agree with the row of x on the observed units, and rescale "
    "their probabilities so that they sum to one. A weight of -inf before a softmax removes a "
    "state.",
)
def _(call: Caller, draw: Draw) -> None:
    for units in (BITS, SPINS):
        W, b = machine(draw, 5)
        x = states_of(draw, 6, 5, units)
        observed = some_observed(draw, 5)
        want = ratio(x, observed, W, b, units)
        expect.close(f"p(x_i = on | observed), units {units}", call(x, observed, W, b, units), want)


@conditional.property(
    "is a sigmoid when all units but one are observed",
    points=1,
    hint="Then only two states remain, and the ratio of their weights is exp(gap · field), with "
    "field = Σ_j w_ij x_j + b_i and gap the distance between on and off: 1, or 2 for ±1 units.",
)
def _(call: Caller, draw: Draw) -> None:
    for units in (BITS, SPINS):
        W, b = machine(draw, 5)
        x = states_of(draw, 4, 5, units)
        i = draw.integer(0, 4)
        got = call(x, torch.arange(5) != i, W, b, units)
        got = expect.tensor("the result", got, (4, 5))
        want = torch.sigmoid((units[1] - units[0]) * (x @ W[:, i] + b[i]))
        expect.close(f"p(x_{i} = on | all others), units {units}", got[:, i], want)


@conditional.property(
    "holds at the edges: observed units are certain, unobserved entries of x play no part, one "
    "unit, float64, large weights",
    points=1,
    hint="An observed unit is on with probability 1 or 0. What x holds at the other units is "
    "unknown, so it must not matter. Subtract the largest exponent before exp: softmax does. If the "
    "error speaks of dtypes, ask for `all_states(d, units, b.dtype)`.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    x, observed = states_of(draw, 3, 4, BITS), some_observed(draw, 4)
    other = torch.where(observed, x, draw.normal(3, 4, scale=5))
    got = expect.tensor("the result", call(x, observed, W, b), (3, 4))
    on = x[:, observed]
    expect.close("p(x_i = on) of the observed units", got[:, observed], on)
    expect.close("p with other values at the unobserved units", call(other, observed, W, b), got)
    everything = torch.ones(4, dtype=torch.bool)
    expect.close("p when every unit is observed", call(x, everything, W, b), x)
    W, b, x = torch.zeros(1, 1, dtype=double), draw.normal(1, dtype=double), -torch.ones(1, 1)
    got = call(x.double(), torch.tensor([False]), W, b, SPINS)
    expect.close("p for a single ±1 unit", got, torch.sigmoid(2 * b)[None], rtol=1e-6)
    W, b = machine(draw, 3, 400)
    x, observed = states_of(draw, 1, 3, SPINS), torch.tensor([False, True, False])
    want = ratio(x, observed, W, b, SPINS)
    expect.close("p with large weights", call(x, observed, W, b, SPINS), want, atol=1e-3)


def _agreement(x: Tensor, observed: Tensor, states: Tensor) -> Tensor:
    """(n, s): whether each state agrees with each row on the observed units."""
    return ((states[None] == x[:, None]) | ~observed).all(-1)


def _conditional(x, observed, W, b, units, states=None, log_weights=None):
    """The direct solution, with room for slips."""
    states = all_states(len(b), units, b.dtype) if states is None else states
    log_weights = -boltzmann.energy(states, W, b) if log_weights is None else log_weights
    masked = torch.where(_agreement(x, observed, states), log_weights, -torch.inf)
    return masked.softmax(1) @ (states == units[1]).to(b.dtype)


@conditional.misconception(
    "ignored what is observed",
    "These are the marginals p(x_i = on), whatever is observed. Only states that agree with x on "
    "the observed units may enter the sums.",
)
def _(x, observed, W, b, units=BITS):
    return _conditional(x, torch.zeros_like(observed), W, b, units)


@conditional.misconception(
    "joint instead of conditional",
    "You kept the right states but did not rescale: this is p(x_i = on, x_observed). Divide by "
    "p(x_observed), the sum over all states that agree.",
)
def _(x, observed, W, b, units=BITS):
    states = all_states(len(b), units, b.dtype)
    p = (-boltzmann.energy(states, W, b)).softmax(0)
    return (_agreement(x, observed, states) * p) @ (states == units[1]).to(b.dtype)


@conditional.misconception(
    "mask the wrong way round",
    "You held the unobserved units fixed and summed over the observed ones: `observed` is True "
    "where x is known.",
)
def _(x, observed, W, b, units=BITS):
    return _conditional(x, ~observed, W, b, units)


@conditional.misconception(
    "expected value instead of probability",
    "This is E[x_i | observed]. For {0,1} units that is the probability of being on, for ±1 units "
    "it is 2p - 1: weigh (states == on), not the states themselves.",
)
def _(x, observed, W, b, units=BITS):
    low, high = units
    return low + (high - low) * _conditional(x, observed, W, b, units)


@conditional.misconception(
    "value of an observed unit for its probability",
    "You return what x holds at the observed units. For {0,1} units that happens to be the "
    "probability of being on; a ±1 unit that is off holds -1, and is on with probability 0.",
)
def _(x, observed, W, b, units=BITS):
    return torch.where(observed, x, _conditional(x, observed, W, b, units))


@conditional.misconception(
    "unknown units left out of the field",
    "You used σ(gap · field) with the observed units only, as if the unknown ones held 0. Unknown "
    "is not 0: each of them takes both of its values, weighted with exp(-E). Sum over them.",
)
def _(x, observed, W, b, units=BITS):
    field = torch.where(observed, x, 0) @ W + b
    p = torch.sigmoid((units[1] - units[0]) * field)
    return torch.where(observed, (x == units[1]).to(b.dtype), p)


@conditional.misconception(
    "read the unobserved entries",
    "You used σ(gap · field) with the values that x happens to hold at the unobserved units. That "
    "is right only if a single unit is unobserved; otherwise sum over what is not known.",
)
def _(x, observed, W, b, units=BITS):
    p = torch.sigmoid((units[1] - units[0]) * (x @ W + b))
    return torch.where(observed, (x == units[1]).to(b.dtype), p)


@conditional.misconception(
    "states of 0 and 1 for ±1 units",
    "You listed states of zeros and ones whatever `units` says, so for ±1 units hardly any of them "
    "agrees with x. Pass `units` on to `all_states`.",
)
def _(x, observed, W, b, units=BITS):
    return _conditional(x, observed, W, b, units, states=all_states(len(b), BITS, b.dtype))


@conditional.misconception(
    "exp(+E) instead of exp(-E)",
    "Your favourite states are the unlikely ones: the weight of a state is exp(-E(x)).",
)
def _(x, observed, W, b, units=BITS):
    states = all_states(len(b), units, b.dtype)
    return _conditional(x, observed, W, b, units, log_weights=boltzmann.energy(states, W, b))


@conditional.misconception(
    "energy with every pair twice",
    "The conditioning is fine, but the energies inside count every pair twice: halve xᵀWx.",
)
def _(x, observed, W, b, units=BITS):
    return _conditional(x, observed, 2 * W, b, units)


# --- gibbs_step -----------------------------------------------------------------------------------

gibbs_step = unit.graded(boltzmann.gibbs_step, siblings=[gibbs, exact_sweep])


def sweep(x: Tensor, uniforms: Tensor, W: Tensor, b: Tensor, units: Units) -> tuple[Tensor, Tensor]:
    """One sweep by the definition, and uniforms that keep a distance of 0.001 from every
    probability they are compared with, so that rounding decides nothing."""
    x, u = x.double().clone(), uniforms.double().clone()
    low, high = units
    for i in range(len(b)):
        with_on, with_off = x.clone(), x.clone()
        with_on[:, i], with_off[:, i] = high, low
        rise = energies(with_off, W, b) - energies(with_on, W, b)
        p = torch.sigmoid(rise)
        near = (u[:, i] - p).abs() < 1e-3
        u[:, i] = torch.where(near, torch.where(p < 0.5, p + 0.01, p - 0.01), u[:, i])
        x[:, i] = torch.where(u[:, i] < p, high, low)
    return x, u.to(uniforms.dtype)


def sweep_case(draw: Draw, n: int, d: int, units: Units, scale=1.0, dtype=torch.float32) -> tuple:
    """Arguments for a call, and the states it should return."""
    W, b = machine(draw, d, scale, dtype)
    x = states_of(draw, n, d, units, dtype)
    want, u = sweep(x, draw.uniform(n, d, dtype=dtype), W, b, units)
    return (x, u, W, b, units), want


@gibbs_step.property(
    "redraws the first unit given all others",
    points=1,
    hint="p(x_i = on | all others) = σ(Σ_j w_ij x_j + b_i) for {0,1} units; the unit is on exactly "
    "where uniforms[:, i] is below that.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = sweep_case(draw, 40, 5, BITS)
    got = expect.tensor("the new states", call(*args), (40, 5))
    expect.close("the first column of the new states", got[:, 0], want[:, 0])


@gibbs_step.property(
    "uses new values at once, unit after unit",
    points=1,
    hint="Go through the units in order in a loop; overwrite column i (of a copy) before you "
    "compute the field of unit i + 1.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = sweep_case(draw, 40, 6, BITS)
    expect.close("the new states", call(*args), want)


@gibbs_step.property(
    "does so for ±1 units",
    points=1,
    hint="Between off and on the unit's value changes by 2, so its energy changes by 2 · field: "
    "the sigmoid is of that. And a unit that is off holds -1.",
)
def _(call: Caller, draw: Draw) -> None:
    args, want = sweep_case(draw, 40, 5, SPINS)
    expect.close("the new states", call(*args), want)


@gibbs_step.property(
    "leaves the distribution of the machine as it is",
    points=1,
    hint="Chains that start from p(x) must still follow p(x) after a sweep. If this fails though "
    "single units look right, look at the order of things: one unit at a time, newest values.",
)
def _(call: Caller, draw: Draw) -> None:
    n, d = 20_000, 3
    W, b = machine(draw, d, dtype=double)
    states, p = table(W, b, BITS)
    start = states[torch.multinomial(p, n, replacement=True, generator=draw.generator)]
    x = expect.tensor("the new states", call(start, draw.uniform(n, d, dtype=double), W, b), (n, d))
    x = x.double()
    second = (states.T * p) @ states
    # entries between 0 and 1: a standard error of at most 0.0036, so this is 5.6 of them
    expect.close("E[x xᵀ] after a sweep", x.T @ x / n, second, rtol=0, atol=0.02)
    p_on = torch.sigmoid(states @ W + b)  # old and new value are independent given the others
    moves = p @ (2 * p_on * (1 - p_on))
    moved = (x != start).double().mean(0)
    expect.close("share of chains in which each unit changed", moved, moves, rtol=0, atol=0.02)


@gibbs_step.property(
    "holds at the edges: one chain, one unit, float64, transposed storage, large weights",
    points=1,
    hint="Use torch.sigmoid, which cannot overflow, and keep both axes of x. If the error speaks of "
    "a written-to tensor, you wrote into x itself: work on x.clone().",
)
def _(call: Caller, draw: Draw) -> None:
    for n, d, units, scale, dtype in [
        (1, 4, SPINS, 1, torch.float32),
        (5, 1, BITS, 1, double),
        (6, 3, SPINS, 300, torch.float32),
    ]:
        (x, u, W, b, _), want = sweep_case(draw, n, d, units, scale, dtype)
        stored = x.T.contiguous().T
        expect.close(f"the new states, n = {n}, d = {d}", call(stored, u, W, b, units), want)
    W, b = machine(draw, 3)
    x = states_of(draw, 1, 3, BITS).expand(6, 3)  # one row in memory: it cannot be written to
    want, u = sweep(x, draw.uniform(6, 3), W, b, BITS)
    expect.close("the new states of six chains that start alike", call(x, u, W, b), want)


def _sweep(x, uniforms, W, b, units, order=None, probability=None, on=None, old=False):
    """The direct solution, with room for slips."""
    low, high = units
    new = x.clone()
    for i in order or range(len(b)):
        field = (x if old else new) @ W[:, i] + b[i]
        p = probability(field) if probability else torch.sigmoid((high - low) * field)
        chosen = on(uniforms[:, i], p) if on else uniforms[:, i] < p
        new[:, i] = torch.where(chosen, float(high), float(low)).to(x.dtype)
    return new


@gibbs_step.misconception(
    "all units at once",
    "You computed every probability from the old state. A sweep redraws one unit at a time, and "
    "the next unit sees the new value; otherwise the chain converges to something else than p(x).",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, units, old=True)


@gibbs_step.misconception(
    "{0,1} units whatever `units` says",
    "Right for {0,1} units, but `units` plays no part in your function. For ±1 units, off is -1 and "
    "the probability of on is σ(2 · field).",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, BITS)


@gibbs_step.misconception(
    "σ(field) for ±1 units",
    "Right for {0,1} units. Between -1 and +1 a unit's value changes by 2, so its energy changes by "
    "twice the field: σ(2 · field).",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, units, probability=torch.sigmoid)


@gibbs_step.misconception(
    "a unit that is off holds 0",
    "For ±1 units, off is -1. You wrote 0, a value that the machine does not have (and that "
    "silences the unit's weights).",
)
def _(x, uniforms, W, b, units=BITS):
    new = x.clone()
    for i in range(len(b)):
        p = torch.sigmoid((units[1] - units[0]) * (new @ W[:, i] + b[i]))
        new[:, i] = (uniforms[:, i] < p).to(x.dtype)
    return new


@gibbs_step.misconception(
    "forgot the bias",
    "The field of unit i is Σ_j w_ij x_j + b_i: slides that drop the bias do so for brevity.",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, 0 * b, units)


@gibbs_step.misconception(
    "comparison the wrong way round",
    "A uniform number is below p with probability p: on where uniforms < p. Yours are on with "
    "probability 1 - p.",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, units, on=torch.gt)


@gibbs_step.misconception(
    "sign of the field",
    "A positive field favours on: p(on) = σ(+field), from exp(-E(on)) / (exp(-E(on)) + "
    "exp(-E(off))).",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, -W, -b, units)


@gibbs_step.misconception(
    "most probable value instead of a draw",
    "You took on wherever p > 1/2, so nothing is random and `uniforms` is not used. That slides "
    "into the nearest valley of the energy; sampling must sometimes go uphill.",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, units, on=lambda u, p: p > 0.5)


@gibbs_step.misconception(
    "probabilities instead of states",
    "You stored the probabilities. That is a mean-field update; Gibbs sampling draws each unit, so "
    "a state holds only the two values in `units`.",
)
def _(x, uniforms, W, b, units=BITS):
    new = x.clone()
    for i in range(len(b)):
        new[:, i] = torch.sigmoid((units[1] - units[0]) * (new @ W[:, i] + b[i]))
    return new


@gibbs_step.misconception(
    "last unit first",
    "Also a valid sampler, but the task fixes the order: from the first unit to the last.",
)
def _(x, uniforms, W, b, units=BITS):
    return _sweep(x, uniforms, W, b, units, order=range(len(b) - 1, -1, -1))


# --- bm_gradients ---------------------------------------------------------------------------------

bm_gradients = unit.graded(boltzmann.bm_gradients, siblings=[enumeration.moments])


def likelihood_gradient(x: Tensor, W: Tensor, b: Tensor, units: Units) -> tuple[Tensor, Tensor]:
    """Autograd through the exact mean log-likelihood, one parameter per pair, in float64."""
    upper = W.double().triu(1).requires_grad_()
    bias = b.double().requires_grad_()
    states = torch.tensor(list(itertools.product(units, repeat=len(b))), dtype=double)

    def happiness(s: Tensor) -> Tensor:
        return ((s @ upper) * s).sum(-1) + s @ bias

    log_likelihood = happiness(x.double()).mean() - happiness(states).logsumexp(0)
    d_upper, db = torch.autograd.grad(log_likelihood, [upper, bias])
    return d_upper.triu(1) + d_upper.triu(1).T, db


def two(got: object, d: int) -> tuple[Tensor, Tensor]:
    """The result as dW and db of the right shapes."""
    dW, db = expect.pair("(dW, db)", got)
    return expect.tensor("dW", dW, (d, d)), expect.tensor("db", db, (d,))


def off_diagonal(M: Tensor) -> Tensor:
    return M * (1 - torch.eye(len(M), dtype=M.dtype))


@bm_gradients.property(
    "dW is data minus model: the derivative of the mean log-likelihood by each weight",
    points=1,
    hint="E_data[x_i x_j] is the average of x_i x_j over the rows of x; E_model[x_i x_j] is its "
    "sum over all states, each weighted with its probability exp(-E) / Z.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 5)
    x = states_of(draw, 7, 5, BITS)
    dW, _ = two(call(x, W, b), 5)
    want = likelihood_gradient(x, W, b, BITS)[0]
    expect.close("dW off the diagonal", off_diagonal(dW), want)


@bm_gradients.property(
    "db is data minus model",
    points=1,
    hint="The same two averages, of x_i instead of x_i x_j.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    x = states_of(draw, 6, 4, BITS)
    _, db = two(call(x, W, b), 4)
    expect.close("db", db, likelihood_gradient(x, W, b, BITS)[1])


@bm_gradients.property(
    "dW is symmetric with a zero diagonal, like W",
    points=0.5,
    hint="No unit has a weight to itself. Where x_i x_i would give a number, put 0, or the next "
    "step leaves a diagonal in W.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    dW, _ = two(call(states_of(draw, 12, 4, BITS), W, b), 4)
    expect.true(bool((dW != 0).any()), "dW: got zeros only; want data minus model")
    expect.close("dW and its transpose", dW, dW.T)
    expect.close("the diagonal of dW", dW.diagonal(), torch.zeros(4))


@bm_gradients.property(
    "both vanish when the data are distributed like the model, and only then",
    points=0.5,
    hint="The gradient is a difference of two averages of the same thing. If the data contain each "
    "state in proportion to exp(-E), both averages are equal and learning stops.",
)
def _(call: Caller, draw: Draw) -> None:
    # exp(-E) is a whole number for every state, so that many copies are exactly p(x)
    upper = draw.integers(3, 3, low=1, high=2).double().log().triu(1)
    W, b = upper + upper.T, draw.integers(3, low=2, high=3).double().log()
    states, _ = table(W, b, BITS)
    copies = (-energies(states, W, b)).exp().round().long()
    x = states.repeat_interleave(copies, 0).float()
    dW, db = two(call(x, W.float(), b.float()), 3)
    expect.close("dW", off_diagonal(dW), torch.zeros(3, 3))
    expect.close("db", db, torch.zeros(3))
    _, db = two(call(states.float(), W.float(), b.float()), 3)  # each state once: more on
    below = bool((db < 0).all())
    expect.true(
        below, f"db for data that are less often on than the model: got {db.max():.3g}; want < 0"
    )


@bm_gradients.property(
    "works for ±1 units",
    points=1,
    hint="Data minus model holds for both conventions; only the states that the model's "
    "expectation runs over change. Pass `units` on.",
)
def _(call: Caller, draw: Draw) -> None:
    W, b = machine(draw, 4)
    x = states_of(draw, 6, 4, SPINS)
    dW, db = two(call(x, W, b, SPINS), 4)
    want_W, want_b = likelihood_gradient(x, W, b, SPINS)
    expect.close("dW off the diagonal", off_diagonal(dW), want_W)
    expect.close("db", db, want_b)


@bm_gradients.property(
    "holds at the edges: one example, one unit, float64 precision, large weights, no weights yet",
    points=1,
    hint="Learning starts from W = 0, where the gradient is not zero. Normalise in the log domain: probabilities as softmax(-E), or exp(-E - log Z), never "
    "exp(-E) / Σ exp(-E). Take the mean over rows even if there is only one. If the error speaks of "
    "dtypes, ask for `all_states(d, units, b.dtype)`.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = [(1, 4, 1, BITS), (5, 1, 1, SPINS), (4, 3, 400, SPINS), (5, 3, 0, BITS)]
    for n, d, scale, units in cases:
        W, b = machine(draw, d, 1, double)
        W, b = scale * W, scale * (b + 2 * b.sign())  # at 400, exp overflows for certain
        x = states_of(draw, d, n, units, double).T
        dW, db = two(call(x, W, b, units), d)
        want_W, want_b = likelihood_gradient(x, W, b, units)
        case = f"for n = {n}, d = {d}" + {400: ", large weights", 0: ", W = 0"}.get(scale, "")
        expect.close(f"dW off the diagonal {case}", off_diagonal(dW), want_W, rtol=0, atol=1e-6)
        expect.close(f"db {case}", db, want_b, rtol=0, atol=1e-6)


def _averages(x, W, b, units, log_p=None, states=None):
    """E_data[x xᵀ], E_model[x xᵀ], E_data[x], E_model[x], with room for slips."""
    states = all_states(len(b), units, b.dtype) if states is None else states
    p = (-boltzmann.energy(states, W, b)).softmax(0) if log_p is None else log_p(states).exp()
    return x.T @ x / len(x), (states.T * p) @ states, x.mean(0), p @ states


def _finish(data2, model2, data1, model1):
    dW = data2 - model2
    return dW - torch.diag(dW.diagonal()), data1 - model1


@bm_gradients.misconception(
    "model minus data",
    "The sign is swapped: this is the gradient of the loss, the negative log-likelihood. The "
    "likelihood rises along data minus model: lower the energy of what you see, raise it for what "
    "you believe.",
)
def _(x, W, b, units=BITS):
    dW, db = _finish(*_averages(x, W, b, units))
    return -dW, -db


@bm_gradients.misconception(
    "forgot the model's expectation",
    "This is the data term alone: the gradient of the happiness, not of log p. Without -∇ log Z "
    "the weights grow for ever, since nothing pushes the energy of other states up.",
)
def _(x, W, b, units=BITS):
    data2, model2, data1, model1 = _averages(x, W, b, units)
    return _finish(data2, 0 * model2, data1, 0 * model1)


@bm_gradients.misconception(
    "sum over the batch instead of the mean",
    "The data term is a sum over the rows of x, the model term an expectation: the two are not on "
    "one scale. Divide xᵀx and Σ x by the number of rows.",
)
def _(x, W, b, units=BITS):
    data2, model2, data1, model1 = _averages(x, W, b, units)
    return _finish(len(x) * data2, model2, len(x) * data1, model1)


@bm_gradients.misconception(
    "gradient of the summed log-likelihood",
    "Both terms are too large by the number of rows: you differentiated Σ_k log p(x^(k)). The mean "
    "over the batch is asked, so that the step size does not depend on the batch size.",
)
def _(x, W, b, units=BITS):
    dW, db = _finish(*_averages(x, W, b, units))
    return len(x) * dW, len(x) * db


@bm_gradients.misconception(
    "every pair counted twice",
    "dW is too large by a factor of two. W[i, j] and W[j, i] are one weight, and the energy has the "
    "pair once: the derivative by it is E_data[x_i x_j] - E_model[x_i x_j], not the sum of both "
    "entries.",
)
def _(x, W, b, units=BITS):
    dW, db = _finish(*_averages(x, W, b, units))
    return 2 * dW, db


@bm_gradients.misconception(
    "half of each derivative",
    "dW is half of what it should be. If you let autograd differentiate by the entries of W, the "
    "one weight w_ij is treated as two, and each gets half: add the two, dW + dWᵀ.",
)
def _(x, W, b, units=BITS):
    dW, db = _finish(*_averages(x, W, b, units))
    return dW / 2, db


@bm_gradients.misconception(
    "covariances instead of averages",
    "You took E[x_i] E[x_j] off E[x_i x_j] in both terms. The energy holds the plain products "
    "x_i x_j, so the derivative by w_ij compares their plain averages, means and all.",
)
def _(x, W, b, units=BITS):
    data2, model2, data1, model1 = _averages(x, W, b, units)
    return _finish(data2 - data1.outer(data1), model2 - model1.outer(model1), data1, model1)


@bm_gradients.misconception(
    "diagonal left in",
    "All right but for the diagonal: x_i x_i also has two averages, but there is no weight w_ii. "
    "Set it to zero.",
)
def _(x, W, b, units=BITS):
    data2, model2, data1, model1 = _averages(x, W, b, units)
    return data2 - model2, data1 - model1


@bm_gradients.misconception(
    "all states count the same",
    "You averaged over the list of all states. The model's expectation weighs each state with its "
    "probability exp(-E(x)) / Z.",
)
def _(x, W, b, units=BITS):
    return _finish(*_averages(x, 0 * W, 0 * b, units))


@bm_gradients.misconception(
    "product of the means",
    "You took E[x_i] E[x_j] for E[x_i x_j], in both terms. Averaging first throws the correlations "
    "away, and they are what weights are for: average the products.",
)
def _(x, W, b, units=BITS):
    _, _, data1, model1 = _averages(x, W, b, units)
    return _finish(data1.outer(data1), model1.outer(model1), data1, model1)


@bm_gradients.misconception(
    "product of the means in the model term",
    "The data term is right; in the model's you took E[x_i] E[x_j] for E[x_i x_j]. The units of the "
    "model are not independent: weigh the outer product of each state with its probability.",
)
def _(x, W, b, units=BITS):
    data2, _, data1, model1 = _averages(x, W, b, units)
    return _finish(data2, model1.outer(model1), data1, model1)


@bm_gradients.misconception(
    "states of 0 and 1 for ±1 units",
    "The model's expectation ran over states of zeros and ones whatever `units` says. Pass it on to "
    "`all_states`.",
)
def _(x, W, b, units=BITS):
    return _finish(*_averages(x, W, b, units, states=all_states(len(b), BITS, b.dtype)))


@bm_gradients.misconception(
    "energy with every pair twice",
    "Data minus model is right, but the model's probabilities come from energies that count every "
    "pair twice: halve xᵀWx inside.",
)
def _(x, W, b, units=BITS):
    return _finish(*_averages(x, 2 * W, b, units))


@bm_gradients.misconception(
    "exp(+E) instead of exp(-E)",
    "Your model prefers states of high energy: its probabilities are softmax(-E), not softmax(E).",
)
def _(x, W, b, units=BITS):
    return _finish(*_averages(x, -W, -b, units))


@bm_gradients.misconception(
    "forgot to divide by Z",
    "You weighted the states with exp(-E), which does not sum to one. Divide by Z: a softmax over "
    "-E does both.",
)
def _(x, W, b, units=BITS):
    return _finish(*_averages(x, W, b, units, log_p=lambda states: -boltzmann.energy(states, W, b)))


@bm_gradients.misconception(
    "overflow in exp",
    "Right until exp(-E) overflows to infinity, then NaN. Take softmax(-E), or exp(-E - log Z) with "
    "log Z from logsumexp.",
)
def _(x, W, b, units=BITS):
    def log_p(states):
        weights = (-boltzmann.energy(states, W, b)).exp()
        return (weights / weights.sum()).log()

    return _finish(*_averages(x, W, b, units, log_p=log_p))


@bm_gradients.misconception(
    "db without the model's expectation",
    "dW is right. db is a difference too: E_data[x_i] - E_model[x_i].",
)
def _(x, W, b, units=BITS):
    data2, model2, data1, model1 = _averages(x, W, b, units)
    return _finish(data2, model2, data1, 0 * model1)


@bm_gradients.misconception(
    "upper triangle only",
    "You returned each derivative once, above the diagonal. W holds each weight twice, and must "
    "stay symmetric after a step: fill both halves of dW.",
)
def _(x, W, b, units=BITS):
    dW, db = _finish(*_averages(x, W, b, units))
    return dW.triu(), db
