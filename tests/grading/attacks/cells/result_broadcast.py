"""Returns shapes that broadcast against the right one."""

DESERVES = {"double": 0}


def double(x):
    return (2 * x).float()[None, ..., None] if x.dim() else (2 * x).float().reshape(1, 1)
