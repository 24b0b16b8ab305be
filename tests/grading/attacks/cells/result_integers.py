"""Returns whole numbers of a million digits, where a float is wanted."""

DESERVES = {"double": 0}


def double(x):
    return 10 ** (10**6)
