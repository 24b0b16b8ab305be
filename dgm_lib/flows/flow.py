"""A normalizing flow: a simple law of noise, seen through a bijection.

    density    log p(x) = log p_Z(f(x)) + log|det ∂f/∂x|     f: data to noise
    sampling   x = f⁻¹(z), z ~ p_Z

Rezende and Mohamed (2015), arXiv:1505.05770; Papamakarios et al. (2021), arXiv:1912.02762.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dgm_lib.flows.base import StandardLogistic, StandardNormal
from dgm_lib.flows.compose import Compose
from dgm_lib.model import Bijection
from dgm_lib.validate import require, require_tensor


class Flow(nn.Module):
    """A density from a bijection (data to noise) and a base (the law of the noise).

    Args:
        bijection: one bijection, or a list that is composed, the first closest to the data.
        base: the law of the noise.
        shape: of one example, where it differs from the noise's (images to vectors, say).

    >>> from dgm_lib.flows import Cholesky
    >>> flow = Flow(Cholesky(2), StandardNormal(2))
    >>> flow.log_prob(torch.zeros(3, 2)).shape, flow.sample(5).shape
    (torch.Size([3]), torch.Size([5, 2]))
    """

    def __init__(
        self,
        bijection: Bijection | Sequence[Bijection],
        base: StandardNormal | StandardLogistic,
        shape: Sequence[int] | None = None,
    ):
        super().__init__()
        single = isinstance(bijection, Bijection)
        self.bijection = bijection if single else Compose(bijection)
        self.base = base
        self.shape = tuple(base.shape if shape is None else shape)

    def log_prob(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, " n"]:
        """log p(x), or log p(x | context), in nats.

        Raises:
            ValueError: if `x` has another shape, is empty, or holds NaN or infinity.
        """
        require_tensor("x", x, ("n", *self.shape), batch=True)
        if context is not None:
            require_tensor("context", context, (x.shape[0], "c"))
        z, log_det = self.bijection(x, context)
        return self.base.log_prob(z) + log_det

    def loss(
        self, x: Float[Tensor, "n *event"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, ""]:
        """The mean negative log-likelihood: the forward KL up to the data's entropy."""
        return -self.log_prob(x, context).mean()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Float[Tensor, "n c"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n *event"]:
        """n draws; with a context, one for each of its n rows.

        Raises:
            ValueError: if n < 1, or `context` has another number of rows.
        """
        require(n >= 1, f"n: got {n}; want at least one draw")
        if context is not None:
            require_tensor("context", context, (n, "c"))
        return self.bijection.inverse(self.base.sample(n, generator), context)[0]
