"""Returns complex numbers whose real part is right."""

DESERVES = {"double": 0}


def double(x):
    return 2 * x + 1j
