"""Sends JSON nested a million deep straight to the parent."""

import contextlib
import gc
import socket
import struct

DESERVES = {"double": 0}


def double(x):
    text = b'{"result":' + b"[" * 10**6 + b"]" * 10**6 + b"}"
    for thing in gc.get_objects():
        if type(thing) is socket.socket:
            with contextlib.suppress(OSError):
                thing.sendall(struct.pack("!II", len(text), 0) + text)
    return None
