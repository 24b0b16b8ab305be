"""The notebook is a symbolic link to a secret file of the test, to have it in the feedback."""

DESERVES = {"double": 0, "square_sum": 0, "apply": 0}


def damage(nb, folder, target):
    (folder / "99_fake.ipynb").symlink_to(target["secret"])
