"""Returns a list that holds itself."""

DESERVES = {"double": 0}


def double(x):
    ring = [x]
    ring.append(ring)
    return ring
