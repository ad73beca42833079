"""``sparsesr models measure``: what bf16 costs a model, and the record of it in the model's file."""

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
from sparsesr.modelfile.writer import write_model
from sparsesr.runtime.precision import cost_words, keeps_quality


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name or .safetensors file.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of HR pictures of one's own. [four photographs]")
    ] = None,
    threads: Annotated[int | None, typer.Option("-j", "--threads", help="Default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per scale on stdout.")] = False,
) -> int:
    """Measure the PSNR that bf16 costs a model, and record it in its file, where --precision auto looks for it.

    Pictures are shrunk as MATLAB's imresize does and enlarged in fp32 and in bf16, and each result is compared with
    the picture. Export and import do this themselves. Bundled models are measured, but not changed.
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
    """A line for each scale that was measured."""
    for cost in facts.bf16_costs:
        print(
            f"{facts.name} x{cost.scale}: {cost.psnr_y_db:.3f} dB in fp32, {cost.mean_db:+.4f} dB lost in bf16"
            f" (mean); {cost_words(cost)}; measured on {cost.measured_on}"
        )


def _record(entry: ModelEntry, measured: ModelFile) -> None:
    """Write the file anew, weights stored as they were."""
    stored = {tensor.dtype.lower() for tensor in read_description(entry.path).header.tensors.values()}
    dtype = stored.pop() if len(stored) == 1 else "f32"
    write_model(entry.path, measured.facts, measured.graph, measured.tensors, dtype)
