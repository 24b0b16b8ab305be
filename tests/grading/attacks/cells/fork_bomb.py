"""Forks four times over: 16 processes, each of which lives for seconds."""

import os
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 16, "processes": 17, "memory": 4 << 30}


def double(x):
    me = os.getpid()
    for _ in range(4):
        os.fork()
    time.sleep(3)
    if os.getpid() != me:
        os._exit(0)
    return None
