"""Legitimate: the derivative of x², with a parameter that asks for gradients."""

import torch

DESERVES = {}
one = torch.nn.Parameter(torch.ones(()))


def double(x):
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad((one * x**2).sum(), x, create_graph=True)[0]
