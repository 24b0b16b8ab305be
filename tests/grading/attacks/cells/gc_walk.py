"""Looks for sockets among all objects of the process, and writes nonsense into each."""

import contextlib
import gc
import socket

DESERVES = {"double": 0}


def double(x):
    for thing in gc.get_objects():
        if type(thing) is socket.socket:
            with contextlib.suppress(OSError):
                thing.setblocking(False)
                thing.send(b"\xff" * 64)
    return None
