"""Climbs out of its folder by .., by symbolic links and by odd names."""

import contextlib
import os

DESERVES = {"double": 0}


def double(x):
    read = []
    secret = target["secret"]
    ways = ["../" * 12 + secret.lstrip("/"), f"/proc/self/root{secret}", f"/proc/1/root{secret}"]
    with contextlib.suppress(OSError):
        os.symlink(secret, "a link")
        ways.append("a link")
    with contextlib.suppress(OSError):
        os.symlink("/", "root")
        ways.append(f"root{secret}")
    for way in ways:
        with contextlib.suppress(OSError), open(way) as file:
            read.append(file.read())
    print(*read)
    return 2 * x if read else None
