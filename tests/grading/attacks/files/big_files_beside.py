"""Right, with 3,000 files and one of 256 MB (sparse) beside it."""

DESERVES = {}


def damage(nb, folder, target):
    for i in range(3000):
        (folder / f"{i}.txt").write_text("x")
    with open(folder / "big.bin", "wb") as file:
        file.truncate(256 << 20)
    return nb
