"""RealNVP against nflows, normflows and zuko at equal architecture, and its quality on toys.

Equal means: the same number of couplings with the same masks (half kept, taking turns), one
perceptron for each with the same widths and ReLUs, a standard normal base, the same Adam. zuko
builds its own perceptrons; nflows and normflows take any network and get plain Linear and ReLU
layers; ours overwrite their inputs in the ReLUs, which is part of what is measured. What stays each
library's own is how it squashes the log-scale (ours tanh, zuko a rational function,
nflows a sigmoid, normflows none). That the rest is the same mathematics is checked first, with our
weights copied into every peer. One thread; processor time; each number is the median of repeats that
take turns, so that a busy machine slows all alike.

About two minutes on an idle core, half of them the quality: `python tests/benchmarks/run.py flows`.
"""

import math
import statistics
import time
import warnings
from collections.abc import Callable
from itertools import pairwise

import torch
from timing import in_turns
from torch import Tensor, nn

from dgm_lib import data
from dgm_lib.flows import half_mask, real_nvp
from dgm_lib.nn import seeded

COUPLINGS = 8
CASES = ((2, (64, 64)), (64, (128, 128)))  # features, hidden widths
BATCHES = (256, 4096)
ROUNDS = 15
PINNED = -0.3  # the log-scale of all couplings where the mathematics is compared


class Ours:
    def __init__(self, d: int, hidden: tuple[int, ...]):
        self.model = real_nvp(d, COUPLINGS, hidden)
        self.log_prob = self.model.log_prob
        self.sample = self.model.sample
        self.nets = [step.net for step in self.model.bijection.bijections]


class Zuko:
    def __init__(self, d: int, hidden: tuple[int, ...]):
        from zuko.distributions import DiagNormal
        from zuko.flows.coupling import GeneralCouplingTransform
        from zuko.lazy import Flow, UnconditionalDistribution

        mask = half_mask(d).bool()
        steps = [
            GeneralCouplingTransform(d, mask=mask if i % 2 == 0 else ~mask, hidden_features=hidden)
            for i in range(COUPLINGS)
        ]
        base = UnconditionalDistribution(DiagNormal, torch.zeros(d), torch.ones(d), buffer=True)
        self.model = Flow(steps, base)
        self.nets = [step.hyper for step in steps]

    def log_prob(self, x: Tensor) -> Tensor:
        return self.model().log_prob(x)

    def sample(self, n: int) -> Tensor:
        return self.model().sample((n,))

    @staticmethod
    def arrange(s: Tensor, t: Tensor) -> Tensor:
        return torch.stack([t, s], 1).flatten(0, 1)  # shift and scale of each feature in turn

    pinned = PINNED / (1 + PINNED / math.log(1000))  # its log-scale is u / (1 + |u| / log 1000)


class Nflows:
    def __init__(self, d: int, hidden: tuple[int, ...]):
        from nflows.distributions.normal import StandardNormal
        from nflows.flows.base import Flow
        from nflows.transforms.base import CompositeTransform
        from nflows.transforms.coupling import AffineCouplingTransform

        transformed = 1 - half_mask(d)  # nflows marks what is transformed
        steps = [
            AffineCouplingTransform(transformed if i % 2 == 0 else 1 - transformed, _net(hidden))
            for i in range(COUPLINGS)
        ]
        self.model = Flow(CompositeTransform(steps), StandardNormal([d]))
        self.log_prob = self.model.log_prob
        self.sample = self.model.sample
        self.nets = [step.transform_net for step in steps]

    @staticmethod
    def arrange(s: Tensor, t: Tensor) -> Tensor:
        return torch.cat([t, s])

    pinned = (
        torch.logit(torch.tensor(math.exp(PINNED) - 0.001)).item() - 2
    )  # its scale is sigmoid(u + 2) + 0.001


class _Net(nn.Sequential):
    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(x)


def _net(hidden: tuple[int, ...]) -> Callable[[int, int], nn.Module]:
    def make(d_in: int, d_out: int) -> nn.Module:
        return _Net(*_layers((d_in, *hidden, d_out)))

    return make


def _layers(sizes: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return layers[:-1]


class Normflows:
    def __init__(self, d: int, hidden: tuple[int, ...]):
        import normflows

        steps = []  # noise to data, the last first: its inverse is our forward
        for _ in range(COUPLINGS):
            net = nn.Sequential(*_layers((d // 2, *hidden, d)))
            block = normflows.flows.AffineCouplingBlock(net)
            steps += [block, normflows.flows.Permute(d, mode="swap")]
        self.nets = [step.flows[1].param_map for step in steps[::2]][::-1]
        base = normflows.distributions.DiagGaussian(d, trainable=False)
        # the halves of the noise come out exchanged, which its law does not mind
        self.model = normflows.NormalizingFlow(base, steps[:-1])
        self.log_prob = self.model.log_prob

    def sample(self, n: int) -> Tensor:
        with torch.no_grad():
            return self.model(self.model.q0.sample(n))  # without the density that its sample adds

    @staticmethod
    def arrange(s: Tensor, t: Tensor) -> Tensor:
        return torch.stack([-t * math.exp(-PINNED), s], 1).flatten(0, 1)

    pinned = -PINNED  # data to noise is (x - t) exp(-s)


PEERS = {"zuko": Zuko, "nflows": Nflows, "normflows": Normflows}


def copy_weights(ours: Ours, peer: Zuko | Nflows | Normflows) -> None:
    """Our weights into a peer, in its own order, with every log-scale pinned to PINNED."""
    for mine, theirs in zip(ours.nets, peer.nets, strict=True):
        a, b = ([m for m in net.modules() if hasattr(m, "weight")] for net in (mine, theirs))
        for source, target in zip(a[:-1], b[:-1], strict=True):
            target.load_state_dict(source.state_dict())
        weight, bias = a[-1].weight, a[-1].bias
        half = len(bias) // 2
        with torch.no_grad():
            weight[:half], bias[:half] = 0, math.atanh(PINNED / 2)  # ours is 2 tanh(output)
            scale = torch.full_like(bias[:half], peer.pinned)
            b[-1].weight.copy_(peer.arrange(weight[:half], weight[half:]))
            b[-1].bias.copy_(peer.arrange(scale, bias[half:]))


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def check_equal(d: int, hidden: tuple[int, ...]) -> None:
    """Parameter counts, and log-densities with copied weights."""
    x = torch.randn(64, d, generator=torch.Generator().manual_seed(0))
    print(f"d = {d}, {COUPLINGS} couplings, hidden widths {hidden}")
    for name, make in PEERS.items():
        ours = Ours(d, hidden)
        with seeded(0):
            peer = make(d, hidden)
            for p in ours.model.parameters():
                nn.init.normal_(p, std=0.05)
        copy_weights(ours, peer)
        with torch.no_grad():
            gap = (peer.log_prob(x) - ours.log_prob(x)).abs().max().item()
            moved = (ours.model.bijection(x)[0] - x).abs().max().item()
        counts = parameters(ours.model), parameters(peer.model)
        print(
            f"  {name:9s} parameters {counts[1]} (ours {counts[0]}); with our weights, largest "
            f"difference of log p: {gap:.1e} nats (the flow moves points by up to {moved:.2f})"
        )
        if counts[0] != counts[1] or gap > 1e-3:
            raise AssertionError(f"{name} is not the same model")


def tasks(entry: Ours | Zuko | Nflows | Normflows, x: Tensor) -> dict[str, Callable[[], object]]:
    optimizer = torch.optim.Adam(entry.model.parameters(), 1e-4)

    def log_prob() -> None:
        with torch.no_grad():
            entry.log_prob(x)

    def train() -> None:
        optimizer.zero_grad()
        (-entry.log_prob(x).mean()).backward()
        optimizer.step()

    def sample() -> None:
        with torch.no_grad():
            entry.sample(len(x))

    return {"log_prob": log_prob, "training step": train, "sample": sample}


def speed() -> None:
    print(f"{'':35s}" + "".join(f"{name:>15s}" for name in ("ours", *PEERS)) + "   fastest peer")
    for d, hidden in CASES:
        for n in BATCHES:
            x = torch.randn(n, d, generator=torch.Generator().manual_seed(0))
            with seeded(0):
                entries = {"ours": Ours(d, hidden)} | {k: m(d, hidden) for k, m in PEERS.items()}
            work = {name: tasks(entry, x) for name, entry in entries.items()}
            for verb in work["ours"]:
                runs = {name: verbs[verb] for name, verbs in work.items()}
                warm = in_turns(runs, 2, calls=3)
                calls = max(1, round(0.02 / warm["ours"][1]))
                times = in_turns(runs, ROUNDS, calls)
                median = {name: statistics.median(ts) for name, ts in times.items()}
                ratio = min(median[name] for name in PEERS) / median["ours"]
                cells = "".join(f"{1e3 * median[name]:12.3f} ms" for name in median)
                print(
                    f"  d = {d:2d}, batch {n:4d}, {verb:14s}{cells}   {ratio:.2f} × ours",
                    flush=True,
                )


def quality() -> None:
    """Held-out loss on fresh samples against the entropy: fresh batches, one-cycle learning rate."""
    batch = 256
    for name, steps, target in (("two_moons", 2500, 0.05), ("eight_gaussians", 4000, 0.1)):
        made = getattr(data, name)
        x, test = made(batch * steps, seed=1), made(100_000, seed=2)
        flow = real_nvp(2, COUPLINGS, (64, 64), bound=3.0)
        optimizer = torch.optim.Adam(flow.parameters(), fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 3e-3, total_steps=steps, pct_start=0.1
        )
        start = time.process_time()
        for examples in x.split(batch):
            optimizer.zero_grad()
            flow.loss(examples).backward()
            optimizer.step()
            schedule.step()
        spent = time.process_time() - start
        with torch.no_grad():
            log_q = flow.log_prob(test)
        entropy = data.ENTROPY[name]
        gap, error = -log_q.mean().item() - entropy, log_q.std().item() / math.sqrt(len(test))
        print(
            f"  {name:16s} NLL {entropy + gap:.3f}, entropy {entropy:.3f}: {gap:.3f} ± {error:.3f} nats "
            f"above (target {target}); {steps} steps of {batch} in {spent:.0f} s of processor time",
            flush=True,
        )


def main() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="(nflows|normflows|zuko).*")
    for d, hidden in CASES:
        check_equal(d, hidden)
    speed()
    print(f"Quality of RealNVP, {COUPLINGS} couplings, hidden widths (64, 64)")
    quality()


if __name__ == "__main__":
    main()
