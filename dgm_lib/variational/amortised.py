"""One q per data point, against one encoder for all: the amortisation gap.

An encoder guesses the parameters of q(z | x) from x in one pass. Optimising them for each x alone
takes hundreds of steps and gives a tighter bound. So the gap splits in two (Cremer et al., 2018,
arXiv:1801.03558, equation 2):

    log p(x) - ELBO = [log p(x) - best ELBO of the family] + [best ELBO - the encoder's ELBO]
                      approximation gap                      amortisation gap
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from dgm_lib.model import LatentVariable
from dgm_lib.nn import draw
from dgm_lib.validate import require


def fit_per_point(
    model: LatentVariable,
    x: Float[Tensor, "n *event"],
    steps: int = 200,
    lr: float = 0.03,
    samples: int = 8,
    seed: int = 0,
) -> Distribution:
    """A diagonal Gaussian q of its own for each example; the model's parameters stay as they are.

    Starts at the model's encoder and climbs the ELBO by reparameterised gradients.

    Args:
        x: data.
        steps, lr: of Adam.
        samples: draws of z per example and step.
        seed: of the draws.

    Returns:
        `Independent(Normal(mean, std), 1)` with a batch of n.

    Raises:
        ValueError: if steps < 1 or samples < 1.
    """
    require(steps >= 1, f"steps: got {steps}; want at least 1")
    require(samples >= 1, f"samples: got {samples}; want at least 1")
    generator = torch.Generator(x.device).manual_seed(seed)
    with torch.no_grad():
        start = model.encode(x)
    mean = start.mean.clone().requires_grad_()
    log_std = start.stddev.log().clone().requires_grad_()
    optimiser = torch.optim.Adam([mean, log_std], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        q = Independent(Normal(mean, log_std.exp()), 1)
        z = draw(q, (samples,), generator)
        log_joint = model.decode(z).log_prob(x) + model.prior().log_prob(z)
        bound = (log_joint - q.log_prob(z)).mean(0).sum()
        mean.grad, log_std.grad = torch.autograd.grad(-bound, [mean, log_std])
        optimiser.step()
        schedule.step()
    return Independent(Normal(mean.detach(), log_std.detach().exp()), 1)
