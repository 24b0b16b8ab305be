"""Sends its reply one byte at a time, so that each byte arrives in time and the end never does."""

import contextlib
import gc
import socket
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}


def double(x):
    until = time.monotonic() + 4
    while time.monotonic() < until:
        for thing in [t for t in gc.get_objects() if type(t) is socket.socket]:
            with contextlib.suppress(OSError):
                thing.send(b"\0")
        time.sleep(0.1)
