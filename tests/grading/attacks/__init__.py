"""Hostile and broken submissions, and odd but right ones: one file each.

Each file starts with a sentence on what it tries, and says what it deserves: points by function,
where a function that is not named deserves all of its points.

    cells/   a file is the source of a solution's cell, `double` unless it says CELL = "..."
    files/   a file has a function `damage(nb, folder, target)` that makes a submission of the right
             notebook: a changed notebook, bytes, or None if all that it hands in is in `folder`

The other answers of the notebook are right. What an attack aims at is in `target`: folders, files,
processes and listeners that its test made. What must never be seen by whoever looks at the grades
is in NEVER; what the attack takes at most, even where nothing stops it, is in BOUNDS.

Nothing in here may be imported: it would run. `ATTACKS` reads it.
"""

import ast
import json
import runpy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

FAKE, REAL = "99_fake", "04_boltzmann"
LEAST_BOUNDS = {"seconds": 10, "processes": 1, "threads": 40, "memory": 1 << 30}
LEAST_BOUNDS |= {"bytes": 16 << 20, "files": 20}


@dataclass(frozen=True)
class Attack:
    """One submission."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    def __str__(self) -> str:
        return self.name

    @property
    def is_cell(self) -> bool:
        return self.path.parent.name == "cells"

    @cached_property
    def _tree(self) -> ast.Module:
        return ast.parse(self.path.read_text())

    @property
    def says(self) -> str:
        """What it tries."""
        return ast.get_docstring(self._tree)

    def _constant(self, name: str, default: Any = None) -> Any:
        """A constant of the file, which is read and not run."""
        for node in self._tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
                return eval(compile(ast.Expression(node.value), str(self.path), "eval"), {})
        return default

    @property
    def unit(self) -> str:
        return self._constant("UNIT", FAKE)

    @property
    def cell(self) -> str:
        return self._constant("CELL", "double")

    @property
    def deserves(self) -> dict[str, float]:
        """The points of the functions that deserve less than all."""
        return self._constant("DESERVES")

    @property
    def never(self) -> list[str]:
        return self._constant("NEVER", [])

    @property
    def bounds(self) -> dict[str, int]:
        return LEAST_BOUNDS | self._constant("BOUNDS", {})

    @property
    def heavy(self) -> bool:
        """Whether it takes so much that it should meet a sandbox only."""
        return bool({"processes", "memory", "bytes", "files"} & self._constant("BOUNDS", {}).keys())

    def source(self, target: dict) -> str:
        """The cell's source, which knows its target."""
        return f"target = {target!r}\n{self.path.read_text()}"

    def hand_in(self, folder: Path, right: bytes, target: dict) -> None:
        """Put the submission into its folder, made from a right one."""
        folder.mkdir(parents=True, exist_ok=True)
        nb = json.loads(right)
        if self.is_cell:
            cell(nb, self.cell)["source"] = self.source(target)
        else:
            module = runpy.run_path(str(self.path), {"cell": cell, "code": code})
            nb = module["damage"](nb, folder, target)
        if nb is not None:
            data = nb if isinstance(nb, bytes) else json.dumps(nb).encode()
            (folder / f"{self.unit}.ipynb").write_bytes(data)


def cell(nb: dict, name: str) -> dict:
    """The notebook's cell with this id."""
    return next(c for c in nb["cells"] if c.get("id") == name)


def code(name: str, source: str) -> dict:
    """A new code cell."""
    kind = {"cell_type": "code", "execution_count": None, "outputs": []}
    return {**kind, "id": name, "metadata": {}, "source": source}


ATTACKS = sorted(map(Attack, Path(__file__).parent.glob("*/*.py")), key=lambda a: (a.unit, a.path))
