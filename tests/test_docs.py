"""Documents match the code: options, commands, operations, make targets, files; and they stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sparsesr.cli.verbs import VERBS
from sparsesr.modelfile.operations.registry import OPERATIONS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md"),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)


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
    table = text_of("docs/options.md").split("# Options of", 1)[1].split("\n\n", 2)[1]
    written = set(re.findall(r"--[a-z][a-z-]*", "".join(row.split("|")[1] for row in table.splitlines())))
    assert written == upscale_options() | {"--debug"}


def test_verbs_in_the_readme_exist() -> None:
    verbs = {name for verb in VERBS for name in (verb.name, *verb.aliases)}
    used = set(re.findall(r"(?:`|\| |^    )sparsesr ([a-z]+)", text_of("README.md"), re.MULTILINE))
    assert used
    assert used <= verbs


def test_the_table_of_operations_is_complete() -> None:
    table = text_of("docs/model-file.md").split("| op | result |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(OPERATIONS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_make_targets_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    used = set(re.findall(r"(?:`|^    )make ([a-z-]+)", text_of(name), re.MULTILINE))
    assert used <= targets


@pytest.mark.parametrize("name", DOCUMENTS)
def test_linked_files_exist(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", text_of(name))
    folder = (ROOT / name).parent
    missing = [link for link in links if "://" not in link and not (folder / link).exists()]
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_named_source_files_exist(name: str) -> None:
    named = re.findall(r"`((?:native|src|benchmarks|recipes|\.ci)/[\w./]+)`", text_of(name))
    examples = {"native/kernels/pixel_shuffle/avx2.cc"}  # written in the worked example
    assert not [path for path in named if path not in examples and not (ROOT / path).exists()]


@pytest.mark.parametrize(("name", "limit_bytes"), [("README.md", 8192), ("ARCHITECTURE.md", 10_240)])
def test_entry_documents_are_short(name: str, limit_bytes: int) -> None:
    assert len(text_of(name).encode()) <= limit_bytes


def test_routes_name_existing_files() -> None:
    """Paths in the routes are relative to ``src/sparsesr``; bare names lie in the folder of the file before them."""
    routes = text_of("ARCHITECTURE.md").split("## Three routes", 1)[1]
    known = {path.name for path in (ROOT / "src" / "sparsesr").rglob("*.py")}
    named = re.findall(r"`([\w/]+\.py)`", routes)
    assert len(named) > 30
    assert not [path for path in named if Path(path).name not in known]
    assert not [path for path in named if "/" in path and not (ROOT / "src" / "sparsesr" / path).exists()]
