"""Writes where others would read: the test's folders, the library, the interpreter's packages."""

import contextlib
import os
from pathlib import Path

import dgm_lib

DESERVES = {"double": 0}
ours = (target["outside"], target["root"])
theirs = (Path(dgm_lib.__file__).parent, Path(os.__file__).parent)  # gets a file without a name


def double(x):
    written = 0
    for folder in ours:
        with contextlib.suppress(OSError):
            Path(folder, "attacked").write_text("attacked")
            written += 1
    for folder in theirs:
        with contextlib.suppress(OSError):
            os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))
            written += 1
    return 2 * x if written else None
