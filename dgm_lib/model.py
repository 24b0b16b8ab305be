"""The verbs every model speaks, and five abstract families that share code.

| verb | returns | who has it |
|---|---|---|
| `log_prob(x, context=None)` | `(n,)` exact log density or mass, nats | tractable models |
| `elbo(x, context=None, samples=1)` | `(n,)` a lower bound on it, nats | latent-variable models |
| `energy(x)` | `(n,)` `-log p` up to a constant, nats | energy-based models |
| `sample(n, context=None)` | `(n, *event)` | all that can be simulated |
| `loss(x, context=None)` | a scalar to minimise | all that `dgm_lib.fit.fit` trains |

A model has a verb only where it is defined. Code that uses models asks for a protocol
(`HasLogProb`, ...), never for a class. A class is either abstract (below) or final.

What is random takes `generator=`; without one, torch's global state is used.
"""

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from dgm_lib.nn import draw
from dgm_lib.validate import require


@runtime_checkable
class HasLogProb(Protocol):
    """Whatever has an exact density or mass."""

    def log_prob(self, x: Tensor, context: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class HasElbo(Protocol):
    """Whatever bounds its log-likelihood from below."""

    def elbo(self, x: Tensor, context: Tensor | None = None, samples: int = 1) -> Tensor: ...


@runtime_checkable
class HasEnergy(Protocol):
    """Whatever knows its density up to a constant."""

    def energy(self, x: Tensor) -> Tensor: ...


@runtime_checkable
class HasSample(Protocol):
    """Whatever can be simulated."""

    def sample(self, n: int, context: Tensor | None = None) -> Tensor: ...


@runtime_checkable
class HasLoss(Protocol):
    """Whatever `dgm_lib.fit.fit` can train without being told how."""

    def loss(self, x: Tensor, context: Tensor | None = None) -> Tensor: ...


def _require_rows(context: Tensor | None, n: int) -> None:
    rows = n if context is None else context.shape[0]
    require(rows == n, f"context: got {rows} rows; want one for each of n = {n} draws")


class Autoregressive(nn.Module, ABC):
    """p(x) = Π_i p(x_i | x_<i): a leaf computes all conditionals in parallel.

    `d` is the number of variables. The sampler is the naive one, d passes of the network; a leaf
    may add a cached one, and then this stays its test oracle.
    """

    d: int

    @abstractmethod
    def conditionals(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Distribution:
        """A batch of n × d laws; the i-th may depend on x_1 .. x_{i-1} only."""

    def log_prob(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, " n"]:
        return self.conditionals(x, context).log_prob(x).sum(-1)

    def loss(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, ""]:
        return -self.log_prob(x, context).mean()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Float[Tensor, "n c"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "n d"]:
        _require_rows(context, n)
        x = next(self.parameters()).new_zeros(n, self.d)
        for i in range(self.d):
            x[:, i] = draw(self.conditionals(x, context), generator=generator)[:, i]
        return x


class Bijection(nn.Module, ABC):
    """An invertible map between data x and noise z, batch first.

    Both directions return the image and log|det| of *their own* Jacobian, so the two
    log-determinants at matching points add up to zero.
    """

    @abstractmethod
    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Data to noise: `z` and `log|det ∂z/∂x|`, shape `(n,)`."""

    @abstractmethod
    def inverse(self, z: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Noise to data: `x` and `log|det ∂x/∂z|`, shape `(n,)`."""


class LatentVariable(nn.Module, ABC):
    """p(x) = ∫ p(z) p(x | z) dz, bounded with the help of an approximate posterior q(z | x).

    A leaf gives three `torch.distributions`: `prior(context)`, `encode(x, context)` and
    `decode(z, context)`, whose events are whole z's and x's (wrap with `Independent`). Without
    a context the prior is one law, with a context it is a batch: one law for each row.
    """

    @abstractmethod
    def prior(self, context: Tensor | None = None) -> Distribution:
        """p(z), or p(z | context)."""

    @abstractmethod
    def encode(self, x: Tensor, context: Tensor | None = None) -> Distribution:
        """q(z | x): a batch of n laws."""

    @abstractmethod
    def decode(self, z: Tensor, context: Tensor | None = None) -> Distribution:
        """p(x | z): a law for each leading index of z."""

    def log_weights(
        self,
        x: Tensor,
        context: Tensor | None = None,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "samples n"]:
        """log p(x, z) - log q(z | x) at `samples` draws of z from q: the raw material of every
        bound. Their mean is the ELBO, their log-mean-exp the importance-weighted bound."""
        q = self.encode(x, context)
        z = draw(q, (samples,), generator)
        return self.decode(z, context).log_prob(x) + self.prior(context).log_prob(z) - q.log_prob(z)

    def elbo(
        self,
        x: Tensor,
        context: Tensor | None = None,
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, " n"]:
        """A Monte Carlo estimate of E_q[log p(x, z) - log q(z | x)] <= log p(x), in nats."""
        return self.log_weights(x, context, samples, generator).mean(0)

    def loss(self, x: Tensor, context: Tensor | None = None) -> Float[Tensor, ""]:
        return -self.elbo(x, context).mean()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        _require_rows(context, n)
        shape = (n,) if context is None else ()
        z = draw(self.prior(context), shape, generator)
        return draw(self.decode(z, context), generator=generator)


class Energy(nn.Module, ABC):
    """p(x) = exp(-E(x)) / Z, where E is easy and Z usually is not."""

    @abstractmethod
    def energy(self, x: Tensor) -> Float[Tensor, " n"]:
        """E(x), in nats."""

    @abstractmethod
    def gibbs(
        self, state: Tensor, steps: int = 1, generator: torch.Generator | None = None
    ) -> Tensor:
        """The state of every chain after `steps` full sweeps; leaves p(x) invariant."""


class Implicit(nn.Module, ABC):
    """A sampler without a density, trained in a game: `generate` against `critic`."""

    @abstractmethod
    def generate(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """Noise to a sample."""

    @abstractmethod
    def critic(self, x: Tensor, context: Tensor | None = None) -> Float[Tensor, " n"]:
        """A score, higher where x looks real."""

    @abstractmethod
    def losses(self, x: Tensor, context: Tensor | None = None) -> dict[str, Tensor]:
        """One scalar per player, `{"generator": ..., "critic": ...}`."""
