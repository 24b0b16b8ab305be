"""Raises an exception that cannot be printed, and shows objects whose repr raises."""

DESERVES = {"double": 0}


class Rude(Exception):
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __str__

    @property
    def __class__(self):
        raise RuntimeError("no")


class Shy:
    def __repr__(self):
        raise Rude

    def _repr_html_(self):
        raise SystemExit


def double(x):
    raise Rude


Shy()
