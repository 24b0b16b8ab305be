"""Ends in the middle of the file."""

import json

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    return json.dumps(nb).encode()[:700]
