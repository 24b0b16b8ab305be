"""A FIFO has the notebook's name: whoever opens it waits for ever."""

import os

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    os.mkfifo(folder / "99_fake.ipynb")
