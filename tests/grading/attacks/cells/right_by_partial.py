"""Legitimate: a partial of a decorated function, written with exec."""

import functools

DESERVES = {}
exec("def times(factor, x):\n    return factor * x")
double = functools.partial(functools.lru_cache(maxsize=None)(times), 2)
