"""Scripts in an exception's name and text, in a warning and in a string that comes back."""

import warnings

DESERVES = {"double": 0}
NEVER = ["<script>steal", "<img src=x onerror=steal"]
bad = "<script>steal()</script><img src=x onerror=steal()>"
Bad = type(bad, (Exception,), {})
turn = [lambda: bad, lambda: {bad: bad}]


def double(x):
    warnings.warn(bad)
    turn.append(turn.pop(0))
    if x.dim() == 0:
        raise Bad(bad)
    return turn[-1]()
