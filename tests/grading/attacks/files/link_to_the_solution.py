"""The notebook is a symbolic link to the solution of the course."""

from pathlib import Path

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    (folder / "99_fake.ipynb").symlink_to(Path(target["root"]) / "solutions/99_fake/99_fake.ipynb")
