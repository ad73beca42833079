"""``sparsesr models list|show|verify``."""

from __future__ import annotations

import contextlib
import json
import sys
import textwrap
from typing import Annotated, Any

import typer

from sparsesr.cli.messages import line_of, print_error, print_json
from sparsesr.errors import ModelError
from sparsesr.image.source import printable
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.catalogue import ModelEntry
from sparsesr.modelfile.describe import describe
from sparsesr.modelfile.reader import read_description
from sparsesr.modelfile.spec import ModelFile
from sparsesr.runtime.graph.cost import count_macs
from sparsesr.runtime.graph.receptive_field import halo_px, sees_whole_image

_PAPER_OUTPUT_PX = (720, 1280)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_all(as_json: Json = False) -> int:
    """List the bundled models, then your own."""
    entries = catalogue.list_models()
    rows = [_row(entry) for entry in entries]
    if as_json:
        print_json({"models": rows, "user_folder": str(catalogue.user_models_dir())})
        return 0
    if not rows:
        print("no models yet; add one with `sparsesr models import CHECKPOINT`", file=sys.stderr)
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        scales = ",".join(map(str, row["scales"])) or "?"
        print(f"{row['name']:<{width}}  x{scales:<5}  {row['origin']:<8} {row['description']}")
    return 0


def _row(entry: ModelEntry) -> dict[str, Any]:
    scale, description = entry.scale, entry.description
    scales = () if scale is None else (scale,)
    if scale is None:
        try:
            read = read_description(entry.path)
            scale, scales, description = read.facts.scale, read.scales, read.facts.description
        except ModelError:
            description = f"damaged; see `sparsesr models verify {entry.name}`"
    return {
        "name": entry.name,
        "scale": scale,
        "scales": scales,
        "origin": entry.origin,
        "description": " ".join(description.split()),
        "path": str(entry.path),
    }


def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or .safetensors file.")],
    as_json: Json = False,
) -> int:
    """Show the description of a model, its multiply-adds and its receptive field."""
    entry = catalogue.resolve(model)
    loaded = catalogue.load(model)
    about: dict[str, Any] = describe(loaded)
    about["path"] = str(entry.path)
    for scale in loaded.scales:
        of_scale = "" if len(loaded.scales) == 1 else f"_x{scale}"
        about[f"dense_macs_for_1280x720{of_scale}"] = _macs(loaded.at_scale(scale))
    about["sees_px"] = max(halo_px(loaded.at_scale(scale)) for scale in loaded.scales)
    about["sees_whole_image"] = sees_whole_image(loaded.graph)
    if as_json:
        print_json(about)
        return 0
    searched: dict[str, Any] | None = about["training"].pop("genotype", None)
    for key, value in about.items():
        _print_fact(key.replace("_", " "), value)
    if searched is not None:
        _print_searched(searched)
    return 0


def _print_searched(genotype: dict[str, Any]) -> None:
    """Draw a network that an architecture search found; nothing if the description is damaged."""
    from sparsesr.lab.nn.genotype import genotype_from_json

    with contextlib.suppress(ValueError):
        drawn = genotype_from_json(json.dumps(genotype)).drawn()
        print("searched network:", textwrap.indent(drawn, "  "), sep="\n")


def _macs(model: ModelFile) -> int:
    height, width = (-(-side // model.facts.scale) for side in _PAPER_OUTPUT_PX)
    return count_macs(model, height, width).macs_dense


def _print_fact(key: str, value: Any) -> None:
    """Print a fact on a line, with nested facts indented below it."""
    if isinstance(value, dict):
        print(f"{key}:")
        for name, inner in value.items():  # pyright: ignore[reportUnknownVariableType]
            print(printable(f"  {name}: {_one_line(inner)}"))
    elif value not in ("", []):
        print(printable(f"{key}: {_one_line(value)}"))


def _one_line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return ", ".join(_one_line(inner) for inner in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return f"{value:,}" if type(value) is int and value >= 10_000 else " ".join(str(value).splitlines())


def verify(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Model names or files. [default: all models]"),
    ] = None,
    as_json: Json = False,
) -> int:
    """Read models completely and check every value, and the hashes of bundled models."""
    status = 0
    for entry in [catalogue.resolve(model) for model in models] if models else catalogue.list_models():
        problem = None
        try:
            catalogue.verify(entry)
        except ModelError as error:
            problem = line_of(error)
            status = print_error(ModelError(problem, where=entry.name))
        if as_json:
            print_json({"name": entry.name, "path": str(entry.path), "ok": problem is None, "error": problem})
        elif problem is None:
            print(f"{entry.name}: ok ({entry.path})")
    return status
