"""Returns a tensor of 8 TB that takes four bytes: one number, repeated by its strides."""

import torch

DESERVES = {"double": 0}


def double(x):
    return torch.ones(1).expand(1 << 41)
