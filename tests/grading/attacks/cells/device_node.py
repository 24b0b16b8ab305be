"""Makes a device node (a copy of /dev/null) and a FIFO in /dev, which no notebook needs."""

import os
import stat

DESERVES = {"double": 0}


def double(x):
    os.mknod("null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with open("null", "w") as file:
        file.write("into the void")
    os.unlink("null")
    return 2 * x
