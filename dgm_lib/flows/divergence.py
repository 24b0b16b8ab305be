"""Two ways to fit a flow q to a target p, by which way round the KL divergence is taken.

    forward   KL(p ‖ q) = -E_{x~p}[log q(x)] + const     from data: `Flow.loss`
              runs f, data to noise. A q that misses a mode of p pays dearly: q covers.
    reverse   KL(q ‖ p) = E_{x~q}[log q(x) - log p(x)]   from an unnormalised log p: `reverse_kl`
              runs f⁻¹, noise to data. A q that strays where p is small pays dearly: q chooses.

Papamakarios et al. (2021), arXiv:1912.02762, section 2.3.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.flows.flow import Flow
from dgm_lib.validate import require


def reverse_kl(
    flow: Flow,
    log_target: Callable[[Tensor], Tensor],
    n: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """A Monte Carlo estimate of KL(q ‖ p), differentiable in the flow's parameters.

    With x = f⁻¹(z), log q(x) = log p_Z(z) - log|det ∂x/∂z|: the minus sign is there because
    the log-determinant is that of noise to data. If `log_target` lacks its constant, so does the
    result: KL - log Z.

    Args:
        flow: q.
        log_target: log p up to a constant, (n, d) to (n,), differentiable in x.
        n: how many draws from q.
        generator: of the noise.

    Raises:
        ValueError: if n < 1, or `log_target` does not return n finite numbers.
    """
    require(n >= 1, f"n: got {n}; want at least one draw")
    z = flow.base.sample(n, generator)
    x, log_det = flow.bijection.inverse(z)
    target = log_target(x)
    require(
        tuple(target.shape) == (n,),
        f"log_target: got shape {tuple(target.shape)}; want one number for each of {n} draws",
    )
    require(
        bool(torch.isfinite(target).all()), "log_target: got NaN or infinity; want finite values"
    )
    return (flow.base.log_prob(z) - log_det - target).mean()
