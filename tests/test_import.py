"""`import dgm_lib` is light, and every lazy part can be reached."""

import functools
import importlib
import subprocess
import sys

import pytest

import dgm_lib

HEAVY = ("matplotlib", "scipy", "sklearn", "IPython", "tqdm", "pandas", "torch._dynamo")


@functools.cache
def loaded_after(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded when it has run `code`."""
    tell = f"import sys; print(*[m for m in {HEAVY} if m in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}; {tell}"], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return set(run.stdout.split())


def test_import_loads_nothing_heavy_beyond_torch():
    assert loaded_after("import dgm_lib") - loaded_after("import torch") == set()


def test_the_parts_that_models_are_made_of_are_light_too():
    code = "import dgm_lib; dgm_lib.data; dgm_lib.fit; dgm_lib.model; dgm_lib.nn"
    assert loaded_after(code) - loaded_after("import torch") == set()


@pytest.mark.parametrize("name", [name for name in dgm_lib.__all__ if name != "progress"])
def test_every_lazy_part_can_be_reached(name):
    assert getattr(dgm_lib, name) is importlib.import_module(f"dgm_lib.{name}")
    assert name in dir(dgm_lib)


def test_progress_is_a_function_at_hand():
    assert "04_boltzmann" in str(dgm_lib.progress())


def test_unknown_parts_are_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'dgm_lib' has no attribute 'nothing'"):
        _ = dgm_lib.nothing
