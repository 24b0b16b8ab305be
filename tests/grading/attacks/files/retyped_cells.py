"""Turns the cell of one solution and all test cells into markdown and raw cells."""

DESERVES = {}


def damage(nb, folder, target):
    for i, c in enumerate(nb["cells"]):
        if c["id"].startswith("check_") or c["id"] == "double":
            c["cell_type"] = ("markdown", "raw")[i % 2]
            del c["outputs"], c["execution_count"]
    return nb
