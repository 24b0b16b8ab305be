"""Returns a tensor on the meta device: a shape without numbers."""

DESERVES = {"double": 0}


def double(x):
    return (2 * x).to("meta")
