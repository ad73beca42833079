"""``sparsesr models calibrate``: measure what each effort of a model gains, for budgets, and store it in the file."""

from __future__ import annotations

from typing import Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.measure_model import storage_type
from sparsesr.cli.quantize_model import file_to_write
from sparsesr.measure.gains import with_gain_tables
from sparsesr.measure.precision_cost import PHOTOGRAPHS
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.writer import write_model


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or .safetensors file.")],
    output: shared_options.ChangedModel = None,
    data: shared_options.CalibrationFolder = None,
    overwrite: shared_options.OverwriteModel = False,
    threads: shared_options.Threads = None,
) -> int:
    """Measure what each effort gains on photographs, which upscale --budget needs.

    The weights stay as they are, and so do results for a given effort.
    """
    options.check_positive("-j", threads)
    entry = catalogue.resolve(model)
    target = file_to_write(entry, output, overwrite=overwrite)
    calibrated = with_gain_tables(catalogue.load(model), data or PHOTOGRAPHS, threads)
    facts = calibrated.facts
    write_model(target, facts, calibrated.graph, calibrated.tensors, storage_type(entry))
    for table in facts.gain_tables:
        print(f"{target}: x{table.scale}, {len(table.efforts)} efforts, measured on {table.measured_on}")
    return 0
