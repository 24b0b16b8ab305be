"""A loop in C that never looks at signals: it holds the interpreter's lock."""

import re
import signal

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12}


def double(x):
    signal.alarm(6)
    return re.match("(a+)+$", "a" * 40 + "b")
