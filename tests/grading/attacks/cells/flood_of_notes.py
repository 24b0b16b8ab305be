"""Right, and writes 50 MB to stderr and 1,000 warnings in every call."""

import sys
import warnings

DESERVES = {}
BOUNDS = {"seconds": 20}


def double(x):
    for _ in range(50):
        print("x" * (1 << 20), file=sys.stderr)
    for i in range(1000):
        warnings.warn(f"the warning number {i}")
    return 2 * x
