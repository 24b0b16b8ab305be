"""Made data sets: points in the plane, bars and stripes, a geyser, plucked strings.

Everything here is drawn independently from a fixed law, so a model can be judged against the
truth; where the density is known it stands in `dgm_lib.data.exact`.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_lib.validate import require

RING_RADII = (1.0, 2.0, 3.0)


def two_moons(n: int, noise: float = 0.1, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Two interleaved half circles of radius 1, blurred by `noise` (a standard deviation).

    The upper one is (cos t, sin t), the lower (1 - cos t, 1/2 - sin t), t uniform on [0, π].

    >>> two_moons(5).shape
    torch.Size([5, 2])
    """
    _require_amounts(n, noise)
    g = torch.Generator().manual_seed(seed)
    t = math.pi * torch.rand(n, generator=g)
    lower = torch.rand(n, generator=g) < 0.5
    upper_moon = torch.stack([t.cos(), t.sin()], 1)
    lower_moon = torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    x = torch.where(lower[:, None], lower_moon, upper_moon)
    return x + noise * torch.randn(n, 2, generator=g)


def eight_gaussians(n: int, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Eight equal Gaussians on a circle of radius 4/√2, with standard deviation 0.5/√2."""
    _require_amounts(n)
    g = torch.Generator().manual_seed(seed)
    angle = math.pi / 4 * torch.randint(8, (n,), generator=g)
    centre = 4 * torch.stack([angle.cos(), angle.sin()], 1)
    return (centre + 0.5 * torch.randn(n, 2, generator=g)) / math.sqrt(2)


def checkerboard(n: int, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Uniform on the dark squares of a 4×4 board that covers [-4, 4]²: eight squares of side 2.

    A square is dark if its column and row are both even or both odd.
    """
    _require_amounts(n)
    g = torch.Generator().manual_seed(seed)
    column = torch.randint(4, (n,), generator=g)
    row = 2 * torch.randint(2, (n,), generator=g) + column % 2
    return 2 * (torch.stack([column, row], 1) + torch.rand(n, 2, generator=g)) - 4


def pinwheel(n: int, arms: int = 5, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Gaussian arms, sheared into a spiral (Johnson et al. 2016, arXiv:1603.06277).

    A point of an arm has radius 1 + 0.3 ε₁ and offset 0.1 ε₂; it is turned by the angle of its
    arm plus exp(radius) / 4, and everything is doubled.
    """
    _require_amounts(n)
    require(arms >= 1, f"arms: got {arms}; want at least 1")
    g = torch.Generator().manual_seed(seed)
    radius, offset = (torch.randn(n, 2, generator=g) * torch.tensor([0.3, 0.1])).unbind(1)
    radius = radius + 1
    angle = 2 * math.pi / arms * torch.randint(arms, (n,), generator=g) + radius.exp() / 4
    c, s = angle.cos(), angle.sin()
    return 2 * torch.stack([c * radius - s * offset, s * radius + c * offset], 1)


def swiss_roll(n: int, noise: float = 0.1, seed: int = 0) -> Float[Tensor, "n 2"]:
    """A spiral (t cos t, t sin t) / 5 with t uniform on [1.5 π, 4.5 π], blurred by `noise`."""
    _require_amounts(n, noise)
    g = torch.Generator().manual_seed(seed)
    t = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=g))
    roll = torch.stack([t * t.cos(), t * t.sin()], 1) / 5
    return roll + noise * torch.randn(n, 2, generator=g)


def rings(n: int, noise: float = 0.1, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Three circles of radius 1, 2 and 3, equally likely, blurred by `noise`."""
    _require_amounts(n, noise)
    g = torch.Generator().manual_seed(seed)
    radius = torch.tensor(RING_RADII)[torch.randint(len(RING_RADII), (n,), generator=g)]
    angle = 2 * math.pi * torch.rand(n, generator=g)
    circle = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return circle + noise * torch.randn(n, 2, generator=g)


def bars_and_stripes(side: int = 3) -> Float[Tensor, "m d"]:
    """Every distinct `side`×`side` image whose rows, or whose columns, are constant, in {0, 1}.

    There are 2^side of each kind, and the empty and the full image are of both: m is
    2^(side+1) - 2, d is side². (MacKay 2003, Information Theory, Inference, and Learning
    Algorithms, chapter 43.)

    >>> bars_and_stripes(2).int().tolist()
    [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]]
    """
    require(1 <= side <= 16, f"side: got {side}; want 1 to 16")
    if side == 1:
        return torch.tensor([[0.0], [1.0]])
    states = torch.arange(2**side)[:, None] >> torch.arange(side - 1, -1, -1) & 1
    columns = states[:, None, :].expand(-1, side, -1)
    rows = states[1:-1, :, None].expand(-1, -1, side)
    return torch.cat([columns, rows]).reshape(-1, side**2).float()


def old_faithful(n: int = 272, seed: int = 0) -> Float[Tensor, "n 2"]:
    """Like the geyser: minutes of an eruption, and minutes of waiting for the next.

    Drawn from the mixture of two Gaussians that maximum likelihood fits to the 272 observed
    pairs (Azzalini & Bowman 1990, doi:10.2307/2347385, printed by many introductions to EM).
    """
    _require_amounts(n)
    g = torch.Generator().manual_seed(seed)
    mean = torch.tensor([[2.036, 54.48], [4.290, 79.97]])
    covariance = torch.tensor(
        [[[0.0692, 0.4352], [0.4352, 33.70]], [[0.1700, 0.9406], [0.9406, 36.05]]]
    )
    long = (torch.rand(n, generator=g) < 0.644).long()
    noise = torch.randn(n, 2, 1, generator=g)
    return mean[long] + (torch.linalg.cholesky(covariance)[long] @ noise).squeeze(-1)


def audio(n: int, length: int = 1024, rate: int = 8000, seed: int = 0) -> Float[Tensor, "n length"]:
    """Plucked strings: `length` samples in [-1, 1], `rate` of them per second.

    Each sound is a sum of four harmonics of a random pitch (110 to 440 Hz, log-uniform) with
    amplitude 1/k, a random phase, and a decay that is faster for higher k; its peak is 1.
    """
    _require_amounts(n)
    require(length >= 1, f"length: got {length}; want at least 1 sample")
    require(
        rate > 3520, f"rate: got {rate}; want more than 3520 per second, twice the top harmonic"
    )
    g = torch.Generator().manual_seed(seed)
    pitch = 110 * 4 ** torch.rand(n, 1, 1, generator=g)
    phase = 2 * math.pi * torch.rand(n, 4, 1, generator=g)
    decay = 10 + 30 * torch.rand(n, 1, 1, generator=g)  # per second
    k, t = torch.arange(1, 5)[:, None], torch.arange(length) / rate
    wave = (torch.sin(2 * math.pi * k * pitch * t + phase) * torch.exp(-decay * k * t) / k).sum(1)
    return wave / wave.abs().amax(1, keepdim=True).clamp_min(1e-6)


def _require_amounts(n: int, noise: float = 0.0) -> None:
    require(n >= 1, f"n: got {n}; want at least 1 point")
    require(0 <= noise < math.inf, f"noise: got {noise}; want a standard deviation, at least 0")
