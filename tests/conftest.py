"""What all tests share. `--jaxtyping-packages` in pyproject.toml checks every shape in dgm_lib."""

import os
from collections.abc import Iterator

import jaxtyping
import matplotlib
import pytest
import torch

os.environ["DGM_PROGRESS"] = ""  # tests, and the notebooks they run, keep no record of points
matplotlib.use("agg")  # no window, and nothing for a headless machine to warn about


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Run one test as a user does, without run-time shape checks: our own errors must show."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
