"""Mean field on a Boltzmann machine: a factorised q, and a lower bound on log Z.

For an undirected model p(x) = exp(-E(x)) / Z and any q,

    log Z = E_q[-E(x)] + H(q) + KL(q ‖ p) >= E_q[-E(x)] + H(q).

With {0,1} units, E(x) = -Σ_{i<j} w_ij x_i x_j - Σ b_i x_i, and a q of independent units with means
m, the bound is closed-form, and setting one unit to m_i = σ(b_i + Σ_j w_ij m_j) maximises it over
that unit: coordinate ascent. Jordan et al. (1999), doi:10.1023/A:1007665907178, section 6.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def mean_field_bound(
    m: Float[Tensor, "*n d"], weight: Float[Tensor, "d d"], bias: Float[Tensor, " d"]
) -> Float[Tensor, "*n"]:
    """E_q[-E(x)] + H(q) <= log Z, in nats, for independent units with means `m`.

    Raises:
        ValueError: on a weight that is not symmetric with zero diagonal, or m outside [0, 1].
    """
    _require_machine(weight, bias)
    require(bool(((m >= 0) & (m <= 1)).all()), "m: got values outside [0, 1]; want means")
    return _bound(m, weight, bias)


def mean_field(
    weight: Float[Tensor, "d d"],
    bias: Float[Tensor, " d"],
    start: Float[Tensor, " d"],
    sweeps: int = 20,
) -> tuple[Float[Tensor, " d"], Float[Tensor, " steps"]]:
    """Coordinate ascent from `start`, one unit at a time.

    Returns:
        the means of q, and the bound before the first update and after each one,
        `1 + sweeps * d` values that never fall.

    Raises:
        ValueError: as `mean_field_bound`.
    """
    _require_machine(weight, bias)
    require_tensor("start", start, (bias.shape[0],))
    m = start.clone()
    bounds = [mean_field_bound(m, weight, bias)]
    for _ in range(sweeps):
        for i in range(len(m)):
            m[i] = torch.sigmoid(bias[i] + weight[i] @ m)
            bounds.append(_bound(m, weight, bias))
    return m, torch.stack(bounds)


def _bound(m: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    energy = -0.5 * ((m @ weight) * m).sum(-1) - m @ bias
    entropy = (torch.special.entr(m) + torch.special.entr(1 - m)).sum(-1)
    return entropy - energy


def _require_machine(weight: Tensor, bias: Tensor) -> None:
    require_tensor("bias", bias, ("d",), batch=True)
    d = bias.shape[0]
    require_tensor("weight", weight, (d, d))
    require(
        torch.allclose(weight, weight.mT) and not weight.diagonal().any(),
        "weight: got a matrix that is not symmetric with zero diagonal; want one coupling per pair",
    )
