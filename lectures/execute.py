"""Run lectures and store their outputs: `python -m lectures.execute [UNIT ...]`, all by default.

What changes from run to run is not stored: times, and the addresses of controls in a kernel that is
gone. A control without an address is hidden until its cell is run.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config

HERE = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"


def execute(path: Path) -> None:
    """Run one notebook in a fresh kernel, in its folder, and store it in place.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails; the file is left as it was.
    """
    notebook = nbformat.read(path, as_version=4)
    run(notebook, path.parent)
    forget_controls(notebook)
    nbformat.write(notebook, path)


def run(notebook: NotebookNode, folder: Path, *, allow_errors: bool = False) -> None:
    """Run the cells from top to bottom in a fresh kernel that works in `folder`."""
    with tempfile.TemporaryDirectory() as home:
        NotebookClient(
            notebook,
            config=Config(KernelManager={"transport": "ipc", "ip": os.path.join(home, "kernel")}),
            kernel_name="python3",
            timeout=300,
            allow_errors=allow_errors,
            record_timing=False,
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
        ).execute()


def forget_controls(notebook: NotebookNode) -> None:
    """Take the addresses of controls out of the stored outputs."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                output.data[VIEW]["model_id"] = ""


def main(units: list[str]) -> None:
    lectures = [HERE / f"{unit}.ipynb" for unit in units] or sorted(HERE.glob("*.ipynb"))
    if missing := [path.stem for path in lectures if not path.exists()]:
        there = ", ".join(sorted(path.stem for path in HERE.glob("*.ipynb")))
        sys.exit(f"no lecture is called {', '.join(missing)}; there are {there}")
    for path in lectures:
        print(f"{path.stem} ...", end=" ", flush=True)
        start = time.monotonic()
        execute(path)
        print(f"{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
