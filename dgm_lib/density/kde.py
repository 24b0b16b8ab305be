"""Kernel density estimation: a bump on every data point, and their average.

    p(x) = 1/m Σ_k 1/h_k^d K((x - x_k) / h_k)

with one bandwidth h, or one for each point. Exact for every query, in float32 at the cost of a
matrix product: |x - y|² = |x|² - 2 xᵀy + |y|² makes the m × n table of exponents an `addmm`, and it
is summed in tiles that fit in a processor's cache, so the memory does not grow with m · n. Left
out: trees and FFTs, which trade accuracy or generality for speed in few dimensions.

Source: Rosenblatt (1956), Parzen (1962); Silverman (1986), Density Estimation, chapters 3 and 4.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.density.kernels import Kernel, draw_kernel, kernel_log_norm, log_kernel, require_kernel
from dgm_lib.validate import require, require_tensor

ROWS, COLUMNS = 128, 2048  # a tile is 1 MB in float32
LOWEST = -60.0  # terms below e^-60 of the largest are rounded up to it: never visible in the sum


def kde_log_prob(
    x: Float[Tensor, "n d"], data: Float[Tensor, "m d"], h: float
) -> Float[Tensor, " n"]:
    """The log of the kernel density estimate with a Gaussian kernel: log 1/m Σ_k N(x; x_k, h² I).

    Args:
        x: n query points in d dimensions.
        data: m data points, the centres of the kernels.
        h: the bandwidth, the standard deviation of each kernel in every direction.

    Returns:
        log p(x) of each query, in nats; finite also far from all data.
    """
    return kernel_log_prob(x, data, h, "gaussian")


def kernel_log_prob(
    x: Float[Tensor, "n d"],
    data: Float[Tensor, "m d"],
    h: float | Float[Tensor, " m"],
    kernel: Kernel = "gaussian",
    leave_one_out: bool = False,
) -> Float[Tensor, " n"]:
    """log p(x) for any kernel, and a bandwidth for all points or for each; -inf where it is zero.

    Args:
        x: n query points.
        data: m data points.
        h: a positive number, or m of them.
        kernel: see `dgm_lib.density.kernels`.
        leave_one_out: x is data itself, and no point counts for its own density.

    Raises:
        ValueError: on wrong shapes, bandwidths that are not positive, or an unknown kernel.
    """
    require_kernel(kernel)
    require_tensor("data", data, ("m", "d"), batch=True)
    m, d = data.shape
    require_tensor("x", x, ("n", d), batch=True)
    h = require_bandwidth(h, data)
    others = m - 1 if leave_one_out else m
    require(others >= 1, "data: got a single point; want at least 2 to leave one out")

    out_dtype, centre = x.dtype, data.mean(0)  # |x|² - 2xᵀy + |y|² loses digits far from 0
    x, y = x - centre, data - centre
    reach = (torch.cat([x.detach(), y]).norm(dim=1).max() / h.min()) ** 2
    if reach * torch.finfo(x.dtype).eps > 1e-4:  # an exponent could be off by that much
        x, y, h = x.double(), y.double(), h.double()
    precision = h**-2
    right = torch.cat([y * precision[:, None], -0.5 * precision[:, None]], 1).T.contiguous()
    log_weight = -d * h.log()
    bias = -0.5 * (y * y).sum(1) * precision
    if kernel == "gaussian":
        bias = bias + log_weight  # one pass less

    log_p = []
    for i in range(0, len(x), ROWS):
        part = x[i : i + ROWS]
        left = torch.cat([part, (part * part).sum(1, keepdim=True)], 1)
        tiles = []
        for j in range(0, m, COLUMNS):
            tile = slice(j, j + COLUMNS)
            exponent = torch.addmm(bias[tile], left, right[:, tile])  # -½ |x - y|² / h²
            if kernel != "gaussian":
                squared = (-2 * exponent).clamp_min(0)
                exponent = log_kernel(squared, kernel) + log_weight[tile]
            if leave_one_out and i < j + COLUMNS and j < i + ROWS:
                exponent.diagonal(i - j).fill_(-torch.inf)
            tiles.append(_logsumexp(exponent))
        log_p.append(torch.stack(tiles).logsumexp(0))
    return (torch.cat(log_p) - math.log(others) - kernel_log_norm(kernel, d)).to(out_dtype)


class KernelDensity:
    """A kernel density estimate; `fit` sets `data_` and the bandwidth `h_`, one for each point.

    Args:
        h: a number, or how to choose it: `"silverman"`, or `"leave-one-out"` (by likelihood).
        kernel: one of `KERNELS`.
        adaptive: widen the kernel where data are sparse (`adaptive_bandwidth`).

    >>> model = KernelDensity(h=1.0).fit(torch.zeros(1, 1))
    >>> model.log_prob(torch.zeros(1, 1)).exp()
    tensor([0.3989])
    """

    data_: Float[Tensor, "m d"]
    h_: Float[Tensor, " m"]

    def __init__(
        self, h: float | str = "silverman", kernel: Kernel = "gaussian", adaptive: bool = False
    ):
        require_kernel(kernel)
        known = h in ("silverman", "leave-one-out") if isinstance(h, str) else 0 < h < math.inf
        require(known, f"h: got {h!r}; want a positive number, 'silverman' or 'leave-one-out'")
        self.h, self.kernel, self.adaptive = h, kernel, adaptive

    def fit(self, data: Float[Tensor, "m d"]) -> "KernelDensity":
        """Keep the data, and choose the bandwidth."""
        from dgm_lib.density import bandwidth

        require_tensor("data", data, ("m", "d"), batch=True)
        if self.h == "silverman":
            h = bandwidth.silverman_bandwidth(data)
        elif self.h == "leave-one-out":
            h = bandwidth.loo_bandwidth(data, kernel=self.kernel)
        else:
            h = self.h
        if self.adaptive:
            h = bandwidth.adaptive_bandwidth(data, h, self.kernel)
        self.data_, self.h_ = data, require_bandwidth(h, data)
        return self

    def log_prob(self, x: Float[Tensor, "n d"], context: None = None) -> Float[Tensor, " n"]:
        """log p(x), in nats; -inf where no kernel of finite width reaches."""
        return kernel_log_prob(x, self.data_, self.h_, self.kernel)

    def sample(
        self, n: int, context: None = None, generator: torch.Generator | None = None
    ) -> Float[Tensor, "n d"]:
        """A data point at random, plus h times a draw from the kernel."""
        require(n >= 1, f"n: got {n}; want at least 1")
        m, d = self.data_.shape
        chosen = torch.randint(m, (n,), generator=generator).to(self.data_.device)
        eps = draw_kernel(self.kernel, n, d, generator).to(self.data_)
        return self.data_[chosen] + self.h_[chosen, None] * eps


def require_bandwidth(h: float | Tensor, data: Tensor) -> Tensor:
    """`h` as m positive numbers of the dtype of data."""
    if isinstance(h, Tensor):
        require_tensor("h", h, (len(data),))
    h = torch.as_tensor(h, dtype=data.dtype, device=data.device).expand(len(data))
    good = bool(torch.isfinite(h).all()) and bool((h > 0).all())
    require(good, f"h: got {h.min().item():g}; want a positive bandwidth")
    return h


def _logsumexp(a: Tensor) -> Tensor:
    """Over axis 1. `torch.logsumexp` is ten times slower on rows that spread from 0 to -100, where
    exp gives numbers too small to be normal floats; here they are rounded up to e^-60. Without
    gradients it works in place, on `a`."""
    top = a.detach().amax(1, keepdim=True)
    empty = top == -torch.inf
    top = top.masked_fill(empty, 0)
    if a.requires_grad:
        terms = (a - top).clamp_min(LOWEST).exp()
    else:
        terms = a.sub_(top).clamp_min_(LOWEST).exp_()
    total = terms.sum(1).log() + top[:, 0]
    return total.masked_fill(empty[:, 0], -torch.inf)
