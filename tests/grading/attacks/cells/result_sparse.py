"""Returns the right numbers in a sparse tensor, which cannot be compared."""

DESERVES = {"double": 0}


def double(x):
    return (2 * x).to_sparse()
