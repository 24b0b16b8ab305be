"""Independence measured: in a table of probabilities, and in data.

    I(A; B | C) = Σ p(a, b, c) log [ p(a, b, c) p(c) / (p(a, c) p(b, c)) ]   (nats)

is zero if and only if A and B are independent given C. It is the KL divergence from what is to what
would be under independence, so it is also the loss, in nats, of a model that assumes independence.

Source: Cover and Thomas (2006), "Elements of Information Theory", section 2.5.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dgm_lib.validate import require


def mutual_information(
    joint: Float[Tensor, "..."], a: Sequence[int], b: Sequence[int], given: Sequence[int] = ()
) -> float:
    """I(A; B | C) in nats of a table of probabilities.

    Args:
        joint: probabilities, one axis per variable.
        a: the axes of A, one or more.
        b: the axes of B, one or more.
        given: the axes of C; the three have no axis in common.

    >>> mutual_information(torch.eye(2).double() / 2, [0], [1])  # two equal fair coins
    0.6931471805599453
    """
    axes = [*a, *b, *given]
    require(
        len(a) > 0 and len(b) > 0, f"a, b: got {list(a)}, {list(b)}; want at least one axis each"
    )
    fits = len(set(axes)) == len(axes) and all(0 <= axis < joint.dim() for axis in axes)
    require(fits, f"axes: got {axes}; want different ones, from 0 to {joint.dim() - 1}")
    total = joint.sum().item()
    fine = joint.min().item() >= 0 and abs(total - 1) < 1e-4
    require(fine, f"joint: got a sum of {total:g}; want probabilities that sum to 1")
    p = joint.double() / joint.double().sum()

    def entropy(keep: Sequence[int]) -> float:
        out = [axis for axis in range(p.dim()) if axis not in keep]
        q = p.sum(out) if out else p
        return -torch.special.xlogy(q, q).sum().item()

    gap = entropy([*a, *given]) + entropy([*b, *given]) - entropy(given) - entropy(axes)
    return max(gap, 0.0)  # rounding may leave -1e-16


def empirical_joint(x: Int[Tensor, "n d"], levels: Sequence[int]) -> Float[Tensor, "..."]:
    """The relative frequency of every state in x, one axis per column."""
    require(x.dim() == 2 and len(x) > 0, f"x: got shape {tuple(x.shape)}; want (n, d) with n > 0")
    require(len(levels) == x.shape[1], f"levels: got {len(levels)}; want one for each column")
    top = torch.tensor(list(levels))
    inside = bool(((x >= 0) & (x < top)).all())
    require(inside, f"x: got values from {x.min()} to {x.max()}; want 0 to levels - 1")
    index = torch.zeros(len(x), dtype=torch.int64)
    for column, k in zip(x.T, levels, strict=True):
        index = index * k + column
    return torch.bincount(index, minlength=math.prod(levels)).double().view(*levels) / len(x)


class PermutationTest(NamedTuple):
    """The measured I(A; B | C), the same after shuffling, and the share of those at least as large."""

    information: float
    shuffled: Float[Tensor, " times"]
    p_value: float


def permutation_test(
    a: Int[Tensor, " n"],
    b: Int[Tensor, " n"],
    given: Int[Tensor, " n"] | None = None,
    times: int = 200,
    generator: torch.Generator | None = None,
) -> PermutationTest:
    """Are the columns a and b of some data independent, given a third?

    From finite data I(A; B | C) comes out positive even if A and B are independent. How large it
    is by chance is seen by shuffling b among the rows that agree on `given`: that keeps everything
    but the tie between a and b. The p-value counts the data as one of its shuffles.
    """
    require(times >= 1, f"times: got {times}; want at least 1")
    given = torch.zeros_like(a) if given is None else given
    require(
        a.shape == b.shape == given.shape and a.dim() == 1 and len(a) > 0,
        f"a, b, given: got shapes {tuple(a.shape)}, {tuple(b.shape)}, {tuple(given.shape)}; "
        "want three of one length",
    )
    levels = [int(column.max()) + 1 for column in (a, b, given)]

    def information(b: Tensor) -> float:
        joint = empirical_joint(torch.stack([a, b, given], 1), levels)
        return mutual_information(joint, [0], [1], [2])

    rows = given.argsort(stable=True)
    shuffled = []
    for _ in range(times):
        noise = torch.rand(len(a), generator=generator, dtype=torch.float64)
        mixed = torch.empty_like(b)
        mixed[rows] = b[(given + noise).argsort()]  # sorted by `given`, at random within
        shuffled.append(information(mixed))
    found = information(b)
    null = torch.tensor(shuffled)
    reached = int((null >= found - 1e-12).sum())
    return PermutationTest(found, null, (reached + 1) / (times + 1))
