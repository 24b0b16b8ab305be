"""Prints the secrets in the environment: its own, and that of the processes around it."""

import contextlib
import os
from pathlib import Path

DESERVES = {}
words = [f"{name}={value}" for name, value in os.environ.items()]
for pid in ("self", target["sentinel"], target["parent"], os.getppid()):
    with contextlib.suppress(OSError):
        words += Path(f"/proc/{pid}/environ").read_text().split("\0")
print(*(word for word in words if "CANARY" in word), sep="\n")


def double(x):
    return 2 * x
