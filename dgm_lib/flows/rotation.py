"""Orthogonal bijections: they mix coordinates and keep every volume.

    Permutation   reorders; det is +1 or -1 (slides often print 1; only its absolute value is 1)
    Householder   a product of k mirrors x - 2 v vᵀx / |v|²; O(kd), d parameters each, det (-1)^k
    Givens        turns disjoint pairs of coordinates by an angle each; O(d), det +1

|det| = 1 for all of them, so log|det| = 0. Any orthogonal matrix is a product of at most d mirrors;
any with det +1 is a product of Givens rotations.
Householder flows: Tomczak and Welling (2016), arXiv:1611.09630.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.model import Bijection
from dgm_lib.nn import seeded
from dgm_lib.validate import require


class Permutation(Bijection):
    """z_i = x_{order[i]}.

    Raises:
        ValueError: if `order` is not a reordering of 0 … d-1.

    >>> Permutation([2, 0, 1])(torch.tensor([[10.0, 11.0, 12.0]]))[0]
    tensor([[12., 10., 11.]])
    """

    def __init__(self, order: Sequence[int]):
        d = len(order)
        fits = d > 0 and sorted(order) == list(range(d))
        require(fits, f"order: got {list(order)}; want each of 0 … {d - 1} once")
        super().__init__()
        self.register_buffer("order", torch.tensor(order))
        self.register_buffer("back", torch.argsort(self.order))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return x.index_select(1, self.order), x.new_zeros(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return z.index_select(1, self.back), z.new_zeros(z.shape[0])


def reverse(d: int) -> Permutation:
    """The permutation that turns the order around: between couplings, it exchanges the halves.

    >>> reverse(3)(torch.tensor([[1.0, 2.0, 3.0]]))[0]
    tensor([[3., 2., 1.]])
    """
    require(d >= 1, f"d: got {d}; want at least one coordinate")
    return Permutation(list(range(d))[::-1])


class Householder(Bijection):
    """A product of mirrors, each across the hyperplane at right angles to a learned v.

    Args:
        d: coordinates.
        reflections: mirrors, k; an even number gives a rotation.
        seed: of the initial mirrors.

    Raises:
        ValueError: if d < 1 or reflections < 1.
    """

    def __init__(self, d: int, reflections: int = 2, seed: int = 0):
        require(d >= 1, f"d: got {d}; want at least one coordinate")
        require(reflections >= 1, f"reflections: got {reflections}; want at least one mirror")
        super().__init__()
        with seeded(seed):
            self.normals = nn.Parameter(torch.randn(reflections, d))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        for v in self.normals:
            x = _mirror(x, v)
        return x, x.new_zeros(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        for v in self.normals.flip(0):  # each mirror undoes itself
            z = _mirror(z, v)
        return z, z.new_zeros(z.shape[0])


def _mirror(x: Float[Tensor, "n d"], v: Float[Tensor, " d"]) -> Float[Tensor, "n d"]:
    return x - torch.outer(x @ v, 2 * v / v.square().sum())


class Givens(Bijection):
    """Turns each pair (i, j) of coordinates by a learned angle, (x_i, x_j) as in a plane.

    Args:
        d: coordinates.
        pairs: disjoint pairs; (0, 1), (2, 3), … if left out.

    Raises:
        ValueError: if d < 2, a pair is out of range, or the pairs overlap.
    """

    def __init__(self, d: int, pairs: Sequence[tuple[int, int]] | None = None):
        require(d >= 2, f"d: got {d}; want at least two coordinates to turn in")
        pairs = [(i, i + 1) for i in range(0, d - 1, 2)] if pairs is None else list(pairs)
        used = [k for pair in pairs for k in pair]
        fits = bool(used) and len(set(used)) == len(used) and set(used) <= set(range(d))
        require(fits, f"pairs: got {pairs}; want disjoint pairs of 0 … {d - 1}")
        super().__init__()
        self.angle = nn.Parameter(torch.zeros(len(pairs)))
        self.register_buffer("first", torch.tensor([i for i, _ in pairs]))
        self.register_buffer("second", torch.tensor([j for _, j in pairs]))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._turn(x, self.angle), x.new_zeros(x.shape[0])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._turn(z, -self.angle), z.new_zeros(z.shape[0])

    def _turn(self, x: Float[Tensor, "n d"], angle: Float[Tensor, " p"]) -> Float[Tensor, "n d"]:
        cos, sin = angle.cos(), angle.sin()
        a, b = x.index_select(1, self.first), x.index_select(1, self.second)
        turned = x.index_copy(1, self.first, cos * a - sin * b)
        return turned.index_copy(1, self.second, sin * a + cos * b)
