"""Lacks two test cells and one solution."""

DESERVES = {"double": 0}


def damage(nb, folder, target):
    lost = ("double", "check_double", "check_apply", "setup")
    nb["cells"] = [c for c in nb["cells"] if c["id"] not in lost]
    return nb
