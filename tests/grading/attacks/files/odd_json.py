"""JSON that Python reads and others do not: NaN, numbers of 4,000 digits, keys twice, a byte-order mark."""

import json

DESERVES = {}


def damage(nb, folder, target):
    text = json.dumps(nb)
    odd = '{"odd": [NaN, -Infinity, ' + "9" * 4000 + '], "nbformat": 4, "nbformat": 4, '
    return b"\xef\xbb\xbf" + (odd + text[1:]).encode()
