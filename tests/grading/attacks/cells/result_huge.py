"""Returns a tensor of 300 MB."""

import torch

DESERVES = {"double": 0}
BOUNDS = {"seconds": 20, "memory": 1000 << 20}


def double(x):
    return torch.ones(75 << 20)
