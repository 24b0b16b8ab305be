"""How wide a kernel should be: by a rule, by likelihood, or for each point.

Too wide blurs what is there (bias), too narrow shows the sample instead of the density (variance).
The likelihood of the training data cannot choose, since it grows without bound as h goes to 0:
every point must be judged by the others.

Source: Silverman (1986), Density Estimation, sections 3.4, 4.3 and 5.3; Abramson (1982),
doi:10.1214/aos/1176345986, for bandwidths that follow the density.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.density.kde import kernel_log_prob, require_bandwidth
from dgm_lib.density.kernels import Kernel, require_kernel
from dgm_lib.validate import require, require_tensor


def silverman_bandwidth(data: Float[Tensor, "m d"]) -> float:
    """h = σ (4 / ((d + 2) m))^(1/(d + 4)), the best choice for a Gaussian kernel if the data are
    Gaussian with standard deviation σ in each direction (σ² is the mean variance of the columns).

    Standardise columns of different scale first. For data with several modes it is too wide.

    Raises:
        ValueError: for fewer than 2 points, or a constant column, which has no density.
    """
    require_tensor("data", data, ("m", "d"), batch=True)
    m, d = data.shape
    require(m >= 2, f"data: got {m} point; want at least 2 to see a spread")
    constant = (data == data[0]).all(0).nonzero().flatten().tolist()
    require(
        not constant,
        f"data: column {constant[0] if constant else ''} is constant; want spread in every column, "
        "so leave it out",
    )
    sigma = data.var(0).mean().sqrt().item()
    return sigma * (4 / ((d + 2) * m)) ** (1 / (d + 4))


def loo_log_likelihood(data: Float[Tensor, "m d"], h: float) -> Float[Tensor, ""]:
    """How well each point is predicted by all others: (1/m) Σ_i log p_{-i}(x_i), where p_{-i} is
    the Gaussian kernel density estimate from the m - 1 points other than x_i.

    Args:
        data: m points in d dimensions, at least two.
        h: the bandwidth.

    Returns:
        The mean leave-one-out log-likelihood, a scalar, in nats.
    """
    return kernel_log_prob(data, data, h, "gaussian", leave_one_out=True).mean()


def loo_bandwidth(
    data: Float[Tensor, "m d"],
    candidates: Float[Tensor, " c"] | None = None,
    kernel: Kernel = "gaussian",
) -> float:
    """The candidate with the largest leave-one-out likelihood.

    Args:
        data: m points.
        candidates: bandwidths to try; by default 41 on a logarithmic scale from Silverman's
            divided by 20 to Silverman's times 5.
        kernel: those of finite width need an h that reaches every point's neighbours.

    Raises:
        ValueError: if every point has an exact copy (then h = 0 would win), or no candidate
            gives every point a positive density.
    """
    require_kernel(kernel)
    require_tensor("data", data, ("m", "d"), batch=True)
    require(len(data) >= 2, "data: got 1 point; want at least 2")
    copies = data.unique(dim=0, return_counts=True)[1]
    require(
        bool((copies == 1).any()),
        "data: every point has an exact copy, so the likelihood grows without bound as h goes "
        "to 0; remove the copies",
    )
    if candidates is None:
        candidates = silverman_bandwidth(data) * torch.logspace(
            math.log10(1 / 20), math.log10(5), 41
        )
    require_tensor("candidates", candidates, ("c",), batch=True)
    scores = torch.stack(
        [
            kernel_log_prob(data, data, h, kernel, leave_one_out=True).mean()
            for h in candidates.tolist()
        ]
    )
    best = int(scores.argmax())
    require(
        bool(torch.isfinite(scores[best])),
        f"candidates: got at most {candidates.max():g}, and some point is out of reach of all "
        f"others with kernel {kernel!r}; want wider ones",
    )
    return candidates[best].item()


def adaptive_bandwidth(
    data: Float[Tensor, "m d"], h: float, kernel: Kernel = "gaussian", sensitivity: float = 0.5
) -> Float[Tensor, " m"]:
    """A bandwidth for each point: h (g / p(x_i))^sensitivity, where p is the estimate with h for
    all and g the geometric mean of p over the data. Narrow where data are dense, wide where sparse.

    Sensitivity 1/2 is Abramson's square-root law; 0 gives h for all.
    """
    require(0 <= sensitivity <= 1, f"sensitivity: got {sensitivity}; want a number in [0, 1]")
    log_p = kernel_log_prob(data, data, h, kernel)
    return require_bandwidth(h, data) * torch.exp(-sensitivity * (log_p - log_p.mean()))
