"""Legitimate: with torch.jit and torch.func."""

import warnings

import torch

DESERVES = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    scripted = torch.jit.trace(lambda x: 2 * x, torch.ones(2))


def double(x):
    return torch.func.vmap(scripted)(x.reshape(-1, 1)).reshape(x.shape)
