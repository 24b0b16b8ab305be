"""Legitimate: the answer by numpy, as an array."""

import numpy as np

DESERVES = {}


def double(x):
    return np.multiply(x.numpy(), 2)
