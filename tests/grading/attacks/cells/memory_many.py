"""Many small pieces of memory, up to 2 GB, after it has lifted its own limits."""

import contextlib
import resource

DESERVES = {"double": 0}
BOUNDS = {"seconds": 30, "memory": 2800 << 20}


def double(x):
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_RSS):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    pieces = [b"x" * (1 << 20) for _ in range(2 << 10)]
    return 2 * x * (len(pieces) > 0)
