"""``sparsesr models measure``: measure the cost of bf16 for a model and record it in the model file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options
from sparsesr.cli.messages import print_json
from sparsesr.measure.precision_cost import PHOTOGRAPHS, with_bf16_costs
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.catalogue import ModelEntry
from sparsesr.modelfile.reader import read_description
from sparsesr.modelfile.spec import Facts, ModelFile
from sparsesr.modelfile.writer import STORAGE_TYPES, write_model
from sparsesr.runtime.precision import cost_words, keeps_quality


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or .safetensors file.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder of HR images. [default: four bundled photographs]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option("-j", "--threads", help="Number of threads. [default: all cores]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per scale.")] = False,
) -> int:
    """Measure the PSNR lost in bf16 and record it in the model file, where --precision auto reads it.

    Images are downscaled like MATLAB's imresize and upscaled in fp32 and in bf16; both results are compared with the
    original. Export and import do this automatically. Bundled models are measured, but not changed.
    """
    options.check_positive("-j", threads)
    entry = catalogue.resolve(model)
    measured = with_bf16_costs(catalogue.load(model), data or PHOTOGRAPHS, threads)
    _report(measured, as_json)
    if entry.origin == catalogue.BUNDLED:
        print(f"note: {entry.name} is a bundled model; its file was not changed", file=sys.stderr)
    elif measured.facts.bf16_costs:
        _record(entry, measured)
    return 0


def _report(model: ModelFile, as_json: bool) -> None:
    costs = model.facts.bf16_costs
    if not costs:
        print(f"{model.facts.name}: no layer can run in bf16; nothing to record", file=sys.stderr)
    for cost in costs if as_json else ():
        print_json({"model": model.facts.name, **asdict(cost), "auto_may_take_it": keeps_quality(cost)})
    if not as_json:
        print_costs(model.facts)


def print_costs(facts: Facts) -> None:
    """Print a line for each measured scale."""
    for cost in facts.bf16_costs:
        print(
            f"{facts.name} x{cost.scale}: {cost.psnr_y_db:.3f} dB in fp32, {cost.mean_db:+.4f} dB lost in bf16"
            f" (mean); {cost_words(cost)}; measured on {cost.measured_on}"
        )


def _record(entry: ModelEntry, measured: ModelFile) -> None:
    """Rewrite the file with its weights in the same type as before."""
    tensors = read_description(entry.path).header.tensors.values()
    stored = {tensor.dtype.lower() for tensor in tensors} & STORAGE_TYPES.keys()
    dtype = stored.pop() if len(stored) == 1 else "f32"
    write_model(entry.path, measured.facts, measured.graph, measured.tensors, dtype)
