"""A right notebook with metadata nested 900 deep."""

DESERVES = {}


def damage(nb, folder, target):
    deep = {}
    for _ in range(900):
        deep = {"a": deep}
    nb["metadata"]["deep"] = deep
    cell(nb, "double")["metadata"]["deep"] = deep
    return nb
