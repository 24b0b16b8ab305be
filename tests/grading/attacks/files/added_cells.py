"""Adds cells: one that ends the process, one that patches torch, one that never returns."""

DESERVES = {}


def damage(nb, folder, target):
    sources = ["import os\nos._exit(0)", "while True:\n    pass", "import torch\ntorch.equal = 1"]
    for i, source in enumerate(sources):
        nb["cells"].insert(2 * i, code(f"added-{i}", source))
    return nb
