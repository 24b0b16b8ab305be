"""Legitimate: an object that can be called, with a cache."""

DESERVES = {}


class Double:
    def __init__(self):
        self.cache = {}

    def __call__(self, x):
        return self.cache.setdefault(tuple(x.flatten().tolist()), x + x)


double = Double()
