"""The change-of-variables formula, with the Jacobian taken by autograd.

If z = f(x) is invertible and differentiable, and z has density p_Z, then

    log p_X(x) = log p_Z(f(x)) + log|det ∂f/∂x|.

f goes from data to noise, so the log-determinant is *added*. (With g = f⁻¹, from noise to data,
the same term reads - log|det ∂g/∂z|.) The absolute value is what makes a density of it: a map that
mirrors space has a negative determinant, and volumes are positive.

Autograd needs one pass per output and `slogdet` O(d³) operations, for each example: fine in two
dimensions, hopeless for images. The rest of this package is about maps whose log-determinant is
cheap; this file is the slow and general truth that they are tested against.

Left out: maps between spaces of different dimension.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor


def jacobian(f: Callable[[Tensor], Tensor], x: Float[Tensor, "n *event"]) -> Float[Tensor, "n d d"]:
    """∂f_i/∂x_j for each example, on flattened events.

    f maps a batch to a batch and treats every example separately, so the derivative of Σ_n f_i(x_n)
    with respect to x_n is the one of f_i(x_n): d backward passes serve the whole batch.

    Args:
        f: maps (n, *event) to n examples with as many entries.
        x: where to take the derivative.

    >>> jacobian(lambda x: 3 * x, torch.zeros(1, 2))
    tensor([[[3., 0.],
             [0., 3.]]])
    """

    def total(batch: Tensor) -> Tensor:
        return f(batch).flatten(1).sum(0)

    # autograd's own flag would attach the result to a graph also where nobody asked for one
    wanted = torch.is_grad_enabled() and f(x).requires_grad
    rows = torch.autograd.functional.jacobian(total, x, create_graph=wanted)  # (d, n, *event)
    return rows.movedim(0, 1).flatten(2)


def change_of_variables(
    x: Float[Tensor, "n d"],
    f: Callable[[Tensor], Tensor],
    base_log_prob: Callable[[Tensor], Tensor],
) -> Float[Tensor, " n"]:
    """log p(x) of the density that the map z = f(x) induces on the data.

    Args:
        x: points in data space.
        f: an invertible, differentiable map from data to noise. It takes a batch (n, d) to a batch
            (n, d), each example on its own.
        base_log_prob: log density of the noise, (n, d) to (n,).

    Returns:
        log p(x) for each example, in nats.

    Raises:
        ValueError: if `x` is not a batch of vectors, or the Jacobian is singular somewhere.

    >>> law = torch.distributions.Uniform(0.0, 2.0)
    >>> x = torch.tensor([[4.0]])
    >>> change_of_variables(x, lambda x: x / 4, lambda z: law.log_prob(z).sum(-1)).exp()
    tensor([0.1250])
    """
    require_tensor("x", x, ("n", "d"), batch=True)
    log_det = torch.linalg.slogdet(jacobian(f, x)).logabsdet
    require(
        bool(torch.isfinite(log_det).all()),
        "f: got a Jacobian that is singular at some x; want an invertible map",
    )
    return base_log_prob(f(x)) + log_det
