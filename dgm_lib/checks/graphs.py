"""The checks of unit 02_graphs.

What is expected comes from distributions, not from graph algorithms: probabilities from loops over
states, and d-separation from the exact correlations of a linear Gaussian network with random
weights, which vanish exactly where the graph says so (and, for almost all weights, nowhere else).
Names and orders are shuffled, so only the arrows matter. Properties make all of their calls before
they compare, so that a slip can be told from others.
"""

import itertools
import math

import torch
from torch import Tensor

from dgm_lib.checks import expect
from dgm_lib.checks.call import Caller
from dgm_lib.checks.core import Unit
from dgm_lib.checks.inputs import Draw
from dgm_lib.graphs import blocking, dag, discrete, separation, undirected

unit = Unit("02_graphs")
check = unit.check

double = torch.float64
Graph = dict[str, list[str]]
Tables = dict[str, Tensor]


def shuffled(draw: Draw, items: list) -> list:
    return [items[i] for i in draw.uniform(len(items)).argsort().tolist()]


def renamed(draw: Draw, graph: Graph, *parts: list) -> tuple:
    """The graph, and lists of its nodes, under random names and listed in a random order."""
    names = dict(zip(graph, shuffled(draw, [f"n{i}" for i in range(len(graph))]), strict=True))
    new = {names[n]: shuffled(draw, [names[p] for p in graph[n]]) for n in shuffled(draw, [*graph])}
    return new, *([names[n] for n in part] for part in parts)


def random_graph(draw: Draw, d: int, density: float = 0.4, most: int = 9) -> Graph:
    """A random DAG whose nodes are listed in a random order."""
    arrows = draw.bernoulli(d, d, p=density).bool().tolist()
    graph = {f"n{i}": [f"n{j}" for j in range(i) if arrows[i][j]][:most] for i in range(d)}
    return renamed(draw, graph)[0]


# --- joint_log_prob -------------------------------------------------------------------------------

joint_log_prob = unit.graded(discrete.joint_log_prob)


def tables_of(draw: Draw, graph: Graph, levels: dict[str, int], dtype=torch.float32) -> Tables:
    """Random tables; no probability is below 0.02 or so."""
    tables = {}
    for node, above in graph.items():
        shape = [levels[name] for name in (*above, node)]
        p = draw.uniform(*shape, low=0.1, high=1, dtype=dtype)
        tables[node] = p / p.sum(-1, keepdim=True)
    return tables


def states_of(draw: Draw, n: int, graph: Graph, levels: dict[str, int]) -> Tensor:
    return torch.stack([draw.integers(n, low=0, high=levels[node] - 1) for node in graph], 1)


def log_probs(x: Tensor, graph: Graph, tables: Tables) -> Tensor:
    """log p of each row, by loops, in float64."""
    lookup = {node: table.tolist() for node, table in tables.items()}
    rows = []
    for state in x.tolist():
        value, total = dict(zip(graph, state, strict=True)), 0.0
        for node, above in graph.items():
            entry = lookup[node]
            for name in (*above, node):
                entry = entry[value[name]]
            total += math.log(entry) if entry > 0 else -math.inf
        rows.append(total)
    return torch.tensor(rows, dtype=double)


def two_parents(draw: Draw) -> Graph:
    """Five nodes listed with a child first; one has two parents, one is a grandchild."""
    graph = {"c": ["a", "b"], "a": [], "d": ["c"], "b": [], "e": ["a"]}
    names = dict(zip(graph, shuffled(draw, ["u", "v", "w", "y", "z"]), strict=True))
    return {names[n]: [names[p] for p in above] for n, above in graph.items()}


@joint_log_prob.property(
    "adds up the logarithm of one table entry per node",
    points=1,
    hint="Column i of x belongs to the i-th node of `parents`. For each node, look up its table at "
    "the values of its parents and, last, at its own value; take the logarithm; add.",
)
def _(call: Caller, draw: Draw) -> None:
    graph = two_parents(draw)
    levels = dict.fromkeys(graph, 2)
    tables, x = tables_of(draw, graph, levels), states_of(draw, 12, graph, levels)
    expect.close("log p(x)", call(x, graph, tables), log_probs(x, graph, tables))


@joint_log_prob.property(
    "is the logarithm of a distribution: exp sums to one over all states",
    points=1,
    hint="List all states of the network. If each node contributes a conditional probability that "
    "sums to one over its own values, the products sum to one over all states.",
)
def _(call: Caller, draw: Draw) -> None:
    graph = random_graph(draw, 5)
    tables = tables_of(draw, graph, dict.fromkeys(graph, 2))
    states = torch.tensor(list(itertools.product((0, 1), repeat=5)))
    got = expect.tensor("log p(x)", call(states, graph, tables), (32,))
    expect.true(got.max().item() <= 1e-5, "log p(x): got positive values; want at most 0")
    expect.close("the sum of p(x) over all 32 states", got.double().exp().sum(), 1.0)


@joint_log_prob.property(
    "takes tables of any size: nodes with two, three or four values",
    points=1,
    hint="A table has one axis per parent, in the order of `parents[node]`, and its last axis is "
    "the node's own value: tables[node][value of parent 1, value of parent 2, ..., own value].",
)
def _(call: Caller, draw: Draw) -> None:
    graph = two_parents(draw)
    levels = dict(zip(graph, [3, 2, 2, 4, 3], strict=True))
    tables, x = tables_of(draw, graph, levels), states_of(draw, 20, graph, levels)
    expect.close("log p(x)", call(x, graph, tables), log_probs(x, graph, tables))


@joint_log_prob.property(
    "holds at the edges: one state, one node, float64, many nodes, impossible states",
    points=1,
    hint="Add logarithms; the product of 400 probabilities underflows to 0. A state with an entry "
    "of 0 has log-probability -inf, which is what torch.log gives. One state: shape (1,).",
)
def _(call: Caller, draw: Draw) -> None:
    one = {"a": []}
    tables = tables_of(draw, one, {"a": 3}, double)
    x = draw.integers(1, 1, low=0, high=2)
    want = log_probs(x, one, tables)
    expect.close("log p(x) of one node", call(x, one, tables), want, rtol=1e-8, atol=1e-10)
    chain = {f"n{i}": [f"n{i - 1}"] if i else [] for i in range(400)}
    levels = dict.fromkeys(chain, 2)
    tables, x = tables_of(draw, chain, levels), states_of(draw, 400, chain, levels).T[:1]
    want = log_probs(x, chain, tables)
    expect.close("log p(x) of a chain of 400 nodes", call(x, chain, tables), want)
    tables = {"a": torch.tensor([1.0, 0.0])}
    got = call(torch.tensor([[0], [1]]), one, tables)
    expect.true(
        isinstance(got, Tensor) and got.shape == (2,) and got.tolist() == [0, -math.inf],
        "log p(x) of a coin that always shows 0: want [0, -inf]",
    )


def _terms(x, parents, tables, column=None, read=None):
    """The entries of all tables, (d, n), with room for slips."""
    column = column or dict(zip(parents, x.T, strict=True))
    read = read or (lambda node, above: (*(column[p] for p in above), column[node]))
    return torch.stack([tables[node][tuple(read(node, above))] for node, above in parents.items()])


@joint_log_prob.misconception(
    "probability instead of its logarithm",
    "These are the probabilities themselves. Return their logarithm, as a sum of logarithms: "
    "products of many probabilities soon underflow.",
)
def _(x, parents, tables):
    return _terms(x, parents, tables).prod(0)


@joint_log_prob.misconception(
    "logarithm of a product that underflows",
    "Right until the product of the probabilities is too small for a floating-point number. Take "
    "logarithms first, then add.",
)
def _(x, parents, tables):
    return _terms(x, parents, tables).prod(0).log()


@joint_log_prob.misconception(
    "parents ignored",
    "Each node's table was read as if all of its parents were 0. The factor of a node is "
    "p(x_i | x_parents): the parents' values choose the row.",
)
def _(x, parents, tables):
    column = dict(zip(parents, x.T, strict=True))
    zero = torch.zeros_like(x[:, 0])
    read = lambda node, above: (*(zero for _ in above), column[node])  # noqa: E731
    return _terms(x, parents, tables, read=read).log().sum(0)


@joint_log_prob.misconception(
    "own value first",
    "You indexed the tables with the node's own value first. The parents' axes come first, the "
    "node's own value is the last axis.",
)
def _(x, parents, tables):
    column = dict(zip(parents, x.T, strict=True))
    read = lambda node, above: (column[node], *(column[p] for p in above))  # noqa: E731
    return _terms(x, parents, tables, read=read).log().sum(0)


@joint_log_prob.misconception(
    "parents in the wrong order",
    "With several parents the axes of the table follow the order of `parents[node]`; you took them "
    "the other way round.",
)
def _(x, parents, tables):
    column = dict(zip(parents, x.T, strict=True))
    read = lambda node, above: (*(column[p] for p in above[::-1]), column[node])  # noqa: E731
    return _terms(x, parents, tables, read=read).log().sum(0)


@joint_log_prob.misconception(
    "columns in topological order",
    "You took the columns of x to be sorted with parents first. Column i belongs to the i-th node "
    "as `parents` lists them, whatever the arrows say.",
)
def _(x, parents, tables):
    column = dict(zip(dag.topological_order(parents), x.T, strict=True))
    return _terms(x, parents, tables, column).log().sum(0)


@joint_log_prob.misconception(
    "one number for the whole batch",
    "You summed over the states too. Each row of x has a log-probability of its own: add over the "
    "nodes only, and return n numbers.",
)
def _(x, parents, tables):
    return _terms(x, parents, tables).log().sum()


@joint_log_prob.misconception(
    "mean over nodes instead of sum",
    "You averaged the terms. A product of probabilities becomes a plain sum of logarithms.",
)
def _(x, parents, tables):
    return _terms(x, parents, tables).log().mean(0)


@joint_log_prob.misconception(
    "negative log-likelihood",
    "The sign is that of a loss. log p(x) is at most 0.",
)
def _(x, parents, tables):
    return -_terms(x, parents, tables).log().sum(0)


# --- ancestral_sample -----------------------------------------------------------------------------

ancestral_sample = unit.graded(discrete.ancestral_sample)


def grid_tables(draw: Draw, graph: Graph, levels: dict[str, int], dtype=torch.float32) -> Tables:
    """Random tables of multiples of 1/64: exact in floating point, and so are their sums."""
    tables = {}
    for node, above in graph.items():
        rows = math.prod(levels[p] for p in above)
        k = levels[node]
        cuts = draw.uniform(rows, 63).argsort(1)[:, : k - 1].sort(1).values + 1
        ends = torch.cat([torch.zeros(rows, 1), cuts, torch.full((rows, 1), 64)], 1)
        tables[node] = (ends.diff(dim=1) / 64).view(*(levels[p] for p in above), k).to(dtype)
    return tables


def grid_uniforms(draw: Draw, n: int, d: int, dtype=torch.float32) -> Tensor:
    """Uniforms halfway between multiples of 1/64: never on a boundary of `grid_tables`."""
    return ((draw.integers(n, d, low=0, high=63) + 0.5) / 64).to(dtype)


def drawn(u: Tensor, graph: Graph, tables: Tables) -> Tensor:
    """The states, by loops."""
    order = dag.topological_order(graph)
    lookup = {node: table.tolist() for node, table in tables.items()}
    rows = []
    for row in u.tolist():
        number, value = dict(zip(graph, row, strict=True)), {}
        for node in order:
            p = lookup[node]
            for parent in graph[node]:
                p = p[value[parent]]
            below = list(itertools.accumulate(p))
            value[node] = sum(number[node] >= b for b in below[:-1])
        rows.append([value[node] for node in graph])
    return torch.tensor(rows)


@ancestral_sample.property(
    "draws each node from its table, given its parents",
    points=1,
    hint="Go through the nodes with parents before children. The values of the parents pick a row "
    "of the table; the node's value is the first k whose cumulative probability exceeds u.",
)
def _(call: Caller, draw: Draw) -> None:
    graph = {"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c"]}
    tables = grid_tables(draw, graph, dict.fromkeys(graph, 2))
    u = grid_uniforms(draw, 60, 4)
    expect.close("the states", call(u, graph, tables), drawn(u, graph, tables))


@ancestral_sample.property(
    "works in whatever order the graph lists its nodes, with tables of any size",
    points=1,
    hint="`parents` may list a child before its parents. Draw in a topological order, but uniforms "
    "and results keep their columns: column i is for the i-th node of `parents`.",
)
def _(call: Caller, draw: Draw) -> None:
    graph = two_parents(draw)
    levels = dict(zip(graph, [3, 2, 2, 4, 3], strict=True))
    tables, u = grid_tables(draw, graph, levels), grid_uniforms(draw, 60, 5)
    expect.close("the states", call(u, graph, tables), drawn(u, graph, tables))


@ancestral_sample.property(
    "has the right frequencies: on an even grid of uniforms, each state's share is p(x)",
    points=1,
    hint="Nothing is left to chance here: as u runs evenly through [0, 1), a value k must come out "
    "for a share p(k) of all u.",
)
def _(call: Caller, draw: Draw) -> None:
    graph = dict(zip(("b", "a"), ([["a"], []]), strict=True))
    tables = grid_tables(draw, graph, {"a": 2, "b": 3})
    ticks = (torch.arange(64) + 0.5) / 64
    x = expect.tensor("the states", call(torch.cartesian_prod(ticks, ticks), graph, tables))
    expect.tensor("the states", x, (64 * 64, 2))
    states = torch.cartesian_prod(torch.arange(3), torch.arange(2))
    want = log_probs(states, graph, tables).exp()
    share = (x[:, None] == states).all(2).double().mean(0)
    expect.close("the share of each state", share, want)


@ancestral_sample.property(
    "holds at the edges: one state, one node, float64, u = 0, values of probability zero",
    points=1,
    hint="A value of probability zero must never be drawn, not even by u = 0: the value is the "
    "smallest k with u < p(0) + ... + p(k), and 0 < 0 is false.",
)
def _(call: Caller, draw: Draw) -> None:
    one = {"a": []}
    for dtype in (torch.float32, double):
        tables = {"a": torch.tensor([0, 0.25, 0, 0.75, 0], dtype=dtype)}
        u = torch.tensor([[0], [0.125], [0.25], [0.5], [1 - 2**-20]], dtype=dtype)
        expect.close("the states", call(u, one, tables), torch.tensor([[1], [1], [3], [3], [3]]))
    graph = two_parents(draw)
    tables = grid_tables(draw, graph, dict.fromkeys(graph, 2), double)
    u = grid_uniforms(draw, 5, 1, double).T
    expect.close("a single state", call(u, graph, tables), drawn(u, graph, tables))


def _draw(uniforms, parents, tables, order=None, pick=None, row=None, late=False):
    """The direct solution, with room for slips."""
    u = dict(zip(parents, uniforms.T, strict=True))
    zero = torch.zeros(len(uniforms), dtype=torch.int64)
    value = {}
    for node in order or dag.topological_order(parents):
        above = [value.get(name, zero) for name in parents[node]]
        p = tables[node][tuple(row(above) if row else above)].expand(len(uniforms), -1)
        pick_ = pick or (lambda u, p: (u >= p.cumsum(-1)[:, :-1]).sum(-1))
        value[node] = pick_(u[node][:, None], p)
    names = dag.topological_order(parents) if late else parents
    return torch.stack([value[node] for node in names], 1)


@ancestral_sample.misconception(
    "children drawn before their parents",
    "You went through the nodes as they are listed, so some were drawn before their parents had a "
    "value. Use a topological order: `topological_order(parents)`.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, order=list(parents))


@ancestral_sample.misconception(
    "columns in the order of drawing",
    "The values are right, but their columns are in topological order. Return them in the order in "
    "which `parents` lists the nodes.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, late=True)


@ancestral_sample.misconception(
    "uniforms in the order of drawing",
    "You used the columns of `uniforms` one after another as you drew. Column i is for the i-th "
    "node of `parents`, whenever its turn comes.",
)
def _(uniforms, parents, tables):
    order = dag.topological_order(parents)
    back = [order.index(node) for node in parents]
    return _draw(uniforms[:, back], parents, tables)


@ancestral_sample.misconception(
    "most probable value instead of a draw",
    "You took the value of largest probability, so nothing is random and `uniforms` plays no part.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, pick=lambda u, p: p.argmax(-1))


@ancestral_sample.misconception(
    "parents ignored",
    "Every node was drawn from the first row of its table, whatever its parents' values are. They "
    "choose the row.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, row=lambda above: [0 * v for v in above])


@ancestral_sample.misconception(
    "parents in the wrong order",
    "With several parents the axes of the table follow the order of `parents[node]`; you took them "
    "the other way round.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, row=lambda above: above[::-1])


@ancestral_sample.misconception(
    "probabilities not accumulated",
    "You compared u with the probabilities themselves. Value k is chosen where u lies between the "
    "sums p(0) + ... + p(k-1) and p(0) + ... + p(k): use a cumulative sum.",
)
def _(uniforms, parents, tables):
    pick = lambda u, p: (u >= p[:, :-1]).sum(-1)  # noqa: E731
    return _draw(uniforms, parents, tables, pick=pick)


@ancestral_sample.misconception(
    "counted from the top",
    "Your values have the right frequencies, but small u give the last value and large u the first. "
    "The task fixes the direction: the smallest k with u < p(0) + ... + p(k).",
)
def _(uniforms, parents, tables):
    def pick(u, p):
        above = p.flip(-1).cumsum(-1).flip(-1)[:, 1:]
        return (u < above).sum(-1)

    return _draw(uniforms, parents, tables, pick=pick)


@ancestral_sample.misconception(
    "a value of probability zero can be drawn",
    "Right but for a boundary: where u equals a cumulative probability, the next value is meant. "
    "With <= in place of <, u = 0 draws the first value even if its probability is 0.",
)
def _(uniforms, parents, tables):
    return _draw(uniforms, parents, tables, pick=lambda u, p: (u > p.cumsum(-1)[:, :-1]).sum(-1))


# --- is_blocked -----------------------------------------------------------------------------------

is_blocked = unit.graded(blocking.is_blocked)

PASSES: Graph = {"a": [], "m": ["a"], "b": ["m"], "d": ["m"]}  # a → m → b
FORK: Graph = {"m": [], "a": ["m"], "b": ["m"], "d": ["m"]}  # a ← m → b
COLLIDER: Graph = {
    "p": [],
    "a": ["p"],
    "b": [],
    "m": ["a", "b"],
    "d": ["m"],
    "e": ["d"],
    "f": ["a"],
}
LONG: Graph = {"a": [], "u": ["a"], "v": ["u", "w"], "w": [], "x": ["w"], "b": ["x"], "y": ["v"]}


def answers(call: Caller, name: str, cases: list[tuple]) -> None:
    """Each case is (arguments, wanted answer, words): all calls first, then the comparison."""
    got = [call(*arguments) for arguments, _, _ in cases]
    for answer, (_, want, words) in zip(got, cases, strict=True):
        if isinstance(answer, Tensor) and answer.dim() == 0 and answer.dtype == torch.bool:
            answer = bool(answer)
        expect.true(
            isinstance(answer, bool),
            f"{name}: got {answer!r:.60}; want True or False",
        )
        expect.true(answer == want, f"{name}: got {answer} where {want} is right: {words}")


def chain_cases(draw: Draw, graph: Graph, chain: list[str], table: dict[str, bool]) -> list[tuple]:
    """Cases for one chain: `table` maps a string of given nodes to the right answer."""
    cases = []
    for given, want in table.items():
        new, new_chain, new_given = renamed(draw, graph, chain, list(given))
        if draw.integer(0, 1):
            new_chain = new_chain[::-1]
        words = [new_chain[0]]
        for left, right in itertools.pairwise(new_chain):
            words += ["→" if left in new[right] else "←", right]
        told = f"given {', '.join(new_given)}" if given else "nothing given"
        below = "".join(
            f", where {p} → {n}"
            for n in new
            for p in new[n]
            if (n not in new_chain or p not in new_chain) and p in dag.ancestors(new_given, new)
        )
        cases.append(((new_chain, new_given, new), want, f"{' '.join(words)}{below}, {told}"))
    return shuffled(draw, cases)


@is_blocked.property(
    "a node that passes the message on, or sends it both ways, blocks if it is given",
    points=1,
    hint="Look at each inner node with its two neighbours in the chain. If at least one of the two "
    "arrows leaves the node (→ m →, ← m ←, ← m →), knowing m blocks the chain.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = []
    for graph in (PASSES, FORK):
        cases += chain_cases(draw, graph, ["a", "m", "b"], {"": False, "m": True, "d": False})
    answers(call, "is_blocked", shuffled(draw, cases))


@is_blocked.property(
    "a collider blocks unless it, or one of its descendants, is given",
    points=1,
    hint="Where both arrows arrive (→ m ←), the rule is turned round: the chain is blocked as it "
    "stands, and opens once m is known or anything below m, at any depth.",
)
def _(call: Caller, draw: Draw) -> None:
    table = {"": True, "m": False, "d": False, "e": False, "f": True, "p": True, "fp": True}
    answers(call, "is_blocked", chain_cases(draw, COLLIDER, ["a", "m", "b"], table))


@is_blocked.property(
    "in a longer chain, one blocking node is enough",
    points=1,
    hint="A chain is like a pipe with several valves: it is open only if every inner node is.",
)
def _(call: Caller, draw: Draw) -> None:
    table = {"": True, "v": False, "y": False, "vu": True, "w": True, "vw": True, "yx": True}
    chain = ["a", "u", "v", "w", "x", "b"]
    answers(call, "is_blocked", chain_cases(draw, LONG, chain, table))


@is_blocked.property(
    "holds at the edges: two nodes, neighbours that are joined to each other, random graphs",
    points=1,
    hint="A chain of two nodes has no inner node, so nothing blocks it. And only the two arrows "
    "*of the chain* decide what a node is; further arrows of the graph do not.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = chain_cases(
        draw, {"a": [], "b": ["a"], "d": ["b"]}, ["a", "b"], {"": False, "d": False}
    )
    triangle: Graph = {"a": [], "b": ["a"], "m": ["a", "b"], "q": ["b"]}
    cases += chain_cases(draw, triangle, ["a", "m", "b"], {"": True, "m": False, "q": True})
    cases += chain_cases(draw, triangle, ["m", "a", "b"], {"": False, "q": False})
    for _ in range(12):
        d = 7
        graph = random_graph(draw, d, 0.45)
        walk = random_chain(draw, graph)
        given = [n for n in graph if n not in (walk[0], walk[-1]) and draw.integer(0, 2) == 0]
        want = blocked_in_law(draw, walk, given, graph)
        cases.append(((walk, given, graph), want, f"{walk} given {given} in {graph}"))
    answers(call, "is_blocked", cases)


def random_chain(draw: Draw, graph: Graph) -> list[str]:
    """A chain of at most five nodes, found by a random walk (two nodes at least)."""
    below = dag.children(graph)
    start = shuffled(draw, [n for n in graph if graph[n] or below[n]] or list(graph))
    walk = start[:1]
    while len(walk) < 5:
        fresh = [n for n in (*graph[walk[-1]], *below[walk[-1]]) if n not in walk]
        if not fresh:
            break
        walk.append(shuffled(draw, fresh)[0])
    if len(walk) < 2:  # a graph without arrows: add one
        walk = list(graph)[:2]
        graph[walk[1]].append(walk[0])
    return walk


def blocked_in_law(draw: Draw, chain: list[str], given: list[str], graph: Graph) -> bool:
    """Whether the two ends are independent given `given` in a linear Gaussian network that has the
    arrows of the chain and, to each collider, a private way down to its own descendants."""
    part: Graph = {node: [] for node in chain}
    for left, right in itertools.pairwise(chain):
        if left in graph[right]:
            part[right].append(left)
        else:
            part[left].append(right)
    told = [node for node in given if node in chain]
    for left, node, right in zip(chain, chain[1:], chain[2:], strict=False):
        if left in part[node] and right in part[node]:
            opened = dag.descendants([node], graph) & set(given) - {node}
            if opened:  # what is known below the collider is known of a child of its own
                part[f"below {node}"] = [node]
                told.append(f"below {node}")
    return independent(draw, [chain[0]], [chain[-1]], told, part)


def independent(draw: Draw, a: list[str], b: list[str], given: list[str], graph: Graph) -> bool:
    """Whether all partial correlations between a and b given `given` vanish in a linear Gaussian
    network with random weights and noise: exact linear algebra in float64."""
    nodes = list(graph)
    at = {node: i for i, node in enumerate(nodes)}
    weights = torch.zeros(len(nodes), len(nodes), dtype=double)
    for node, above in graph.items():
        for parent in above:
            size = draw.uniform(low=0.6, high=1.4, dtype=double)
            weights[at[node], at[parent]] = size * (2 * draw.integer(0, 1) - 1)
    mix = (torch.eye(len(nodes), dtype=double) - weights).inverse()
    cov = (mix * draw.uniform(len(nodes), low=0.5, high=1.5, dtype=double)) @ mix.T
    keep, known = [at[n] for n in (*a, *b)], [at[n] for n in given]
    S = cov[keep][:, keep]
    if known:
        S = S - cov[keep][:, known] @ torch.linalg.solve(cov[known][:, known], cov[known][:, keep])
    scale = S.diagonal().sqrt()
    return bool(((S / scale / scale[:, None])[: len(a), len(a) :].abs() < 1e-8).all())


def _stops(chain, given, parents, collider=None, other=None):
    """What each inner node says: True if it blocks; with room for slips."""
    given = set(given)
    collider = collider or (lambda n: dag.descendants([n], parents).isdisjoint(given))
    other = other or (lambda n: n in given)
    return [
        collider(n) if left in parents[n] and right in parents[n] else other(n)
        for left, n, right in zip(chain, chain[1:], chain[2:], strict=False)
    ]


@is_blocked.misconception(
    "open instead of blocked",
    "Every answer is the opposite of the right one: True means blocked.",
)
def _(chain, given, parents):
    return not any(_stops(chain, given, parents))


@is_blocked.misconception(
    "collider treated like the others",
    "You let every given node block. At a collider (→ m ←) it is the other way round: it blocks "
    "as long as it is unknown.",
)
def _(chain, given, parents):
    return any(_stops(chain, given, parents, collider=lambda n: n in given))


@is_blocked.misconception(
    "collider opened by its descendants forgotten",
    "Your colliders open only if they are given themselves. Knowing a descendant tells something "
    "about the collider, and opens it too.",
)
def _(chain, given, parents):
    return any(_stops(chain, given, parents, collider=lambda n: n not in given))


@is_blocked.misconception(
    "only the children of a collider open it",
    "You looked one step down. Any descendant opens a collider: children, their children, and so "
    "on (`descendants` finds them all, the node itself included).",
)
def _(chain, given, parents):
    below = dag.children(parents)
    closed = lambda n: not {n, *below[n]} & set(given)  # noqa: E731
    return any(_stops(chain, given, parents, collider=closed))


@is_blocked.misconception(
    "ancestors instead of descendants",
    "You let a collider be opened by what lies above it. It is news from *below* that ties its "
    "causes together.",
)
def _(chain, given, parents):
    closed = lambda n: dag.ancestors([n], parents).isdisjoint(given)  # noqa: E731
    return any(_stops(chain, given, parents, collider=closed))


@is_blocked.misconception(
    "descendants open every node",
    "The clause about descendants is for colliders only. A node with an outgoing arrow in the "
    "chain blocks if it is given itself; its descendants do not matter.",
)
def _(chain, given, parents):
    told = lambda n: not dag.descendants([n], parents).isdisjoint(given)  # noqa: E731
    return any(_stops(chain, given, parents, other=told))


@is_blocked.misconception(
    "roles swapped",
    "You have the right two rules at the wrong nodes: a collider (both arrows arrive) blocks while "
    "unknown, all others block when known.",
)
def _(chain, given, parents):
    return any(
        _stops(
            chain,
            given,
            parents,
            collider=lambda n: n in given,
            other=lambda n: dag.descendants([n], parents).isdisjoint(given),
        )
    )


@is_blocked.misconception(
    "fork taken for a collider",
    "You called a node a collider where both arrows leave it. At a collider both *arrive*: both "
    "neighbours are among its parents.",
)
def _(chain, given, parents):
    given = set(given)
    return any(
        dag.descendants([n], parents).isdisjoint(given)
        if n in parents[left] and n in parents[right]
        else n in given
        for left, n, right in zip(chain, chain[1:], chain[2:], strict=False)
    )


@is_blocked.misconception(
    "every node has to block",
    "You asked all inner nodes to block. One is enough, wherever it stands in the chain.",
)
def _(chain, given, parents):
    return all(_stops(chain, given, parents))


# --- d_separated ----------------------------------------------------------------------------------

d_separated = unit.graded(
    separation.d_separated,
    siblings=[
        separation.reachable,
        separation.d_separated_by_chains,
        undirected.d_separated_by_moralising,
    ],
)

DIAMOND: Graph = {"a": [], "u": ["a"], "v": ["a"], "b": ["u", "v"]}
# both arrivals at m matter: from its parent r it goes on down, from its child n it goes on up
TWICE: Graph = {"b": [], "r": [], "m": ["r", "b"], "k": ["m"], "n": ["k"], "a": ["r", "n"]}


def query_cases(draw: Draw, graph: Graph, a: str, b: str, table: dict[str, bool]) -> list[tuple]:
    """Cases for one pair of sets, strings of nodes: `table` maps what is given to the answer."""
    cases = []
    for given, want in table.items():
        new, one, other, told = renamed(draw, graph, list(a), list(b), list(given))
        for sets in ((one, other, told), (other, one, told)):
            cases.append(((*sets, new), want, words(*sets, new)))
    return cases


def words(a: list[str], b: list[str], given: list[str], graph: Graph) -> str:
    arrows = ", ".join(f"{p} → {n}" for n, above in graph.items() for p in above) or "no arrows"
    told = ", ".join(given) or "nothing"
    return f"a = {', '.join(a)} and b = {', '.join(b)} given {told} in {arrows}"


@d_separated.property(
    "gets the three junctions right",
    points=1,
    hint="With three nodes there is one chain: it is blocked at the middle of a chain or fork if "
    "the middle is given, and at a collider if neither it nor a descendant is.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = []
    for graph in (PASSES, FORK):
        cases += query_cases(draw, graph, "a", "b", {"": False, "m": True, "d": False})
    table = {"": True, "m": False, "d": False, "e": False, "f": True}
    cases += query_cases(draw, COLLIDER, "a", "b", table)
    answers(call, "d_separated", shuffled(draw, cases))


@d_separated.property(
    "needs every chain blocked, between all pairs of the two sets",
    points=1,
    hint="One open chain from any node of a to any node of b suffices to connect them. Several "
    "chains may join two nodes, and a node may lie on more than one.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = query_cases(draw, DIAMOND, "a", "b", {"": False, "u": False, "v": False, "uv": True})
    cases += query_cases(draw, DIAMOND, "u", "v", {"": False, "a": True, "b": False, "ab": False})
    two: Graph = {"a": [], "c": [], "b": ["c"], "d": ["a"], "e": []}
    cases += query_cases(draw, two, "ac", "b", {"": False})
    cases += query_cases(draw, two, "ca", "b", {"": False})
    cases += query_cases(draw, two, "ae", "cb", {"": True, "d": True})
    cases += query_cases(draw, two, "ea", "bd", {"": False})
    cases += query_cases(draw, TWICE, "a", "b", {"": False, "n": False, "r": False, "rk": True})
    cases += query_cases(draw, TWICE, "r", "b", {"": True, "a": False, "m": False})
    answers(call, "d_separated", shuffled(draw, cases))


@d_separated.property(
    "says what a distribution does: vanishing correlations in random Gaussian networks",
    points=2,
    hint="Each graph here comes with a linear Gaussian network of random weights, and the right "
    "answer is whether its exact partial correlation is zero. If the named case is complex, list "
    "all its chains, and ask is_blocked for each.",
)
def _(call: Caller, draw: Draw) -> None:
    cases: list[tuple] = []
    for k in range(40):
        graph = random_graph(draw, draw.integer(4, 7), 0.3 if k % 2 else 0.5)
        nodes = shuffled(draw, list(graph))
        a, b, rest = nodes[:1], nodes[1:2], nodes[2:]
        if k % 4 == 0:
            a, rest = [*a, rest[0]], rest[1:]
        given = [n for n in rest if draw.integer(0, 2) == 0]
        want = independent(draw, a, b, given, graph)
        cases.append(((a, b, given, graph), want, words(a, b, given, graph)))
    answers(call, "d_separated", cases)


@d_separated.property(
    "holds at the edges: two nodes, nodes without arrows, a chain through 100 nodes",
    points=1,
    hint="Two nodes that are joined are never separated; nodes in different parts always are. Along "
    "one long chain, every node counts.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = query_cases(draw, {"a": [], "b": []}, "a", "b", {"": True})
    cases += query_cases(draw, {"a": [], "b": ["a"]}, "a", "b", {"": False})
    cases += query_cases(draw, {"a": [], "b": ["a"], "c": []}, "c", "ab", {"": True})
    # x0 → ... → x49 ← x50 ← ... ← x99, and below the collider x49 → y1 → ... → y9
    long: Graph = {"x0": [], "x99": []}
    long |= {f"x{i}": [f"x{i - 1}"] for i in range(1, 49)}
    long |= {f"x{i}": [f"x{i + 1}"] for i in range(50, 99)} | {"x49": ["x48", "x50"]}
    long |= {"y1": ["x49"]} | {f"y{i}": [f"y{i - 1}"] for i in range(2, 10)}
    table = [([], True), (["x49"], False), (["y9"], False), (["y9", "x20"], True), (["x20"], True)]
    for given, want in table:
        new, a, b, told = renamed(draw, long, ["x0"], ["x99"], given)
        text = "x0 against x99 in x0 → ... → x49 ← ... ← x99, where x49 → y1 → ... → y9, given "
        cases.append(((a, b, told, new), want, text + (", ".join(given) or "nothing")))
    answers(call, "d_separated", cases)


def _reach(start, given, parents, opens=None, once=False):
    """The nodes that open chains lead to, with room for slips."""
    given = set(given)
    below = dag.children(parents)
    opens = dag.ancestors(given, parents) if opens is None else opens
    todo, seen = [(node, True) for node in start], []
    while todo:
        step = todo.pop(0)
        node, upward = step
        if step in seen or (once and node in [other for other, _ in seen]):
            continue
        seen.append(step)
        if node not in given:
            todo += [(child, False) for child in below[node]]
        if (node not in given) if upward else (node in opens):
            todo += [(parent, True) for parent in parents[node]]
    return {node for node, _ in seen if node not in given}


@d_separated.misconception(
    "connected instead of separated",
    "Every answer is the opposite of the right one: True means that all chains are blocked.",
)
def _(a, b, given, parents):
    return not _reach(a, given, parents).isdisjoint(b)


@d_separated.misconception(
    "arrows ignored",
    "You asked whether the given nodes cut every path, as in an undirected graph. In a DAG a "
    "collider blocks by itself, and opens when it is given.",
)
def _(a, b, given, parents):
    below, given = dag.children(parents), set(given)
    seen, todo = set(a), list(a)
    while todo:
        node = todo.pop()
        fresh = {*parents[node], *below[node]} - seen - given
        seen |= fresh
        todo += fresh
    return seen.isdisjoint(b)


@d_separated.misconception(
    "colliders never open",
    "You block every chain at its colliders. A collider opens if it, or one of its descendants, is "
    "given: that is how an observed effect ties its causes together.",
)
def _(a, b, given, parents):
    return _reach(a, given, parents, opens=set()).isdisjoint(b)


@d_separated.misconception(
    "collider opened by its descendants forgotten",
    "Your colliders open only if they are given themselves. Knowing a descendant opens them too.",
)
def _(a, b, given, parents):
    return all(
        any(_stops(chain, given, parents, collider=lambda n: n not in given))
        for one, other in itertools.product(a, b)
        for chain in blocking.chains(one, other, parents)
    )


@d_separated.misconception(
    "colliders always open",
    "You let messages through colliders about which nothing is known. As long as neither the "
    "collider nor a descendant is given, two causes of one effect know nothing of each other.",
)
def _(a, b, given, parents):
    return _reach(a, given, parents, opens=set(parents)).isdisjoint(b)


@d_separated.misconception(
    "each node visited only once",
    "Your walk marks a node as done whichever way it arrived. Coming from a parent and coming from "
    "a child are two different visits: they may go on in different directions.",
)
def _(a, b, given, parents):
    return _reach(a, given, parents, once=True).isdisjoint(b)


@d_separated.misconception(
    "one separated pair is enough",
    "With several nodes in a or b, every pair has to be separated; one pair that is does not make "
    "the sets so.",
)
def _(a, b, given, parents):
    return any(_reach([node], given, parents).isdisjoint([other]) for node in a for other in b)


@d_separated.misconception(
    "only the first node of each set",
    "a and b are collections of nodes. You looked at the first of each.",
)
def _(a, b, given, parents):
    return _reach(a[:1], given, parents).isdisjoint(b[:1])


@d_separated.misconception(
    "downstream only",
    "You followed the arrows forwards only. Chains may also run against them: a common cause "
    "connects its effects.",
)
def _(a, b, given, parents):
    return all(
        other not in _forward(node, given, parents) and node not in _forward(other, given, parents)
        for node in a
        for other in b
    )


def _forward(node, given, parents):
    below, seen, todo = dag.children(parents), {node}, [node]
    while todo:
        fresh = set(below[todo.pop()]) - seen - set(given)
        seen |= fresh
        todo += fresh
    return seen


# --- markov_blanket -------------------------------------------------------------------------------

markov_blanket = unit.graded(dag.markov_blanket)

FAMILY: Graph = {
    "g": [],
    "p": ["g"],
    "x": ["p", "q"],
    "q": [],
    "s": ["p"],
    "c": ["x", "k"],
    "k": ["l"],
    "l": [],
    "e": ["x"],
    "n": ["c"],
}  # x has parents p, q; children c, e; a co-parent k; a sibling s; g, l, n are farther away


def blanket(got: object, graph: Graph) -> list[str]:
    expect.true(
        isinstance(got, list | tuple) and all(isinstance(n, str) for n in got),
        f"the blanket: got {got!r:.60}; want a list of nodes",
    )
    unknown = [n for n in got if n not in graph]
    expect.true(not unknown, f"the blanket: got {unknown}, which are not nodes of the graph")
    expect.true(len(set(got)) == len(got), f"the blanket: got {list(got)}; want each node once")
    return list(got)


def in_order(name: str, got: object, want: set[str], graph: Graph) -> None:
    got = blanket(got, graph)
    missing, extra = sorted(want - set(got)), sorted(set(got) - want)
    arrows = ", ".join(f"{p} → {n}" for n, above in graph.items() for p in above)
    expect.true(not missing, f"{name}: {', '.join(missing)} is missing, in {arrows}")
    expect.true(not extra, f"{name}: {', '.join(extra)} does not belong to it, in {arrows}")
    listed = [n for n in graph if n in want]
    expect.true(got == listed, f"{name}: right nodes; want them in the graph's order, {listed}")


@markov_blanket.property(
    "holds the parents, the children, and the children's other parents",
    points=1,
    hint="Go through the children of the node: each brings itself and all of its parents. Add the "
    "node's own parents, take the node itself away, and list them in the order of `parents`.",
)
def _(call: Caller, draw: Draw) -> None:
    graph, [x], want = renamed(draw, FAMILY, ["x"], ["p", "q", "c", "e", "k"])
    in_order(f"the blanket of {x}", call(x, graph), set(want), graph)


@markov_blanket.property(
    "shields the node: given the blanket, it is independent of everything else",
    points=1,
    hint="If the named node is outside your blanket and still tells something, a chain to it is "
    "open. Colliders in the blanket open chains to the other parents: they have to be in it too.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = []
    for k in range(5):
        graph = random_graph(draw, 7, 0.4) if k else renamed(draw, FAMILY)[0]
        for node in shuffled(draw, list(graph))[:4]:
            cases.append((node, graph, call(node, graph)))
    for node, graph, got in cases:
        got = blanket(got, graph)
        expect.true(node not in got, f"the blanket of {node}: want it without {node} itself")
        for other in graph:
            if other != node and other not in got:
                shielded = independent(draw, [node], [other], got, graph)
                arrows = ", ".join(f"{p} → {n}" for n, above in graph.items() for p in above)
                expect.true(
                    shielded, f"{node} is still dependent on {other} given {got}, in {arrows}"
                )
    expect.true(
        any(len(got) < len(graph) - 1 for _, graph, got in cases),
        "the blanket: got all other nodes every time; want only those that are needed",
    )


@markov_blanket.property(
    "has no node too many; a lone node has an empty blanket",
    points=1,
    hint="Siblings, grandparents and grandchildren are shielded by the others. A node that cannot "
    "be left out is one that still tells something when all the rest is known.",
)
def _(call: Caller, draw: Draw) -> None:
    cases = []
    for k in range(4):
        graph = random_graph(draw, 7, 0.3) if k else renamed(draw, FAMILY)[0]
        for node in shuffled(draw, list(graph))[:4]:
            cases.append((node, graph, call(node, graph)))
    alone = call("a", {"b": [], "a": [], "c": ["b"]})
    for node, graph, got in cases:
        want = set()
        for other in graph:
            rest = [n for n in graph if n not in (node, other)]
            if other != node and not independent(draw, [node], [other], rest, graph):
                want.add(other)
        in_order(f"the blanket of {node}", got, want, graph)
    expect.true(list(blanket(alone, {"a": []})) == [], f"a lone node: got {alone}; want []")


def _family(node, parents, up=True, down=True, spouses=True, self_too=False, extra=()):
    below = dag.children(parents)[node]
    found = set(extra)
    found |= set(parents[node]) if up else set()
    found |= set(below) if down else set()
    found |= {p for child in below for p in parents[child]} if spouses else set()
    return [n for n in parents if n in found and (n != node or self_too)]


@markov_blanket.misconception(
    "other parents of the children forgotten",
    "The children are known inside the blanket, and a known child is a collider: it ties the node "
    "to the child's other parents. They belong to the blanket.",
)
def _(node, parents):
    return _family(node, parents, spouses=False)


@markov_blanket.misconception(
    "parents only",
    "Given its parents a node is independent of what is not below it, but its descendants still "
    "tell about it. Add its children, and their other parents.",
)
def _(node, parents):
    return _family(node, parents, down=False, spouses=False)


@markov_blanket.misconception(
    "children only",
    "Effects tell about the node, and so do its causes: add its parents, and the other parents of "
    "its children.",
)
def _(node, parents):
    return _family(node, parents, up=False, spouses=False)


@markov_blanket.misconception(
    "own parents forgotten",
    "The children and their other parents are there; the node's own parents are not.",
)
def _(node, parents):
    return _family(node, parents, up=False)


@markov_blanket.misconception(
    "the node in its own blanket",
    "The node is a parent of its children, so collecting all parents of the children brings it in. "
    "Take it out.",
)
def _(node, parents):
    return _family(node, parents, self_too=True)


@markov_blanket.misconception(
    "siblings instead of the children's other parents",
    "You added the other children of the parents. They are shielded, since the parents are known; "
    "it is the other *parents of the children* that belong to the blanket.",
)
def _(node, parents):
    below = dag.children(parents)
    siblings = {s for p in parents[node] for s in below[p]}
    return _family(node, parents, spouses=False, extra=siblings)


@markov_blanket.misconception(
    "everything above and below",
    "You collected all ancestors and descendants. Near relatives shield the node from the far ones.",
)
def _(node, parents):
    line = dag.ancestors([node], parents) | dag.descendants([node], parents)
    return _family(node, parents, extra=line)
