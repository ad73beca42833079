"""``sparsesr models measure``: measure the cost of bf16 and int8 for a model and record it in the model file."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.messages import print_json
from sparsesr.measure.precision_cost import PHOTOGRAPHS, with_costs
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.catalogue import ModelEntry
from sparsesr.modelfile.precision_cost import REDUCED_PRECISIONS
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
    threads: shared_options.Threads = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per scale.")] = False,
) -> int:
    """Measure the PSNR lost in bf16 and int8 and record it in the model file, where --precision auto reads it.

    Images are downscaled like MATLAB's imresize and upscaled in each precision; the results are compared with the
    original. int8 is measured for models with scales only (see `models quantize`). Export and import do all of this.
    Bundled models are measured, but not changed.
    """
    options.check_positive("-j", threads)
    entry = catalogue.resolve(model)
    measured = with_costs(catalogue.load(model), data or PHOTOGRAPHS, threads)
    _report(measured, as_json)
    if entry.origin == catalogue.BUNDLED:
        print(f"note: {entry.name} is a bundled model; its file was not changed", file=sys.stderr)
    elif any(map(measured.facts.costs, REDUCED_PRECISIONS)):
        _record(entry, measured)
    return 0


def _report(model: ModelFile, as_json: bool) -> None:
    facts, name = model.facts, model.facts.name
    if not any(map(facts.costs, REDUCED_PRECISIONS)):
        print(f"{name}: no layer can run in bf16 or int8; nothing to record", file=sys.stderr)
    if not as_json:
        return print_costs(facts)
    for precision in REDUCED_PRECISIONS:
        for cost in facts.costs(precision):
            allowed = keeps_quality(precision, cost)
            print_json({"model": name, "precision": precision, **asdict(cost), "auto_may_take_it": allowed})
    return None


def print_costs(facts: Facts) -> None:
    """Print a line for each precision and measured scale."""
    for precision in REDUCED_PRECISIONS:
        for cost in facts.costs(precision):
            print(
                f"{facts.name} x{cost.scale}: {cost.psnr_y_db:.3f} dB in fp32, {cost.mean_db:+.4f} dB lost in"
                f" {precision} (mean); {cost_words(precision, cost)}; measured on {cost.measured_on}"
            )


def _record(entry: ModelEntry, measured: ModelFile) -> None:
    write_model(entry.path, measured.facts, measured.graph, measured.tensors, storage_type(entry))


def storage_type(entry: ModelEntry) -> str:
    """Type in which a file stores all its weights, apart from positions of balanced ones; f32 if there are several."""
    tensors = read_description(entry.path).header.tensors.values()
    stored = {tensor.dtype.lower() for tensor in tensors} & STORAGE_TYPES.keys()
    return stored.pop() if len(stored) == 1 else "f32"
