"""Returns and raises text that breaks encoders: lone surrogates as values and as keys."""

DESERVES = {"double": 0}


def double(x):
    if x.dim() == 0:
        raise ValueError("\ud800\x00")
    return {"\ud800": "\udfff"}
