"""Makes 20,000 files, to use up what a file system can count."""

import os

DESERVES = {"double": 0}
BOUNDS = {"seconds": 30, "files": 20_010}


def double(x):
    os.mkdir("many")
    for i in range(20_000):
        os.close(os.open(f"many/{i}", os.O_CREAT | os.O_WRONLY))
    return 2 * x
