"""Has every cell twice, which aborts a whole batch of stock nbgrader."""

import copy

DESERVES = {}


def damage(nb, folder, target):
    nb["cells"] = [copy.deepcopy(cell) for cell in nb["cells"] for _ in range(2)]
    return nb
