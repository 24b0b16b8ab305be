"""Aborts, in a handler for its own crash that would answer once more."""

import contextlib
import ctypes
import faulthandler
import resource

DESERVES = {"double": 0}
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def double(x):
    with contextlib.suppress(Exception):
        faulthandler.enable()
    ctypes.CDLL(None).abort()
