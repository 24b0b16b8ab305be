"""Returns objects whose unpickling would run code in the grader, in every wrapping that it knows."""

import numpy as np
import torch

DESERVES = {"double": 0}


class Bomb:
    def __reduce__(self):
        return open, (target["outside"] + "/unpickled", "w")


class Tensor(torch.Tensor):
    def __reduce_ex__(self, protocol):
        return open, (target["outside"] + "/unpickled", "w")


results = [Bomb(), [Bomb()], {"a": Bomb()}, np.array([Bomb()], dtype=object)]


def double(x):
    results.append(results.pop(0))
    return results[-1]
