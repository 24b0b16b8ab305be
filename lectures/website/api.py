"""The pages of dgm_lib, written from its source text: signatures with shapes, docstrings, papers.

The source is parsed, never imported, so a shape is printed as it was written. A package is a page,
a file a section. The checks of single units stay out: their properties read like an answer key.
"""

import ast
import re
from pathlib import Path

from lectures.website.docstring import to_markdown

TOP = ("model", "fit", "nn", "plots", "validate")  # the rest of the top level follows, by name


class Module:
    """A file of the library: its docstring and what it defines in public."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.doc = ast.get_docstring(self.tree) or ""
        self.exports = _strings(self.tree, "__all__")
        self.is_unit_of_checks = any(
            isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("Unit(")
            for node in self.tree.body
        )

    def public(self) -> list[ast.stmt]:
        kinds = (ast.FunctionDef, ast.ClassDef)
        return [n for n in self.tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


def _strings(tree: ast.Module, name: str) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return [v.value for v in getattr(node.value, "elts", []) if isinstance(v, ast.Constant)]
    return []


def write(library: Path, folder: Path) -> None:
    """Write folder/index.md and a page for each package of the library."""
    folder.mkdir(parents=True)
    packages = sorted(path.parent for path in library.glob("*/__init__.py"))
    loose = {path.stem: path for path in sorted(library.glob("*.py")) if path.stem != "__init__"}
    order = [name for name in TOP if name in loose] + [name for name in loose if name not in TOP]
    modules = {name: Module(f"dgm_lib.{name}", loose[name]) for name in order}
    insides = {
        package.name: [
            Module(f"dgm_lib.{package.name}.{path.stem}", path)
            for path in sorted(package.glob("*.py"))
            if path.stem != "__init__"
        ]
        for package in packages
    }
    heads = {p.name: Module(f"dgm_lib.{p.name}", p / "__init__.py") for p in packages}
    everything = [*modules.values(), *(module for inside in insides.values() for module in inside)]
    classes = {}
    for module in everything:
        for node in module.public():
            if isinstance(node, ast.ClassDef):
                head = heads.get(module.name.split(".")[1])
                node.home = head.name if head and node.name in head.exports else module.name
                classes[node.name] = node
    page = [
        "# The library, `dgm_lib`",
        to_markdown(ast.get_docstring(ast.parse((library / "__init__.py").read_text())) or ""),
        'Shapes are part of each signature: `Float[Tensor, "n d"]` is a tensor of n rows and d '
        "columns, and a letter means the same size throughout a signature. Logarithms are natural, "
        "so log-densities are in nats.",
        "```{toctree}\n:maxdepth: 1\n\n" + "\n".join(insides) + "\n```",
    ]
    for module in modules.values():
        page += section(module, module.name, classes)
    (folder / "index.md").write_text("\n\n".join(page), encoding="utf-8")
    for name, inside in insides.items():
        shown = [module for module in inside if not module.is_unit_of_checks]
        told = to_markdown(heads[name].doc)
        for module in shown:  # the package's list of its files leads to their sections
            file = module.name.split(".")[-1]
            told = told.replace(f"* - `{file}`", f"* - [`{file}`](#{file})")
        page = [f"# `dgm_lib.{name}`", told]
        for module in shown:
            page += section(module, f"dgm_lib.{name}", classes, heads[name].exports)
        (folder / f"{name}.md").write_text("\n\n".join(page), encoding="utf-8")


def section(
    module: Module, importable: str, classes: dict[str, ast.ClassDef], exports: list[str] = ()
) -> list[str]:
    """A file: its docstring, then its functions and classes under the name they are imported by."""
    lines = [f"## {module.name.split('.')[-1]}", to_markdown(module.doc)]
    for node in module.public():
        home = importable if node.name in exports else module.name
        body = class_body(node, classes) if isinstance(node, ast.ClassDef) else docs(node)
        kind = "class" if isinstance(node, ast.ClassDef) else "function"
        options = [f":module: {home}"]
        lines.append(directive(f"py:{kind}", node.name + signature(node), options, body))
    return lines


def directive(name: str, argument: str, options: list[str], body: str) -> str:
    fence = "`" * (max((len(run) for run in _fences(body)), default=2) + 1)
    return "\n".join([f"{fence}{{{name}}} {argument}", *options, "", body, fence])


def _fences(text: str) -> list[str]:
    starts = (line.strip() for line in text.splitlines())
    return [line[: len(line) - len(line.lstrip("`"))] for line in starts if line.startswith("```")]


def docs(node: ast.AST) -> str:
    return to_markdown(ast.get_docstring(node) or "")


def signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """As it was written, without self; a class has that of its constructor or of its fields."""
    if isinstance(node, ast.ClassDef):
        built = next((n for n in node.body if getattr(n, "name", "") == "__init__"), None)
        if built:
            return signature(built).split(" -> ")[0]
        if "dataclass" in " ".join(map(ast.unparse, node.decorator_list)) or any(
            ast.unparse(base) == "NamedTuple" for base in node.bases
        ):
            fields = [ast.unparse(n) for n in node.body if isinstance(n, ast.AnnAssign)]
            return f"({', '.join(fields)})"
        return ""
    decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
    if "property" in decorators:
        return ""
    arguments = node.args
    first = (arguments.posonlyargs or arguments.args or [ast.arg("")])[0]
    if first.arg in ("self", "cls"):
        listed = arguments.posonlyargs or arguments.args
        listed.remove(first)
        text = ast.unparse(arguments)
        listed.insert(0, first)
    else:
        text = ast.unparse(arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    # jaxtyping wants a space before a single size; a reader does not
    return re.sub(r"' (\w+)'", r"'\1'", f"({text}){returns}")


def methods(node: ast.ClassDef) -> dict[str, ast.FunctionDef]:
    return {
        n.name: n
        for n in node.body
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")
    }


def ancestors(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> list[ast.ClassDef]:
    """The classes of the library that it inherits from, the nearest first."""
    found = []
    for base in node.bases:
        name = ast.unparse(base).split("[")[0].split(".")[-1]
        if name in classes and classes[name] is not node:
            found += [classes[name], *ancestors(classes[name], classes)]
    return found


def link(name: str, classes: dict[str, ast.ClassDef], member: str = "") -> str:
    """A reference to a class of the library, or to one of its members; else the bare name."""
    if name not in classes:
        return f"`{name}`"
    target = ".".join(filter(None, [classes[name].home, name, member]))
    return f"{{py:obj}}`{member or name} <{target}>`"


def class_body(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> str:
    bases = ", ".join(link(ast.unparse(base), classes) for base in node.bases)
    parts = [f"*Is a* {bases}." if bases else "", docs(node)]
    own, above = methods(node), ancestors(node, classes)
    for name, method in own.items():
        decorators = {ast.unparse(decorator) for decorator in method.decorator_list}
        kind = "property" if "property" in decorators else "method"
        options = [
            f":{flag}:"
            for flag in ("classmethod", "staticmethod", "abstractmethod")
            if flag in decorators and not (kind == "property" and flag != "abstractmethod")
        ]
        if kind == "property" and method.returns:
            options.append(f":type: {ast.unparse(method.returns)}")
        inherited = (methods(base)[name] for base in above if name in methods(base))
        told = docs(method) or next((text for text in map(docs, inherited) if text), "")
        parts.append(directive(f"py:{kind}", name + signature(method), options, told))
    others = {
        name: base.name for base in reversed(above) for name in methods(base) if name not in own
    }
    if others:
        told = ", ".join(
            f"{link(base, classes, name)} ({link(base, classes)})"
            for name, base in sorted(others.items())
        )
        parts.append(f"*Inherits* {told}.")
    return "\n\n".join(filter(None, parts))
