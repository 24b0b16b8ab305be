"""An endless loop when the cell itself runs; its function costs, the others do not."""

import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}


def double(x):
    return 2 * x


until = time.monotonic() + 6
while time.monotonic() < until:
    pass
