"""Makes a hard link to a secret file of the test, and reads it through that."""

import os

DESERVES = {"double": 0}


def double(x):
    os.link(target["secret"], "linked")
    print(open("linked").read())
    return 2 * x
