"""The RBM: an epoch of PCD-1 beside scikit-learn's, AIS beside the exact log Z, published numbers."""

import os
import time

import torch

from dgm_lib.energy import RBM, ContrastiveLoss, ais_log_partition, base_rates
from dgm_lib.fit import fit


def random_images(n: int = 10000, d: int = 784) -> torch.Tensor:
    """Binary data with the shape of MNIST; what is in them does not change the work."""
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(n, d, generator=generator) < 0.2).float()


def timed(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def epoch(repeats: int = 3) -> None:
    """The same work: float32, batches and chains of 100, PCD-1, 500 hidden units, one epoch."""
    from sklearn.neural_network import BernoulliRBM

    x = random_images()
    model, loss = RBM(784, 500), ContrastiveLoss(persistent=True, chains=100)
    kwargs = {"loss": loss, "batch_size": 100, "lr": 1e-3, "valid": 0.0, "progress": False}
    fit(model, x[:200], epochs=1, **kwargs)
    peer = BernoulliRBM(500, batch_size=100, n_iter=1, random_state=0)
    peer.fit(x[:200].numpy())
    ours, theirs = [], []
    for _ in range(repeats):  # taken in turn, so that a busy machine is busy for both
        ours.append(timed(lambda: fit(model, x, epochs=1, **kwargs)))
        theirs.append(timed(lambda: peer.fit(x.numpy())))
    a, b = min(ours), min(theirs)
    print(
        f"PCD-1 epoch, 10,000 x 784, 500 hidden, float32, {torch.get_num_threads()} threads: "
        f"{a:.2f} s; scikit-learn {b:.2f} s, {b / a:.2f} times ours (target 1.5)"
    )


def annealing() -> None:
    generator = torch.Generator().manual_seed(0)
    model = RBM(20, 15, scale=1.0)
    exact = model.log_partition().item()
    start = time.perf_counter()
    found = ais_log_partition(model, steps=1000, chains=500, generator=generator)
    print(
        f"AIS on 20 x 15, 1,000 steps, 500 chains: {found.log_z:.3f} "
        f"({found.low:.3f} to {found.high:.3f}), exact {exact:.3f}, off by "
        f"{abs(found.log_z - exact):.3f} nats (target 0.1); {time.perf_counter() - start:.2f} s"
    )


def dna(epochs: int = 60) -> None:
    """Published: 96.74 nats (RBM), 98.19 (mixture of Bernoullis)."""
    from dgm_lib import data

    train, test = data.dna()[:2]
    model = RBM(train.shape[1], 100, scale=0.01)
    loss = ContrastiveLoss(k=5, persistent=True, chains=200)
    fit(model, train, loss=loss, epochs=epochs, batch_size=100, lr=1e-3, valid=0.0, progress=False)
    generator = torch.Generator().manual_seed(0)
    found = ais_log_partition(model, base_rates(train), 5000, 500, 3.0, generator)
    free = model.energy(test).mean().item()
    print(
        f"DNA, 100 hidden, PCD-5, {epochs} epochs: test {free + found.log_z:.2f} nats "
        f"({free + found.low:.2f} to {free + found.high:.2f}); published RBM 96.74"
    )


def nltcs(epochs: int = 30) -> None:
    """16 visible units: log Z is exact, and so is the gradient."""
    from dgm_lib import data

    train, test = data.nltcs()[:2]
    model = RBM(16, 16, scale=0.1)
    fit(model, train, epochs=epochs, batch_size=1000, lr=1e-2, valid=0.0, progress=False)
    print(f"NLTCS, 16 hidden, exact gradient, {epochs} epochs: test {model.loss(test):.3f} nats")


def main() -> None:
    epoch()
    annealing()
    if "DGM_DATA" in os.environ:
        nltcs()
        dna()


if __name__ == "__main__":
    main()
