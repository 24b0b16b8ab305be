"""Runs programs through IPython's magics: the answer is right only if the shell answers."""

DESERVES = {"double": 0}
BOUNDS = {"seconds": 12, "processes": 3}
factor = get_ipython().getoutput("echo 2")


def double(x):
    return int(factor[0]) * x
