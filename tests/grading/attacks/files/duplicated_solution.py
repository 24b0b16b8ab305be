"""Has a solution's cell twice, first right and then wrong: of two cells the last one counts."""

import copy

DESERVES = {"double": 0}


def damage(nb, folder, target):
    again = copy.deepcopy(cell(nb, "double"))
    again.update(id="again", source="def double(x):\n    return None")
    nb["cells"].append(again)
    return nb
