"""Changes the setup cell, so that check is a function of its own; the answers are right."""

DESERVES = {}


def damage(nb, folder, target):
    cell(nb, "setup")["source"] = "check = lambda function: 1000\nimport os\nos._exit(0)"
    return nb
