"""Writes 100 MB past Python, to the file descriptors 1 and 2."""

import os

DESERVES = {}
BOUNDS = {"seconds": 20}


def double(x):
    for _ in range(100):
        os.write(1, b"x" * (1 << 20))
        os.write(2, b"x" * (1 << 20))
    return 2 * x
