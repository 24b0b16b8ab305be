"""A task that takes its worker down, once."""

import os
from pathlib import Path


def die_once(path: str) -> str:
    """End the process if `path` does not exist yet, and make it."""
    if not os.path.exists(path):
        Path(path).touch()
        os._exit(1)
    return path
