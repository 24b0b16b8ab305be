"""Ignores every signal that can be ignored, and then never returns."""

import contextlib
import signal
import threading
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}


def double(x):
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(Exception):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    until = time.monotonic() + 4
    while time.monotonic() < until:
        threading.Event().wait(0.1)
