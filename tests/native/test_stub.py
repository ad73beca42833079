"""The hand-written stub matches the module exactly."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import sparsesr
from sparsesr import _native as native

STUB = ast.parse((Path(sparsesr.__file__).parent / "_native.pyi").read_text())


def arguments_of_docstring(doc: str) -> list[str]:
    """Argument names of the signature that nanobind puts into the first line of a docstring."""
    signature = re.sub(r"\[[^\[\]]*\]", "", doc.splitlines()[0])
    while "[" in signature:
        signature = re.sub(r"\[[^\[\]]*\]", "", signature)
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    return [part.split(":")[0].split("=")[0].strip() for part in inside.split(",") if part.strip()]


def test_stub__has_the_names_of_the_module() -> None:
    stubbed = {node.name for node in STUB.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert stubbed == {name for name in dir(native) if not name.startswith("_")}


def test_stub__functions_have_the_arguments_of_the_module() -> None:
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            expected = [argument.arg for argument in node.args.args]
            found = arguments_of_docstring(str(getattr(native, node.name).__doc__))
            assert [re.sub(r"^arg\d*$", "", name) for name in found] == expected, node.name
            assert len(node.args.defaults) == getattr(native, node.name).__doc__.splitlines()[0].count(" = ")


def test_stub__classes_have_the_members_of_the_module() -> None:
    for node in STUB.body:
        if isinstance(node, ast.ClassDef):
            stubbed = {member.name for member in node.body if isinstance(member, ast.FunctionDef)}
            found = {name for name in dir(getattr(native, node.name)) if not name.startswith("_")}
            assert stubbed - {"__init__"} == found
