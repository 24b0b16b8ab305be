"""A folder has the notebook's name."""

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    (folder / "99_fake.ipynb").mkdir()
