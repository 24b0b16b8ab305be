"""Flips every flag of nbgrader's: solutions become tests, tests become solutions and tasks."""

DESERVES = {}


def damage(nb, folder, target):
    for c in nb["cells"]:
        mark = c["metadata"].get("nbgrader")
        for name in ("grade", "solution", "locked", "task"):
            if mark:
                mark[name] = not mark.get(name)
    return nb
