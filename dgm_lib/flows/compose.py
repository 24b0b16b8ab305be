"""Bijections made of bijections: one after the other, and backwards.

For z = f_K(… f_1(x)) the chain rule multiplies Jacobians, so log-determinants add up:

    log|det ∂z/∂x| = Σ_k log|det ∂f_k/∂h_{k-1}|,    h_0 = x, h_k = f_k(h_{k-1}),

each taken at its own input h_{k-1}. The inverse runs the steps in reverse order.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.model import Bijection
from dgm_lib.validate import require


class Compose(Bijection):
    """`Compose([f, g])` maps x to g(f(x)): the first in the list is the closest to the data.

    Raises:
        ValueError: if the list is empty.
    """

    def __init__(self, bijections: Sequence[Bijection]):
        require(len(bijections) > 0, "bijections: got an empty list; want at least one")
        super().__init__()
        self.bijections = nn.ModuleList(bijections)

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *noise"], Float[Tensor, " n"]]:
        total = None
        for bijection in self.bijections:
            x, log_det = bijection(x, context)
            total = log_det if total is None else total + log_det
        return x, total

    def inverse(
        self, z: Float[Tensor, "n *noise"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        total = None
        for bijection in reversed(self.bijections):
            z, log_det = bijection.inverse(z, context)
            total = log_det if total is None else total + log_det
        return z, total


class Inverse(Bijection):
    """The same map with its two directions exchanged."""

    def __init__(self, bijection: Bijection):
        super().__init__()
        self.bijection = bijection

    def forward(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *noise"], Float[Tensor, " n"]]:
        return self.bijection.inverse(x, context)

    def inverse(
        self, z: Float[Tensor, "n *noise"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n *event"], Float[Tensor, " n"]]:
        return self.bijection(z, context)
