"""Right, and leaves a timer that kills the process a little later."""

import os
import threading

DESERVES = {}


def double(x):
    return 2 * x


timer = threading.Timer(30, os._exit, (0,))
timer.daemon = True
timer.start()
