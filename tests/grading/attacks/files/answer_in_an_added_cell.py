"""Answers in a cell of its own: only what stands in the solution's cell counts."""

DESERVES = {"double": 0}


def damage(nb, folder, target):
    source, cell(nb, "double")["source"] = cell(nb, "double")["source"], "pass"
    nb["cells"].insert(1, code("added", source))
    return nb
