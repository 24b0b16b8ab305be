"""Turning a library function into a cell that a student could have written."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any


def cell(function: Callable, name: str, reference: Callable) -> str:
    """Source that defines `function` under `name`, and imports what it uses.

    Where it calls the `reference`, the cell carries the reference's own source under another name,
    so the submission stands by itself.

    Raises:
        ValueError: if the function has no source of its own (a lambda, a closure).
    """
    right = f"right_{name}"
    main, uses_reference = _define(function, name, reference, right)
    if function is reference or not uses_reference:
        return main
    return _define(reference, right, reference, right)[0] + "\n\n" + main


def _define(function: Callable, name: str, reference: Callable, right: str) -> tuple[str, bool]:
    function, reference = inspect.unwrap(function), inspect.unwrap(reference)
    node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    if not isinstance(node, ast.FunctionDef) or function.__code__.co_freevars:
        raise ValueError(f"function: got {function!r}; want a plain function")
    node.decorator_list, node.name = [], name
    rename = _Rename(function.__globals__, reference, right)
    node = ast.fix_missing_locations(rename.visit(node))
    local = {arg.arg for arg in ast.walk(node) if isinstance(arg, ast.arg)}
    loaded = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    used = sorted((loaded - local) & function.__globals__.keys() - {right})
    imports = f"from {function.__module__} import {', '.join(used)}\n\n\n" if used else ""
    return imports + ast.unparse(node), rename.found


class _Rename(ast.NodeTransformer):
    """Replaces every mention of the reference, by name or as a module's attribute."""

    def __init__(self, names: dict[str, Any], reference: Callable, right: str):
        self.names = names
        self.reference = reference
        self.right = right
        self.found = False

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._swap(node, self.names.get(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and inspect.ismodule(self.names.get(node.value.id)):
            return self._swap(node, getattr(self.names[node.value.id], node.attr, None))
        self.generic_visit(node)
        return node

    def _swap(self, node: ast.AST, value: Any) -> ast.AST:
        if not callable(value) or inspect.unwrap(value) is not self.reference:
            return node
        self.found = True
        return ast.Name(self.right, ast.Load())
