"""Legitimate: right after half a second of thought, with a global seed and another dtype set."""

import time

import torch

DESERVES = {}
torch.manual_seed(1)
torch.set_num_threads(2)
time.sleep(0.5)


def double(x):
    time.sleep(0.1)
    return torch.mul(x, 2)
