"""One training loop for every model that is trained by gradient descent.

    history = fit(model, x, epochs=50, patience=5)
    history.plot()

Adam (Kingma & Ba 2015, arXiv:1412.6980) on minibatches. Part of the data is held out; training
stops when its loss has not improved for `patience` epochs, and the best weights come back.
Every epoch takes its randomness (the order of the data, noise inside the loss) from a seed of
its own, so a run that is killed and resumed ends with the very same weights. Left out:
learning-rate schedules, several devices, data that do not fit in memory.
"""

import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor, nn

from dgm_lib import checkpoint as disk
from dgm_lib.model import HasLoss
from dgm_lib.nn import seeded
from dgm_lib.validate import require, require_finite

Loss = Callable[[Any, Tensor, Tensor | None], Tensor]
Examples = tuple[Tensor, Tensor | None]  # x and, if the model takes one, its context


@dataclass
class History:
    """The loss of every epoch, an average per example.

    `train` is taken while the weights move; `valid`, empty without held-out data, at the end of
    the epoch. `best_epoch` indexes both (from 0); its weights are the ones that `fit` leaves.
    """

    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        return self.valid.index(min(self.valid)) if self.valid else len(self.train) - 1

    def plot(self, ax: Any = None) -> Any:
        """Draw both curves, with a dot at the best epoch; returns the Axes."""
        from dgm_lib import plots  # needs matplotlib, which training does not

        named = {"training": self.train, "held out": self.valid}
        ax = plots.curves(
            {name: losses for name, losses in named.items() if losses},
            ax,
            xlabel="epoch",
            ylabel="loss per example",
        )
        if self.valid:
            ax.plot(self.best_epoch, min(self.valid), "o", color=ax.lines[-1].get_color())
        return ax


def fit(
    model: nn.Module,
    data: Shaped[Tensor, "n ..."],
    *,
    context: Shaped[Tensor, "n ..."] | None = None,
    loss: Loss | None = None,
    epochs: int = 100,
    batch_size: int = 128,
    lr: float = 1e-3,
    valid: float | Tensor | Examples = 0.1,
    patience: int | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    checkpoint: str | os.PathLike | None = None,
    progress: bool | None = None,
    callback: Callable[[int, Any], object] | None = None,
) -> History:
    """Train `model` on `data`, in place.

    Args:
        model: has parameters, and a method `loss(x, context)` unless `loss` is given.
        data: the examples, shape (n, ...).
        context: the conditioning input of every example, shape (n, ...).
        loss: `loss(model, x, context)`, a scalar: the mean over the batch.
        epochs: passes through the data, at most.
        batch_size: examples per step; the last batch of an epoch may be smaller.
        lr: Adam's step size.
        valid: what is held out: a fraction of `data`, or a tensor, or a pair (x, context);
            0 holds out nothing, and then the last weights are kept.
        patience: stop after this many epochs without a better held-out loss; None never stops.
        seed: of the split, of the order and of the loss's noise; the held-out loss meets the
            same noise in each epoch. The global random state is left alone.
        device: where to train; by default where the model is. The model stays there.
        checkpoint: a file, written after every epoch. If it exists, training goes on from it.
        progress: show a bar; by default only where somebody watches, in a terminal or JupyterLab.
        callback: called as `callback(epoch, model)` after every epoch.

    Returns:
        The `History`. The model has the weights of its best epoch, also after an interrupt.

    Raises:
        ValueError: an argument makes no sense, or the checkpoint belongs to another run.
        FloatingPointError: the loss became NaN or infinite.
    """
    _check(model, data, context, loss, epochs, batch_size, lr, patience)
    loss = loss or (lambda model, x, context: model.loss(x, context))
    train, held_out = _split(data, context, valid, seed)
    require(patience is None or held_out is not None, "patience: got valid=0; want held-out data")

    device = torch.device(device or next(model.parameters()).device)
    train, held_out = _to(train, device), held_out and _to(held_out, device)
    optimizer = torch.optim.Adam(model.to(device).parameters(), lr, fused=True)
    history, best = History(), None
    if checkpoint is not None:
        path = Path(checkpoint)
        require(path.parent.is_dir(), f"checkpoint: got {path}; want a file in an existing folder")
        x, c = held_out or (None, None)
        parts = {"data": train[0], "context": train[1], "valid": x, "valid context": c}
        run = disk.fingerprint(model, parts, batch_size=batch_size, lr=lr, seed=seed)
        if path.exists():
            state = disk.load(path, run, device)
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            history, best = History(state["train"], state["valid"]), state["best"]

    was_training = model.training
    bar = _bar(len(history.train), epochs, progress)
    try:
        for epoch in range(len(history.train), epochs):
            if patience is not None and epoch > history.best_epoch + patience:
                break
            model.train()
            with seeded(seed * 1_000_003 + epoch + 1):
                order = torch.randperm(len(train[0]))
                mean = _pass(model, train, order.split(batch_size), loss, optimizer)
            history.train.append(_finite(mean, "training", epoch, lr))
            if held_out is not None:
                model.eval()
                with seeded(seed), torch.no_grad():
                    order = torch.arange(len(held_out[0]))
                    mean = _pass(model, held_out, order.split(batch_size), loss)
                history.valid.append(_finite(mean, "held-out", epoch, lr))
                if history.best_epoch == epoch:
                    best = {name: value.clone() for name, value in model.state_dict().items()}
            if callback is not None:
                callback(epoch, model)
            if checkpoint is not None:
                state = {"run": run, "best": best, "train": history.train, "valid": history.valid}
                state |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                disk.save(path, state)
            bar.set_postfix_str(f"loss {(history.valid or history.train)[-1]:.4g}", refresh=False)
            bar.update()
    finally:
        bar.close()
        if best is not None:
            model.load_state_dict(best)
        model.train(was_training)
    return history


def _pass(
    model: nn.Module,
    examples: Examples,
    batches: tuple[Tensor, ...],
    loss: Loss,
    optimizer: torch.optim.Optimizer | None = None,
) -> float:
    """The mean loss per example over all batches, with a step after each if there is an optimizer."""
    x, context = examples
    total = torch.zeros((), device=x.device)  # stays on the device: to read it is to wait for it
    for index in batches:
        index = index.to(x.device)
        batch = x.index_select(0, index)  # quicker than x[index]
        value = loss(model, batch, None if context is None else context[index])
        if not isinstance(value, Tensor) or value.dim() != 0:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value)
            raise ValueError(f"loss: got {got}; want a scalar tensor, the mean over the batch")
        if optimizer is not None:
            require(value.requires_grad, "loss: got a value without gradient; was it detached?")
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        total += value.detach() * len(index)
    return float(total) / len(x)


def _finite(mean: float, part: str, epoch: int, lr: float) -> float:
    if not math.isfinite(mean):
        raise FloatingPointError(
            f"the {part} loss became {mean} in epoch {epoch}: lower lr (now {lr:g}), scale the "
            "data, or look for a log, an exp or a division that leaves the range of a float"
        )
    return mean


def _bar(start: int, epochs: int, progress: bool | None) -> Any:
    from tqdm.auto import tqdm

    watched = sys.stderr.isatty() or "JPY_SESSION_NAME" in os.environ  # a terminal, a notebook
    shown = watched if progress is None else progress
    return tqdm(initial=start, total=epochs, unit="epoch", disable=not shown)


def _split(
    data: Tensor, context: Tensor | None, valid: float | Tensor | Examples, seed: int
) -> tuple[Examples, Examples | None]:
    """What to train on, and what is held out."""
    if isinstance(valid, Tensor | tuple):
        x, c = valid if isinstance(valid, tuple) else (valid, None)
        _check_examples("valid", x)
        got, want = tuple(x.shape[1:]), tuple(data.shape[1:])
        require(got == want, f"valid: got examples of shape {got}; want {want}, like data")
        same = (c is None) == (context is None)
        require(same, "valid: got data with and without context; want a pair (x, context) or none")
        if c is not None:
            _check_examples("valid context", c, len(x))
        return (data, context), (x, c)
    require(0 <= valid < 1, f"valid: got {valid}; want a fraction in [0, 1), or a tensor")
    if valid == 0:
        return (data, context), None
    n = max(1, round(valid * len(data)))
    require(n < len(data), f"valid: got {valid} of {len(data)} examples; want some left to train")
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))

    def pick(index: Tensor) -> Examples:
        return data[index.to(data.device)], (
            None if context is None else context[index.to(context.device)]
        )

    return pick(order[n:]), pick(order[:n])


def _to(examples: Examples, device: torch.device) -> Examples:
    x, context = examples
    return x.to(device), None if context is None else context.to(device)


def _check(model, data, context, loss, epochs, batch_size, lr, patience) -> None:
    trains = any(p.requires_grad for p in model.parameters())
    require(trains, f"model: got {type(model).__name__} without parameters; nothing to train")
    name = type(model).__name__
    speaks = loss is not None or isinstance(model, HasLoss)
    require(speaks, f"loss: got None, and {name} has no loss(x, context); want a function")
    _check_examples("data", data)
    if context is not None:
        _check_examples("context", context, len(data))
    require(epochs >= 0, f"epochs: got {epochs}; want at least 0")
    require(batch_size >= 1, f"batch_size: got {batch_size}; want at least 1")
    require(0 < lr < math.inf, f"lr: got {lr}; want a positive step size")
    require(patience is None or patience >= 1, f"patience: got {patience}; want at least 1")


def _check_examples(name: str, x: Tensor, n: int | None = None) -> None:
    if not isinstance(x, Tensor) or x.dim() == 0 or len(x) == 0:
        got = f"shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(f"{name}: got {got}; want a tensor of at least one example")
    require(n in (None, len(x)), f"{name}: got {len(x)} rows; want one for each of {n} examples")
    require_finite(name, x)
