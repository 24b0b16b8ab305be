"""Makes a sparse file that claims 1 TB and maps it."""

import mmap

DESERVES = {"double": 0}


def double(x):
    with open("sparse", "wb+") as file:
        file.truncate(1 << 40)
        mmap.mmap(file.fileno(), 1 << 40)[1 << 39]
    return 2 * x
