"""Right, with symbolic and hard links to a secret file, to a folder and to themselves beside it."""

import os

DESERVES = {}


def damage(nb, folder, target):
    (folder / "data.csv").symlink_to(target["secret"])
    (folder / "99_fake.html").symlink_to(target["secret"])
    (folder / "home").symlink_to(target["home"])
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "up").symlink_to("..")
    os.link(target["secret"], folder / "data.txt")
    return nb
