"""Starts 300 threads, each of which lives for seconds."""

import threading
import time

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12, "threads": 310}


def double(x):
    threads = [threading.Thread(target=time.sleep, args=(1.5,), daemon=True) for _ in range(300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 2 * x
