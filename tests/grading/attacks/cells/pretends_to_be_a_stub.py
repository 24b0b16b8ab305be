"""Raises NotImplementedError with an enormous message, from deep inside."""

DESERVES = {"double": 0}


def double(x):
    raise NotImplementedError("<b>" * (1 << 20))
