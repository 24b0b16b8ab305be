"""Writes a pickle to the channel in the place of a frame."""

import contextlib
import gc
import pickle
import socket

DESERVES = {"double": 0}


class Bomb:
    def __reduce__(self):
        return open, (target["outside"] + "/unpickled", "w")


def double(x):
    for thing in gc.get_objects():
        if type(thing) is socket.socket:
            with contextlib.suppress(OSError):
                thing.sendall(pickle.dumps(Bomb()))
    return None
