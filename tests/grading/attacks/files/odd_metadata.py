"""Metadata of every wrong type: marks that are lists, ids that are numbers, tags that are strings."""

DESERVES = {"square_sum": 0}


def damage(nb, folder, target):
    nb["metadata"] = {"kernelspec": 3, "language_info": [], "nbgrader": "x", "celltoolbar": None}
    cell(nb, "setup")["metadata"] = {"nbgrader": ["solution"], "tags": "demo", "editable": 3}
    cell(nb, "square_sum")["metadata"]["nbgrader"]["grade_id"] = ["square_sum"]
    cell(nb, "double")["metadata"]["nbgrader"]["schema_version"] = 10**400
    return nb
