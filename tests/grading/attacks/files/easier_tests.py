"""Makes the test cells easier, adds points to them and unlocks them."""

DESERVES = {"double": 0}


def damage(nb, folder, target):
    cell(nb, "double")["source"] = "def double(x):\n    return None"
    test = cell(nb, "check_double")
    test["source"] = "1000"
    test["metadata"]["nbgrader"].update(points=1000, locked=False, solution=True)
    return nb
