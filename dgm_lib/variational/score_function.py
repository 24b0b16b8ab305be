"""The score-function gradient (REINFORCE) for a discrete q, with a leave-one-out baseline.

    ∇_φ E_q[f(z)] = E_q[f(z) ∇_φ log q(z)]

needs no derivative of f, so z may be discrete, and has a large variance. Since E_q[∇ log q] = 0,
any constant may be subtracted from f without bias; so may, for each sample, the average of f over
the *other* samples. Williams (1992), doi:10.1007/BF00992696; Mnih and Rezende (2016),
arXiv:1602.06725, section 2; Kool et al. (2019), "Buy 4 REINFORCE samples, get a baseline for free!".
"""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require, require_tensor, require_values


def score_function_gradient(
    logits: Float[Tensor, " d"],
    z: Float[Tensor, "s d"],
    f: Float[Tensor, " s"],
    leave_one_out: bool = False,
) -> Float[Tensor, " d"]:
    """Estimate the gradient of E_q[f(z)] with respect to the logits of q.

    q makes the d units of z independent, with P(z_i = 1) = sigmoid(logits_i).

    Args:
        logits: the parameters of q.
        z: s samples from q, entries 0 or 1.
        f: the value of f at each sample.
        leave_one_out: subtract from each f the mean of f over the other s - 1 samples.

    Returns:
        the average over the samples of (f - baseline) times the gradient of log q(z).

    Raises:
        ValueError: on wrong shapes, entries of z other than 0 and 1, or leave_one_out with one
            sample.

    >>> z = torch.tensor([[1.0], [0.0]])
    >>> score_function_gradient(torch.zeros(1), z, torch.tensor([3.0, 1.0]))
    tensor([0.5000])
    """
    require_tensor("logits", logits, ("d",), batch=True)
    require_tensor("z", z, ("s", logits.shape[0]), batch=True)
    require_tensor("f", f, (z.shape[0],))
    require_values("z", z, (0.0, 1.0))
    if leave_one_out:
        f = centre_leave_one_out(f)
    score = z - torch.sigmoid(logits)
    return f @ score / len(f)


def centre_leave_one_out(f: Float[Tensor, "s *rest"]) -> Float[Tensor, "s *rest"]:
    """f minus the mean of the others, along the first axis.

    Raises:
        ValueError: if there are no others.

    >>> centre_leave_one_out(torch.tensor([1.0, 2.0, 6.0]))
    tensor([-3.0000, -1.5000,  4.5000])
    """
    s = f.shape[0]
    require(s >= 2, f"f: got {s} sample; want at least 2 for a leave-one-out baseline")
    return (f - f.mean(0)) * (s / (s - 1))
