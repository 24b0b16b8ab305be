"""The Gaussian that is nearest to a density p, by forward and by reverse KL.

p is given by log p at the points of a fine grid, so every integral is a sum over cells, and exact
up to the grid.

    forward   min_q KL(p ‖ q)   the moments of p: q must cover all of p
    reverse   min_q KL(q ‖ p)   no closed form, so gradient descent: q may sit in one mode

Source: Bishop (2006), section 10.1.2, figures 10.2 and 10.3.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.density.gaussian import gaussian_log_prob
from dgm_lib.validate import require, require_tensor


def grid_kl(
    log_p: Float[Tensor, " n"], log_q: Float[Tensor, " n"], cell: float
) -> Float[Tensor, ""]:
    """KL(p ‖ q) = Σ p (log p - log q) · cell, from log densities at the centres of cells of volume
    `cell`, in nats."""
    require_tensor("log_p", log_p, ("n",), batch=True)
    require_tensor("log_q", log_q, (len(log_p),))
    _require_cell(cell)
    return (log_p.exp() * (log_p - log_q)).sum() * cell


def fit_forward(
    grid: Float[Tensor, "n d"], log_p: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean and covariance of the Gaussian q that minimises KL(p ‖ q): those of p itself.

    Args:
        grid: the centres of equal cells.
        log_p: log p there, up to a constant.
    """
    _require_grid(grid, log_p)
    weight = log_p.softmax(0)
    mean = weight @ grid
    centred = grid - mean
    return mean, centred.T @ (weight[:, None] * centred)


def fit_reverse(
    grid: Float[Tensor, "n d"],
    log_p: Float[Tensor, " n"],
    cell: float,
    mean: Float[Tensor, " d"],
    std: float = 1.0,
    steps: int = 200,
) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """Mean and covariance of a Gaussian q that minimises KL(q ‖ p), by L-BFGS from a start.

    The result is a local optimum: which one depends on the start.

    Args:
        grid: the centres of equal cells, wide enough to hold q.
        log_p: log p there, up to a constant.
        cell: the volume of a cell.
        mean: where q starts.
        std: its standard deviation at the start, in every direction.
        steps: at most so many iterations.
    """
    _require_grid(grid, log_p)
    _require_cell(cell)
    d = grid.shape[1]
    require_tensor("mean", mean, (d,))
    require(std > 0, f"std: got {std}; want a positive standard deviation")
    mean = mean.clone().requires_grad_()
    log_diagonal = torch.full((d,), math.log(std), dtype=mean.dtype, requires_grad=True)
    lower = torch.zeros(d, d, dtype=mean.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [mean, log_diagonal, lower], max_iter=steps, line_search_fn="strong_wolfe"
    )

    def covariance() -> Tensor:
        L = lower.tril(-1) + torch.diag(log_diagonal.exp())
        return L @ L.T

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = grid_kl(gaussian_log_prob(grid, mean, covariance()), log_p, cell)
        value.backward()
        return value

    optimizer.step(loss)
    return mean.detach(), covariance().detach()


def _require_grid(grid: Tensor, log_p: Tensor) -> None:
    require_tensor("grid", grid, ("n", "d"), batch=True)
    require_tensor("log_p", log_p, (len(grid),))


def _require_cell(cell: float) -> None:
    require(cell > 0, f"cell: got {cell}; want the positive volume of a grid cell")
