"""Right answers written another way earn every point; wrong ones that nobody listed do not."""

import pytest
import torch

from dgm_lib.checks.graphs import unit
from dgm_lib.graphs import (
    DiscreteNetwork,
    ancestors,
    blockers,
    d_separated_by_chains,
    d_separated_by_moralising,
    topological_order,
)


def by_one_hot(x, parents, tables):
    """Contract each table with one-hot vectors of the parents and of the node."""
    column = dict(zip(parents, x.T, strict=True))
    rows = []
    for node, above in parents.items():
        p = tables[node].expand(len(x), *tables[node].shape)
        for name in (*above, node):
            hot = torch.nn.functional.one_hot(column[name], p.shape[1]).to(p)
            p = (p * hot.view(*hot.shape, *[1] * (p.dim() - 2))).sum(1)
        rows.append(p.log())
    return sum(rows)


def by_rows(uniforms, parents, tables):
    """State by state, value by value."""
    out = []
    for row in uniforms:
        u, value = dict(zip(parents, row, strict=True)), {}
        for node in topological_order(parents):
            total, value[node] = 0.0, -1
            p = tables[node][tuple(value[parent] for parent in parents[node])]
            while total <= u[node]:
                value[node] += 1
                total = total + p[value[node]]
        out.append([value[node] for node in parents])
    return torch.tensor(out)


def by_dense_pairs(node, parents):
    """Joined with `node` by an arrow, or through a common child."""
    families = [{child, *above} for child, above in parents.items()]
    near = [f for child, f in zip(parents, families, strict=True) if node in f]
    return [n for n in parents if n != node and any(n in f for f in near)]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("d_separated", d_separated_by_chains),
        ("d_separated", d_separated_by_moralising),
        ("is_blocked", lambda chain, given, parents: bool(blockers(chain, given, parents))),
        ("joint_log_prob", by_one_hot),
        ("joint_log_prob", lambda x, g, t: DiscreteNetwork(g, t).log_prob(x)),
        ("ancestral_sample", by_rows),
        ("markov_blanket", by_dense_pairs),
    ],
)
def test_another_right_answer(name, answer):
    for seed in range(2):
        report = unit.checks[name].run(answer, seed)
        assert report.state == "full", str(report)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("d_separated", lambda a, b, given, parents: len(given) > 1),
        ("d_separated", lambda a, b, given, parents: not ancestors(a, parents) & {*b}),
        ("is_blocked", lambda chain, given, parents: len(given) > 0),
        ("is_blocked", lambda chain, given, parents: chain[1] in given),
        ("joint_log_prob", lambda x, parents, tables: by_one_hot(x, parents, tables).float() / 2),
        ("ancestral_sample", lambda u, parents, tables: (2 * u).long()),
        ("markov_blanket", lambda node, parents: [n for n in parents if n != node]),
        ("markov_blanket", lambda node, parents: []),
    ],
)
def test_an_unlisted_wrong_answer(name, answer):
    for seed in range(2):
        report = unit.checks[name].run(answer, seed)
        assert report.earned <= report.points / 2, str(report)
