"""A notebook of 30 MB."""

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    cell(nb, "setup")["source"] = "#" * (30 << 20)
    return nb
