"""A copy of the library without the answers, for the process that runs a student's code.

Where a graded function's reference stands in `dgm_lib`, the copy raises a kind error. Of the checks
it keeps what calls of the unit bring along (classes of arguments), and no expected value, oracle or
misconception. So in the child there is nothing to import, to inspect or to find in memory; and the
library's models run as ever, except through the functions that are being graded.
"""

import ast
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

from grading.course import ROOT

_GRADING = ("__init__", "channel", "child", "confine", "limits", "warden")
"""The modules of this package that the child's side needs."""
_SEALED = (
    "raise RuntimeError(\"dgm_lib's {name} is sealed while yours is graded; "
    'call your own functions")'
)
_CHECK = '''

def check(function):
    """In the notebook this answers at once; here the grader asks, from outside."""
    print(f"{function.__name__}: checked when the notebook is graded")
'''


def seal(checks: str, folder: Path) -> None:
    """Fill an empty folder with what a child imports while the unit of the module `checks` is graded.

    Args:
        checks: the module that holds the unit's checks; "" if no unit is graded.
    """
    library = ROOT / "dgm_lib"
    own = Path(importlib.import_module(checks).__file__) if checks else None
    keep = {library / "checks" / f"{name}.py" for name in _core()}
    for path in library.rglob("*.py"):
        if path.parent != library / "checks" or path in keep:
            _write(folder / path.relative_to(ROOT), path.read_text())
    for name in _GRADING:
        _write(folder / "grading" / f"{name}.py", (ROOT / "grading" / f"{name}.py").read_text())
    if own is None:
        return
    _write(folder / Path(*checks.split(".")).with_suffix(".py"), _strip(own.read_text()))
    for check in importlib.import_module(checks).unit.checks.values():
        for function in check.answers:
            _hide(function, folder)


def _core() -> tuple[str, ...]:
    """The modules of `dgm_lib.checks` that belong to no unit."""
    from dgm_lib.checks import UNITS

    units = {module.rpartition(".")[2] for module in UNITS.values()}
    return tuple(p.stem for p in (ROOT / "dgm_lib/checks").glob("*.py") if p.stem not in units)


def _hide(reference: Callable, folder: Path) -> None:
    """Replace the body of a function in the copy."""
    reference = inspect.unwrap(reference)
    source = Path(inspect.getsourcefile(reference))
    if not source.is_relative_to(ROOT / "dgm_lib"):
        return  # it lies outside the library, where the child sees nothing
    path = folder / source.relative_to(ROOT)
    text = path.read_text()
    node: ast.AST = ast.parse(text)
    for name in reference.__qualname__.split("."):  # a function, or a method of a class
        (node,) = [n for n in node.body if getattr(n, "name", None) == name]
    lines = text.splitlines(keepends=True)
    first = node.body[1 if ast.get_docstring(node) is not None and len(node.body) > 1 else 0]
    indent = " " * first.col_offset
    sealed = f"{indent}{_SEALED.format(name=reference.__name__)}\n"
    path.write_text("".join([*lines[: first.lineno - 1], sealed, *lines[node.end_lineno :]]))


def _strip(text: str) -> str:
    """A unit's checks without properties, oracles and misconceptions: its imports and classes, and
    what these refer to."""
    tree = ast.parse(text)
    named = {name: node for node in tree.body for name in _names(node)}
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    kept = [n for n in tree.body if isinstance(n, ast.ClassDef)]
    for node in kept:  # grows while we look
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        kept += [named[name] for name in sorted(used & named.keys()) if named[name] not in kept]
    body = [node for node in tree.body if node in imports or node in kept]
    return ast.unparse(ast.Module(body, [])) + _CHECK


def _names(node: ast.stmt) -> list[str]:
    """What a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
