"""Looks for the scratch folders and processes of other submissions, and writes into them."""

import contextlib
import os
from pathlib import Path

DESERVES = {"double": 0}


def double(x):
    others = []
    for folder in (Path.cwd().parent, Path(target["outside"])):
        with contextlib.suppress(OSError):
            others += [p for p in folder.iterdir() if p != Path.cwd() and p.name != "dev"]
    written = 0
    for other in others:
        with contextlib.suppress(OSError):
            (other / "attacked").write_text(str(os.getpid()))
            (other / "attacked").unlink()
            written += 1
    return 2 * x if written else None
