"""Hands in notebook format 3, with worksheets and without ids."""

import nbformat

DESERVES = {}


def damage(nb, folder, target):
    old = nbformat.convert(nbformat.from_dict(nb), 3)
    return nbformat.writes(old, version=nbformat.NO_CONVERT).encode()
