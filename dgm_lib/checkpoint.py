"""A training run on disk: written whole or not at all, and never mistaken for another run.

The file is replaced in one step (`os.replace`), so a run killed at any moment leaves the last
complete epoch behind. It is read with `weights_only=True`: a checkpoint cannot run code.
"""

import os
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def fingerprint(model: nn.Module, examples: dict[str, Tensor | None], **settings: Any) -> dict:
    """What must agree for a run to be resumed: the model's shape, the data, the settings."""
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    parts = {name: _digest(x) for name, x in examples.items()}
    return {"model": type(model).__name__, "parameters": str(shapes), **parts, **settings}


def save(path: Path, state: dict[str, Any]) -> None:
    """Write `state` beside `path`, flush it to the disk, and move it into place."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load(path: Path, run: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The state saved at `path`, if it is that of `run`.

    Raises:
        ValueError: the file is no checkpoint, or it belongs to another run; says what differs.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        theirs = state["run"]
    except Exception as error:
        raise ValueError(
            f"checkpoint: cannot read {path} ({type(error).__name__}); move it away to start anew"
        ) from error
    for name, mine in run.items():
        if theirs.get(name) != mine:
            raise ValueError(
                f"checkpoint: {path} is of another run, with {name} {theirs.get(name)}; "
                f"this run has {mine}. Want another file, or the same run"
            )
    return state


def _digest(x: Tensor | None) -> str:
    """Shape and checksum of the values."""
    if x is None:
        return "none"
    values = x.detach().cpu().contiguous().view(torch.uint8).numpy()
    return f"{tuple(x.shape)} {x.dtype} {zlib.crc32(values):08x}"
