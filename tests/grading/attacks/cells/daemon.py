"""Forks twice and leaves a daemon in a session of its own, which writes outside after a second."""

import os
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12, "processes": 3}


def double(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(3)
            with open(target["outside"] + "/daemon", "w") as file:
                file.write("still here")
            time.sleep(3)
        os._exit(0)
    return 2 * x
