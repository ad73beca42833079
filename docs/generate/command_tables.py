"""The commands as Markdown: their help texts and a table of options each."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import typer

from sparsesr.cli.verbs import VERBS, Verb


def command_sections() -> Iterator[str]:
    """A section per command, in the order of ``sparsesr --help``."""
    for verb in VERBS:
        for name, each in [(f"{verb.name} {inner.name}", inner) for inner in verb.commands] or [
            (verb.name, verb)
        ]:
            yield _section(name, each)


def _section(name: str, verb: Verb) -> str:
    app = typer.Typer(add_completion=False)
    app.command()(getattr(importlib.import_module(verb.module), verb.function))
    command: Any = typer.main.get_command(app)
    rows = [_row(parameter) for parameter in command.params]
    table = "\n".join(["| argument | meaning |", "|---|---|", *rows]) + "\n" if rows else ""
    return f"### `sparsesr {name}`\n\n{_paragraphs(command.help or verb.summary)}\n\n{table}"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        label = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        label = ", ".join(f"`{name}`" for name in parameter.opts)
    meaning = (parameter.help or "").replace("|", "\\|")
    default = parameter.default
    has_default = default not in (None, False, ()) and "[default" not in meaning and not parameter.required
    note = f" [default: {default}]" if has_default else " (required)" if parameter.required else ""
    return f"| {label} | {meaning}{note} |"


def _paragraphs(text: str) -> str:
    """Help texts are wrapped for terminals; Markdown wraps by itself."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
