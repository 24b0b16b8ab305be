"""Terminal control codes in outputs, errors and warnings: they would rewrite the instructor's screen."""

import warnings

DESERVES = {"double": 0}
NEVER = ["\x1b]0;", "\x1b[2J", "\x9b"]
codes = "\x1b]0;title\x07\x1b[2J\x1b[1;1Hall full\x9b2J\r\b\x00"
print(codes)


def double(x):
    warnings.warn(codes)
    raise ValueError(codes)
