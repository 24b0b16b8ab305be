"""dgm_lib: the models and estimators of a course on deep generative models.

Every model speaks the same few verbs (`log_prob`, `elbo`, `energy`, `sample`, `loss`); see
`dgm_lib.model`. Subpackages are imported when they are first used, so `import dgm_lib` costs
little more than `import torch`.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = (
    "checks",
    "controls",
    "data",
    "density",
    "energy",
    "fit",
    "flows",
    "graphs",
    "latent",
    "model",
    "nn",
    "plots",
    "study",
    "variational",
)
__all__ = [*_LAZY, "progress"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    if name == "progress":  # dgm_lib.progress() shows your points so far
        return importlib.import_module(f"{__name__}.study").progress
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
