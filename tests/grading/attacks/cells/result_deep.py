"""Returns a list nested a million deep."""

DESERVES = {"double": 0}


def double(x):
    deep = []
    for _ in range(10**6):
        deep = [deep]
    return deep
