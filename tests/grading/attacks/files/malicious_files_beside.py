"""Right, with a pickle, a zip of the wrong kind and a checkpoint that run code when they are opened."""

import pickle

DESERVES = {}


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def damage(nb, folder, target):
    data = pickle.dumps(Bomb(target["outside"] + "/unpickled"))
    for name in ("model.pt", "data.npy", "cache.pkl", "results.json", "99_fake.json"):
        (folder / name).write_bytes(data)
    (folder / "99_fake.zip").write_bytes(b"PK\x03\x04" + b"\0" * 100)
    return nb
