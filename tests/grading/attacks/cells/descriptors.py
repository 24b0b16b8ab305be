"""Looks at every open file descriptor: lists, reads, and writes nonsense to what is no socket of its own."""

import contextlib
import os

DESERVES = {"double": 0}


def double(x):
    found = []
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.set_blocking(number, False)
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"/proc/self/fd/{number}").encode())
            with contextlib.suppress(OSError):
                found.append(os.read(number, 1 << 16))
            os.write(number, b"nonsense")
    print(*(text for text in found if b"CANARY" in text))
    return None
