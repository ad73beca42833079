"""Writes ``docs/reference.md``: every command, and every public name of the package with what it mentions.

Usage: ``make reference``; with ``--check`` the page is only compared, and a difference is an error.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from command_tables import command_sections
from python_names import Name, member_name, members, mentioned, public_names, string_below

PAGE = Path(__file__).resolve().parents[1] / "reference.md"
GROUPS = {
    "The package": ("sparsesr",),
    "Errors and limits": ("sparsesr.errors", "sparsesr.limits"),
    "Files, batches and pipes": (
        *("sparsesr.jobs.files", "sparsesr.jobs.batch", "sparsesr.jobs.destinations", "sparsesr.jobs.inputs"),
        *("sparsesr.jobs.record", "sparsesr.jobs.frames", "sparsesr.jobs.pipe"),
    ),
    "Videos": ("sparsesr.video.job", "sparsesr.video.containers", "sparsesr.video.report"),
    "Other programs": ("sparsesr.interchange.onnx_model", "sparsesr.interchange.dense_model"),
}
"""Public modules; types that they mention follow in a last group."""
_ANNOTATED_DEFAULT = re.compile(r"(\w: (?:[^,()=\[]|\[[^\]]*\])+)=")
"""``name: type`` before a default, which :func:`ast.unparse` writes without spaces."""
_HEAD = """# Reference

Every command, and every public name. Written by `make reference` from the source. [options.md](options.md) explains the
options of `upscale`, [programs.md](programs.md) the use from other programs.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "## Commands\n", *command_sections()]
    labels: dict[Name, str] = {}
    for title, modules in GROUPS.items():
        names = {name: f"{module}.{name.name}" for module in modules for name in public_names(module)}
        new = {name: label for name, label in names.items() if name not in labels}
        parts += [f"## {title}\n", *(_section(name, label) for name, label in new.items())]
        labels.update(new)
    parts += ["## Types\n", *(_section(name, name.dotted) for name in _mentioned_beyond(labels))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip() + "\n"


def _mentioned_beyond(shown: Iterable[Name]) -> list[Name]:
    """Names that shown names mention, that those mention, and so on, in alphabetical order."""
    known, new = set(shown), set(shown)
    further: set[Name] = set()
    while new:
        new = {each for name in new for each in mentioned(name)} - known
        known |= new
        further |= new
    return sorted(further, key=lambda name: (name.name.lower(), name.module))


def _section(name: Name, label: str) -> str:
    node, head = name.definition, f"### `{label}`\n"
    if isinstance(node, ast.ClassDef):
        bases = [ast.unparse(base) for base in node.bases]
        derives = f"Derives from `{', '.join(bases)}`.\n" if bases else ""
        return "\n".join([head, _prose(name.docstring), derives, *_members(node)])
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        value = ast.unparse(node.value).strip("'") if node.value else ""
        return "\n".join([head, _code(f"{name.name} = {value}"), _prose(name.docstring)])
    return "\n".join([head, _code(_signature(node)), _prose(name.docstring)])


def _members(node: ast.ClassDef) -> Iterator[str]:
    for part in members(node):
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(part) or ""
            label = _signature(part, is_method=True)
        else:
            text, label = string_below(node.body, part), ast.unparse(part)
        yield f"* `{label}`" + (f"\n\n{textwrap.indent(_prose(text), '  ')}" if text else "\n")


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, is_method: bool = False) -> str:
    arguments = _ANNOTATED_DEFAULT.sub(r"\1 = ", ast.unparse(node.args))
    if is_method:
        arguments = re.sub(r"^(self|cls)(, )?", "", arguments)
        if any(ast.unparse(mark) == "property" for mark in node.decorator_list):
            return f"{node.name}: {ast.unparse(node.returns) if node.returns else 'Any'}"
    result = f" -> {ast.unparse(node.returns)}" if node.returns and member_name(node) != "__init__" else ""
    return f"{node.name}({arguments}){result}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def _prose(docstring: str) -> str:
    """A docstring as Markdown: roles and double backquotes become code, and lists of arguments stay lists."""
    text = docstring.strip()
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    text = re.sub(r"^(Args|Raises|Returns|Yields):\n", r"\1:\n\n", text, flags=re.MULTILINE)
    text = re.sub(r"^ {4}(\w+): ", r"* `\1`: ", text, flags=re.MULTILINE)
    return re.sub(r"^ {4,}", "  ", text, flags=re.MULTILINE) + "\n"


def main() -> int:
    """Write or check the page."""
    made = page()
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == made:
            return 0
        print("docs/reference.md is not current; write it again with `make reference`", file=sys.stderr)
        return 1
    PAGE.write_text(made, encoding="utf-8")
    print(f"docs/reference.md: {made.count(chr(10) + '### ')} names and commands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
