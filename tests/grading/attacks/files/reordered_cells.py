"""Has its cells backwards."""

DESERVES = {}


def damage(nb, folder, target):
    nb["cells"].reverse()
    return nb
