"""Right, and displays things 1,000 times, changes stream 4,000 times, and warns 1,000 times."""

import sys
import warnings

DESERVES = {}
BOUNDS = {"seconds": 20}


def double(x):
    return 2 * x


for i in range(1000):
    display(i)
    print("a")
    print("b", file=sys.stderr)
    print("c")
    print("d", file=sys.stderr)
    warnings.warn(f"the warning number {i}")
