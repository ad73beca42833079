"""The documents say what is there: options, verbs, operations, commands, files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparsesr.cli.verbs import VERBS
from sparsesr.modelfile.operations.registry import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def upscale_options() -> set[str]:
    import typer

    from sparsesr.cli.upscale import run

    app = typer.Typer(add_completion=False)
    app.command()(run)
    parameters = typer.main.get_command(app).params
    return {name for parameter in parameters for name in parameter.opts if name.startswith("--")}


def test_the_option_table_is_that_of_upscale() -> None:
    table = text_of("README.md").split("## Options of", 1)[1].split("\n\n", 2)[1]
    written = set(re.findall(r"--[a-z][a-z-]*", "".join(row.split("|")[1] for row in table.splitlines())))
    assert written == upscale_options() | {"--debug"}


def test_verbs_in_the_readme_exist() -> None:
    verbs = {name for verb in VERBS for name in (verb.name, *verb.aliases)}
    used = set(re.findall(r"(?:`|\| |^    )sparsesr ([a-z]+)", text_of("README.md"), re.MULTILINE))
    assert used
    assert used <= verbs


def test_the_table_of_operations_is_complete() -> None:
    table = text_of("ARCHITECTURE.md").split("| op | what it computes |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(OPERATIONS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    used = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text_of(name), re.MULTILINE))
    assert used <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_linked_files_exist(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text_of(name))
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_source_files_exist(name: str) -> None:
    named = re.findall(r"`((?:native|src|benchmarks|recipes|\.ci)/[\w./]+)`", text_of(name))
    examples = {"native/kernels/pixel_shuffle/avx2.cc"}  # is being written in the worked example
    assert not [path for path in named if path not in examples and not (ROOT / path).exists()]
