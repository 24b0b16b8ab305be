"""A loop that swallows KeyboardInterrupt and everything else."""

import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}


def double(x):
    until = time.monotonic() + 4
    while time.monotonic() < until:
        try:
            while time.monotonic() < until:
                pass
        except BaseException:
            pass
