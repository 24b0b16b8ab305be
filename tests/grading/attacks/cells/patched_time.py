"""Stops the clock: time.time, monotonic and perf_counter stand still, and then never returns."""

import signal
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}

signal.alarm(6)
time.time = time.monotonic = time.perf_counter = lambda: 0.0


def double(x):
    while True:
        pass
