"""Right, with text that breaks encoders: lone surrogates, NUL, half a pair, and direction marks."""

import sys
import warnings

DESERVES = {}
odd = "\ud800 \x00 \udfff \u202e \uffff"
print(odd)
print(odd, file=sys.stderr)


def double(x):
    warnings.warn(odd)
    return 2 * x


odd
