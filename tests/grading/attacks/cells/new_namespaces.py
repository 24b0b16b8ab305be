"""Becomes root in namespaces of its own, mounts the disk again, and looks around."""

import ctypes
import os

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12, "processes": 2}
USER, MOUNT = 0x10000000, 0x00020000


def double(x):
    libc = ctypes.CDLL(None)
    if libc.unshare(USER | MOUNT) == 0:
        os.mkdir("mounted")
        if libc.mount(b"none", b"mounted", b"tmpfs", 0, None) == 0:
            return 2 * x
    return None
