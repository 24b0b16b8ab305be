"""Right, and leaves handlers behind (atexit, weakref, signals) that would write outside its folder."""

import atexit
import signal
import weakref

import torch

DESERVES = {}
file = target["outside"] + "/left-behind"


def touch(*args):
    with open(file, "w") as f:
        f.write("still here")


atexit.register(touch)
weakref.finalize(torch, touch)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD):
    signal.signal(number, touch)


def double(x):
    return 2 * x
