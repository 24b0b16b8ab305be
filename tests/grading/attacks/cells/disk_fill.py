"""Writes up to 1 GB to the disk, in its own folder."""

import os

DESERVES = {"double": 0}
BOUNDS = {"seconds": 60, "bytes": 1100 << 20}


def double(x):
    piece, written = b"x" * (16 << 20), 0
    try:
        for i in range(16):
            with open(f"fill-{i}", "wb", buffering=0) as file:
                for _ in range(4):
                    written += file.write(piece)
    finally:
        for i in range(16):
            if os.path.exists(f"fill-{i}"):
                os.unlink(f"fill-{i}")
    return 2 * x if written == 1 << 30 else None
