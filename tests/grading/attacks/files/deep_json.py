"""A file that is a list nested a million deep."""

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    return b"[" * 10**6 + b"]" * 10**6
