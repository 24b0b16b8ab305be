"""Reads the address 0 through ctypes: a segmentation fault."""

import ctypes
import resource

DESERVES = {"double": 0}
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def double(x):
    return ctypes.string_at(0)
