"""Graphical models: which variables depend on which, and what follows from it.

dag           graphs as plain dicts of parents; order, ancestors, Markov blanket
discrete      networks of probability tables: joint_log_prob, ancestral_sample
network       the same as a model: exact conditionals, fitting by counting
blocking      chains, and whether they are blocked
separation    d-separation, by its definition and in linear time
independence  mutual information, and a test on data
completeness  a distribution that uses an open chain
undirected    separation in undirected graphs, moral graphs
models        the graphs of the course's model families, and plates
draw, layout  pictures of all of them (import draw by itself: it needs matplotlib)
"""

from dgm_lib.graphs.blocking import blockers, chains, is_blocked
from dgm_lib.graphs.completeness import witness
from dgm_lib.graphs.dag import (
    Graph,
    ancestors,
    children,
    descendants,
    markov_blanket,
    topological_order,
)
from dgm_lib.graphs.discrete import Tables, ancestral_sample, joint_log_prob, random_tables
from dgm_lib.graphs.independence import (
    PermutationTest,
    empirical_joint,
    mutual_information,
    permutation_test,
)
from dgm_lib.graphs.models import (
    ModelGraph,
    Positions,
    autoregressive,
    diffusion,
    hierarchical_vae,
    hmm,
    unroll,
    vae,
)
from dgm_lib.graphs.network import DiscreteNetwork
from dgm_lib.graphs.separation import d_separated, d_separated_by_chains, reachable
from dgm_lib.graphs.undirected import (
    Neighbours,
    d_separated_by_moralising,
    moral_graph,
    neighbours_of,
    separated,
)

__all__ = [
    "DiscreteNetwork",
    "Graph",
    "ModelGraph",
    "Neighbours",
    "PermutationTest",
    "Positions",
    "Tables",
    "ancestors",
    "ancestral_sample",
    "autoregressive",
    "blockers",
    "chains",
    "children",
    "d_separated",
    "d_separated_by_chains",
    "d_separated_by_moralising",
    "descendants",
    "diffusion",
    "empirical_joint",
    "hierarchical_vae",
    "hmm",
    "is_blocked",
    "joint_log_prob",
    "markov_blanket",
    "moral_graph",
    "mutual_information",
    "neighbours_of",
    "permutation_test",
    "random_tables",
    "reachable",
    "separated",
    "topological_order",
    "unroll",
    "vae",
    "witness",
]
