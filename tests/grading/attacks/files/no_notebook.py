"""Hands in everything but a notebook."""

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    (folder / "notes.txt").write_text("I will hand it in tomorrow")
