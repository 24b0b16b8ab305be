"""Turning a library function into a cell that a student could have written."""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterable
from types import FunctionType, ModuleType
from typing import Any


def cell(function: Callable, name: str, answers: Iterable[Callable]) -> str:
    """Source that defines `function` under `name`, with all that it uses.

    Libraries are imported. The library's `answers` and the checks' own helpers are sealed while a
    notebook is graded, so the cell carries their source, the former as `right_...`.

    Raises:
        ValueError: if the function has no source of its own (a lambda, a closure).
    """
    right = {inspect.unwrap(a): f"right_{a.__name__}" for a in answers}
    main = inspect.unwrap(function)
    writer = _Writer({main: name} if main in right else {**right, main: name})
    writer.write(main)
    return "\n\n\n".join([*sorted(writer.imports), *writer.parts.values()]) + "\n"


class _Writer:
    """Collects definitions, each after those that it needs."""

    def __init__(self, names: dict[Callable, str]):
        self.names = names
        self.imports: set[str] = set()
        self.begun: set[str] = set()
        self.parts: dict[str, str] = {}

    def write(self, function: FunctionType) -> None:
        """Add the definition of a function, unless it is there."""
        name = self.names.get(function, function.__name__)
        if name in self.begun:  # it may call itself
            return
        node = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        if not isinstance(node, ast.FunctionDef) or function.__code__.co_freevars:
            raise ValueError(f"function: got {function!r}; want a plain function")
        node.decorator_list, node.name = [], name
        self._finish(name, node, function.__module__, function.__globals__)

    def _finish(self, name: str, node: ast.AST, module: str, known: dict[str, Any]) -> None:
        self.begun.add(name)
        node = ast.fix_missing_locations(_Rename(known, self.names).visit(node))
        local = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
        used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - local
        for other, right in self.names.items():
            if right in used and right != name:
                self.write(other)
        for word in sorted(used & known.keys() - set(self.names.values()) - {name}):
            self._use(word, module, known)
        self.parts[name] = ast.unparse(node)

    def _use(self, word: str, module: str, known: dict[str, Any]) -> None:
        """Have a global name of a module defined."""
        value = known[word]
        if isinstance(value, ModuleType):
            self.imports.add(f"import {value.__name__} as {word}")
        elif isinstance(value, FunctionType) and value.__module__.startswith("dgm_lib.checks."):
            self.write(inspect.unwrap(value))
        elif (constant := _constant(word, module)) is not None:
            if word not in self.begun:
                self._finish(word, constant, module, known)
        else:
            self.imports.add(f"from {module} import {word}")


def _constant(name: str, module: str) -> ast.stmt | None:
    """The statement by which a module of checks gives a name its value."""
    if not module.startswith("dgm_lib.checks."):
        return None
    for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(t, ast.Name) and t.id == name for t in targets):
            return node
    return None


class _Rename(ast.NodeTransformer):
    """Replaces mentions of certain functions, by name or as a module's attribute."""

    def __init__(self, known: dict[str, Any], names: dict[Callable, str]):
        self.known = known
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._swap(node, self.known.get(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and inspect.ismodule(self.known.get(node.value.id)):
            return self._swap(node, getattr(self.known[node.value.id], node.attr, None))
        self.generic_visit(node)
        return node

    def _swap(self, node: ast.AST, value: Any) -> ast.AST:
        if isinstance(value, FunctionType) and (new := self.names.get(inspect.unwrap(value))):
            return ast.Name(new, ast.Load())
        return node
