"""A right notebook with 5,000 cells more."""

DESERVES = {}


def damage(nb, folder, target):
    nb["cells"] += [code(f"more-{i}", "pass") for i in range(5000)]
    return nb
