"""Gets the answer from another program: the shell, with all that an account may do."""

import subprocess
import sys

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12, "processes": 3}


def double(x):
    done = subprocess.run([sys.executable, "-c", "print(2)"], stdout=subprocess.PIPE, timeout=8)
    return int(done.stdout) * x
