"""Completeness of d-separation: where a chain is open, some distribution of the graph uses it.

The tables in which an open chain leaves no dependence are zeros of a polynomial that is not
identically zero, so almost every choice of tables shows it: Meek (1995), "Strong completeness and
faithfulness in Bayesian networks", arXiv:1302.4973.
"""

from collections.abc import Collection

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.graphs.dag import Graph
from dgm_lib.graphs.discrete import random_tables
from dgm_lib.graphs.network import DiscreteNetwork
from dgm_lib.graphs.separation import d_separated
from dgm_lib.validate import require


def witness(
    a: Collection[str],
    b: Collection[str],
    given: Collection[str],
    parents: Graph,
    generator: torch.Generator | None = None,
) -> tuple[dict[str, Float[Tensor, "..."]], float]:
    """A distribution of the graph in which a and b are dependent given `given`, and their I(a; b | given).

    Among ten random tables the one with the largest mutual information. Almost every choice of
    tables is a witness (Meek 1995); ten make a clear one likely.

    Raises:
        ValueError: if they are d-separated; then there is no witness.
    """
    require(
        not d_separated(a, b, given, parents),
        f"a: got {list(a)}, which {list(given)} d-separates from {list(b)}; "
        "want sets with an open chain between them, for by soundness there is no witness",
    )
    found = []
    for _ in range(10):
        tables = random_tables(parents, generator=generator)
        information = DiscreteNetwork(parents, tables).mutual_information(
            list(a), list(b), list(given)
        )
        found.append((tables, information))
    return max(found, key=lambda pair: pair[1])
