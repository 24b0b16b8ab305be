"""Hands in two notebooks, a right one and a wrong one, neither of which has the right name."""

import json

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    (folder / "a.ipynb").write_text(json.dumps(nb))
    cell(nb, "double")["source"] = "pass"
    (folder / "b.ipynb").write_text(json.dumps(nb))
