"""Legitimate: keeps its factor in a file of its own folder, and a module beside it."""

import pathlib
import sys
import tempfile

DESERVES = {}
pathlib.Path("my_factor.py").write_text("factor = 2\n")
sys.path.insert(0, "")
from my_factor import factor


def double(x):
    with tempfile.TemporaryFile("w+") as file:
        file.write(str(factor))
        file.seek(0)
        return int(file.read()) * x
