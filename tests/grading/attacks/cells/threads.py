"""Right, but threads outlive the cell: they print, compute and spoil variables for seconds."""

import threading
import time

DESERVES = {}
BOUNDS = {"seconds": 12, "threads": 10}


def disturb():
    until = time.monotonic() + 6
    while time.monotonic() < until:
        print("me again")
        time.sleep(0.05)


for _ in range(8):
    threading.Thread(target=disturb, daemon=False).start()


def double(x):
    return 2 * x
