"""The few neural networks that the models share, and seeded randomness.

Nothing here touches the global random state: networks are initialised under `seeded`, and
`draw` samples any `torch.distributions` object from a generator of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.distributions import Distribution


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block under `seed`, and leave the global random state as it was.

    >>> with seeded(0): a = torch.rand(1)
    >>> with seeded(0): b = torch.rand(1)
    >>> bool(a == b)
    True
    """
    # torch.manual_seed would also prepare a CUDA that nobody uses, at 100 times the cost
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(seed)
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(seed)
        yield


def draw(
    distribution: Distribution, shape: Sequence[int] = (), generator: torch.Generator | None = None
) -> Tensor:
    """A sample of shape `(*shape, *batch, *event)`; differentiable where the law allows it.

    `torch.distributions` cannot be handed a generator. With one, the sample is drawn under a
    seed taken from it; without one, from torch's global state.
    """
    sample = distribution.rsample if distribution.has_rsample else distribution.sample
    if generator is None:
        return sample(torch.Size(shape))
    seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
    with seeded(int(seed)):
        return sample(torch.Size(shape))


class MLP(nn.Sequential):
    """A multilayer perceptron: linear layers with an activation between them.

    Args:
        sizes: widths from input to output, `(d_in, hidden, ..., d_out)`.
        activation: the class of the nonlinearity.
        zero_last: start with an output of zero, so that a flow begins as the identity.
        seed: of the initial weights.

    >>> MLP((2, 16, 3))(torch.zeros(5, 2)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: type[nn.Module] = nn.ReLU,
        zero_last: bool = False,
        seed: int = 0,
    ):
        layers: list[nn.Module] = []
        with seeded(seed):
            for d_in, d_out in pairwise(sizes):
                layers += [nn.Linear(d_in, d_out), activation()]
        last = layers[-2]
        if zero_last:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        super().__init__(*layers[:-1])
