"""Replaces the other functions of the notebook, and then its own namespace, by nonsense."""

import sys

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}
CELL = "apply"


def apply(network, x):
    return None


double = square_sum = apply
sys.modules["__main__"].__dict__["double"] = apply
