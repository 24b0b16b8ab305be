"""Memory that is not the process's own: shared maps, memfd and /dev/shm, up to 2 GB together."""

import contextlib
import mmap
import os

DESERVES = {"double": 0}
BOUNDS = {"seconds": 30, "memory": 2800 << 20, "bytes": 700 << 20}


def double(x):
    piece, kept, got = b"x" * (16 << 20), [], 0
    with contextlib.suppress(Exception):
        for _ in range(40):
            kept.append(mmap.mmap(-1, len(piece)))
            got += kept[-1].write(piece)
    with contextlib.suppress(Exception):
        kept.append(os.memfd_create("more"))
        for _ in range(40):
            got += os.write(kept[-1], piece)
    with contextlib.suppress(Exception):
        path = f"/dev/shm/dgm-attack-{os.getpid()}"
        with open(path, "wb", buffering=0) as file:
            os.unlink(path)
            for _ in range(40):
                got += file.write(piece)
    return 2 * x if got > 3 << 29 else None
