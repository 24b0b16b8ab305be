"""Recursion without a limit, into the end of the stack."""

import resource
import sys

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def double(x):
    sys.setrecursionlimit(10**9)

    class Deep:
        def __getattr__(self, name):
            return getattr(self, name)

    return Deep().x
