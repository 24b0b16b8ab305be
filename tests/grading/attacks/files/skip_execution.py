"""Tags the test cells skip-execution, which earns full marks in stock nbgrader."""

DESERVES = {"double": 0}


def damage(nb, folder, target):
    cell(nb, "double")["source"] = "def double(x):\n    return None"
    cell(nb, "check_double")["metadata"]["tags"] = ["skip-execution"]
    return nb
