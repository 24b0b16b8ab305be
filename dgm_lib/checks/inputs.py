"""Random inputs for checks, drawn from a seed: public in the notebook, secret in the grader."""

import hashlib

import torch
from torch import Tensor


class Draw:
    """A stream of random inputs, fixed by its key.

    Each property of each check has a stream of its own, so no property depends on the order in
    which the others ran.

    >>> bool((Draw(0, "energy").normal(3) == Draw(0, "energy").normal(3)).all())
    True
    """

    def __init__(self, *key: object):
        digest = hashlib.sha256(repr(key).encode()).digest()
        self.generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))

    def normal(self, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Independent N(0, scale²) entries."""
        return scale * torch.randn(shape, generator=self.generator, dtype=dtype)

    def uniform(
        self,
        *shape: int,
        low: float = 0.0,
        high: float = 1.0,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Independent entries, uniform on [low, high)."""
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=dtype)

    def bernoulli(self, *shape: int, p: float = 0.5, dtype: torch.dtype = torch.float32) -> Tensor:
        """Independent entries, 1 with probability p and 0 otherwise."""
        return (torch.rand(shape, generator=self.generator) < p).to(dtype)

    def integer(self, low: int, high: int) -> int:
        """A whole number with low <= k <= high."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def integers(self, *shape: int, low: int, high: int) -> Tensor:
        """Independent whole numbers with low <= k <= high, dtype int64."""
        return torch.randint(low, high + 1, shape, generator=self.generator)
