"""d-separation on random graphs of 2,000 nodes, beside networkx: same queries, same run.

Both check that the graph has no cycle in every call, as their users get it. Target: at most twice
the time of networkx's `is_d_separator`, by the ratio of medians.
"""

import random
import statistics
import time

import networkx as nx

from dgm_lib.graphs import d_separated

NODES = 2000
QUERIES = 60
CASES = [(2, 0), (2, 20), (2, 400), (6, 0), (6, 20), (6, 400)]  # arrows per node, given nodes


def random_graph(rng: random.Random, arrows: int) -> dict[str, list[str]]:
    """Node i has up to `2 * arrows` parents among all earlier nodes; `arrows` on average."""
    names = [f"n{i}" for i in range(NODES)]
    return {
        name: rng.sample(names[:i], min(i, rng.randint(0, 2 * arrows)))
        for i, name in enumerate(names)
    }


def main() -> None:
    rng = random.Random(0)
    print(f"networkx {nx.__version__}; {NODES} nodes, {QUERIES} queries a row, processor time")
    for arrows, told in CASES:
        graph = random_graph(rng, arrows)
        G = nx.DiGraph()
        G.add_nodes_from(graph)
        G.add_edges_from((parent, node) for node, above in graph.items() for parent in above)
        ours, theirs, separated = [], [], 0
        for _ in range(QUERIES):
            a, b, *given = rng.sample(list(graph), 2 + told)
            start = time.process_time()
            answer = d_separated([a], [b], given, graph)
            middle = time.process_time()
            peer = nx.is_d_separator(G, {a}, {b}, set(given))
            ours.append(middle - start)
            theirs.append(time.process_time() - middle)
            separated += answer
            if answer != peer:
                raise AssertionError(f"{a}, {b} given {given}: we say {answer}, networkx {peer}")
        mine, peers = statistics.median(ours), statistics.median(theirs)
        print(
            f"  {G.number_of_edges():6d} arrows, {told:3d} given, {separated:2d} separated: "
            f"ours {1e3 * mine:6.2f} ms, networkx {1e3 * peers:6.2f} ms, "
            f"ratio {mine / peers:.2f} (target 2)",
            flush=True,
        )


if __name__ == "__main__":
    main()
