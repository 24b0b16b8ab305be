"""The histogram: count the points in each cell of a regular grid.

    p(x) = (points in the cell of x) / (m h^d)

Simple and quick, but it depends on where the grid starts, jumps at the borders of cells, and in d
dimensions almost every cell is empty. Only occupied cells are stored.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.validate import require, require_tensor


class Histogram:
    """Cells [origin + j h, origin + (j+1) h), the same in every dimension.

    Args:
        h: the width of a cell.
        origin: where the grid starts.

    >>> model = Histogram(h=1.0).fit(torch.tensor([[0.2], [0.7], [2.5]]))
    >>> model.log_prob(torch.tensor([[0.5], [1.5], [2.1]])).exp()
    tensor([0.6667, 0.0000, 0.3333])
    """

    cells_: Int[Tensor, "c d"]
    counts_: Int[Tensor, " c"]

    def __init__(self, h: float, origin: float = 0.0):
        require(0 < h < math.inf, f"h: got {h}; want a positive width")
        require(math.isfinite(origin), f"origin: got {origin}; want a finite number")
        self.h, self.origin = h, origin

    def fit(self, data: Float[Tensor, "m d"]) -> "Histogram":
        """Count."""
        require_tensor("data", data, ("m", "d"), batch=True)
        self.cells_, self.counts_ = self._cell(data).unique(dim=0, return_counts=True)
        self._dtype = data.dtype
        return self

    def log_prob(self, x: Float[Tensor, "n d"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), in nats; -inf in empty cells."""
        d = self.cells_.shape[1]
        require_tensor("x", x, ("n", d), batch=True)
        # cells and queries get common numbers, and then a table is looked up
        both = torch.cat([self.cells_, self._cell(x)])
        number = both.unique(dim=0, return_inverse=True)[1]
        c = len(self.cells_)
        counts = torch.zeros(int(number.max()) + 1, dtype=x.dtype, device=x.device)
        counts[number[:c]] = self.counts_.to(x.dtype)
        return counts[number[c:]].log() - math.log(int(self.counts_.sum())) - d * math.log(self.h)

    def sample(
        self, n: int, context: None = None, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n d"]:
        """A cell in proportion to its count, then a uniform point in it."""
        require(n >= 1, f"n: got {n}; want at least 1")
        chosen = torch.multinomial(self.counts_.double(), n, True, generator=generator)
        cells = self.cells_[chosen]
        u = torch.rand(cells.shape, generator=generator, dtype=self._dtype, device=cells.device)
        return self.origin + self.h * (cells + u)

    def _cell(self, x: Tensor) -> Tensor:
        return ((x - self.origin) / self.h).floor().long()
