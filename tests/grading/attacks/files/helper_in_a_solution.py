"""Legitimate: a solution's cell defines a helper that a later solution uses."""

DESERVES = {}


def damage(nb, folder, target):
    cell(nb, "double")["source"] = "def twice(x):\n    return x + x\n\n\ndouble = twice"
    cell(nb, "square_sum")["source"] = (
        "def square_sum(x, scale=1.0):\n    return scale / 2 * twice(x**2).sum(-1)"
    )
    return nb
