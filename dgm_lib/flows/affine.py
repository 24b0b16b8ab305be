"""Affine bijections: every coordinate may depend on every other, but only linearly.

Affine     z = W x + b with any invertible W;  log|det ∂z/∂x| = log|det W|, O(d³)
Cholesky   x = μ + L z with L lower triangular: the multivariate normal N(μ, L Lᵀ);
           log|det ∂z/∂x| = -Σ log L_ii, O(d)
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.model import Bijection
from dgm_lib.validate import require, require_tensor


class Affine(Bijection):
    """z = W x + b, from data to noise, with W and b learned.

    Args:
        matrix: the initial W.
        shift: the initial b; zero if left out.

    Raises:
        ValueError: if `matrix` is not square, holds NaN, or is singular.
    """

    def __init__(self, matrix: Float[Tensor, "d d"], shift: Float[Tensor, " d"] | None = None):
        require_tensor("matrix", matrix, ("d", "d"))
        d = matrix.shape[0]
        require_tensor("matrix", matrix, (d, d))
        rank = int(torch.linalg.matrix_rank(matrix))
        require(
            rank == d, f"matrix: got a singular matrix (rank {rank} of {d}); want an invertible one"
        )
        super().__init__()
        self.matrix = nn.Parameter(matrix.detach().clone())
        self.shift = nn.Parameter(matrix.new_zeros(d) if shift is None else shift.detach().clone())

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        log_det = torch.linalg.slogdet(self.matrix).logabsdet
        return x @ self.matrix.T + self.shift, log_det.expand(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        log_det = -torch.linalg.slogdet(self.matrix).logabsdet
        x = torch.linalg.solve(self.matrix, (z - self.shift).T).T
        return x, log_det.expand(z.shape[0])


class Cholesky(Bijection):
    """x = μ + L z with a positive diagonal: a flow of this one step is N(μ, L Lᵀ).

    Raises:
        ValueError: if d < 1.
    """

    def __init__(self, d: int):
        require(d >= 1, f"d: got {d}; want at least one coordinate")
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(d))
        self.log_diagonal = nn.Parameter(torch.zeros(d))
        self.below = nn.Parameter(torch.zeros(d * (d - 1) // 2))
        self.register_buffer("rows", torch.tril_indices(d, d, -1), persistent=False)

    @property
    def factor(self) -> Float[Tensor, "d d"]:
        """L."""
        return torch.diag(self.log_diagonal.exp()).index_put(
            (self.rows[0], self.rows[1]), self.below
        )

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z = torch.linalg.solve_triangular(self.factor, (x - self.loc).T, upper=False).T
        return z, -self.log_diagonal.sum().expand(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self.loc + z @ self.factor.T, self.log_diagonal.sum().expand(z.shape[0])
