"""Public names of modules, read from their source: signatures, docstrings, fields, and the types they mention."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


@dataclass(frozen=True)
class Name:
    """A name, in the module that defines it."""

    module: str
    name: str

    @property
    def dotted(self) -> str:
        """Module and name."""
        return f"{self.module}.{self.name}"

    @property
    def definition(self) -> Definition:
        """Its place in the source."""
        return definitions(self.module)[self.name]

    @property
    def docstring(self) -> str:
        """That of a function or class, or the string below an assignment."""
        if isinstance(self.definition, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return ast.get_docstring(self.definition) or ""
        return string_below(tree(self.module).body, self.definition)


@cache
def tree(module: str) -> ast.Module:
    """The source of a module."""
    path = SOURCE / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def definitions(module: str) -> dict[str, Definition]:
    """Functions, classes and assignments of a module by name."""
    found: dict[str, Definition] = {}
    for node in tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
    return found


@cache
def _imports(module: str) -> dict[str, Name]:
    """Names that a module imports from this package, also those for type checkers only."""
    nodes = (node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom))
    own = (node for node in nodes if (node.module or "").startswith("sparsesr."))
    return {
        alias.asname or alias.name: Name(str(node.module), alias.name) for node in own for alias in node.names
    }


def resolve(module: str, name: str) -> Name | None:
    """Where a name used in a module is defined; None if it is not one of this package."""
    if name in definitions(module):
        return Name(module, name)
    found = _imports(module).get(name)
    return None if found is None else resolve(found.module, found.name)


def public_names(module: str) -> list[Name]:
    """``__all__`` if the module has one, else what it defines without an underscore."""
    listed = definitions(module).get("__all__")
    if isinstance(listed, ast.Assign):
        names = [name for name in ast.literal_eval(listed.value) if not name.startswith("__")]
    else:
        names = [name for name in definitions(module) if not name.startswith("_")]
    return [found for found in (resolve(module, name) for name in names) if found is not None]


def mentioned(name: Name) -> list[Name]:
    """Names of this package in the annotations of a definition, or on the right of an alias."""
    words = " ".join(_annotations(name.definition))
    found = (resolve(name.module, word) for word in re.findall(r"[A-Za-z]\w*", words))
    return [each for each in found if each is not None and not each.name.startswith("_")]


def _annotations(node: Definition) -> Iterator[str]:
    if isinstance(node, ast.ClassDef):
        yield from (ast.unparse(base) for base in node.bases)
        for part in members(node):
            yield from _annotations(part)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        yield from (ast.unparse(each.annotation) for each in arguments if each.annotation)
        yield ast.unparse(node.returns) if node.returns else ""
    elif isinstance(node, ast.AnnAssign):
        yield ast.unparse(node.annotation)
    elif node.value is not None:
        yield ast.unparse(node.value)


def members(node: ast.ClassDef) -> list[Definition]:
    """Public fields, properties and methods; the constructor and calls count."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.AnnAssign, ast.Assign)
    found = [part for part in node.body if isinstance(part, kinds)]
    return [part for part in found if _is_public(member_name(part))]


def member_name(node: Definition) -> str:
    """Name of a field, property or method."""
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.target)
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name


def _is_public(name: str) -> bool:
    return name in ("__init__", "__call__") or not name.startswith("_")


def string_below(body: list[ast.stmt], node: ast.stmt) -> str:
    """The docstring of an assignment, which stands below it."""
    after = body[body.index(node) + 1 :][:1]
    value = after[0].value if after and isinstance(after[0], ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
