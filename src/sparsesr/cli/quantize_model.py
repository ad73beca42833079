"""``sparsesr models quantize``: calibrate a model for int8, measure what int8 costs, and store both in the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.measure_model import print_costs, storage_type
from sparsesr.errors import UsageError
from sparsesr.measure.calibration import with_int8_scales
from sparsesr.measure.precision_cost import PHOTOGRAPHS, with_costs
from sparsesr.modelfile import catalogue
from sparsesr.modelfile.catalogue import ModelEntry
from sparsesr.modelfile.describe import int8_layers
from sparsesr.modelfile.writer import write_model


def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name or .safetensors file.")],
    output: shared_options.ChangedModel = None,
    data: shared_options.CalibrationFolder = None,
    noise_sigma: shared_options.NoiseSigma = 0.0,
    overwrite: shared_options.OverwriteModel = False,
    threads: shared_options.Threads = None,
) -> int:
    """Find the scales that a model needs to run in int8, and measure the PSNR lost in int8.

    The weights stay as they are: in fp32 and bf16 the model computes the same as before.
    """
    options.check_positive("-j", threads)
    options.check_noise_sigma(noise_sigma)
    entry = catalogue.resolve(model)
    target = file_to_write(entry, output, overwrite=overwrite)
    quantised = with_int8_scales(catalogue.load(model), data or PHOTOGRAPHS, threads, noise_sigma)
    quantised = with_costs(quantised, threads=threads, precisions=["int8"])
    write_model(target, quantised.facts, quantised.graph, quantised.tensors, storage_type(entry))
    print(f"{target}: {int8_layers(quantised.graph)} layers can run in int8")
    print_costs(quantised.facts)
    return 0


def file_to_write(entry: ModelEntry, output: Path | None, *, overwrite: bool) -> Path:
    """The file for a changed model: by default its own. UsageError if that may not be written."""
    if output is None:
        if entry.origin == catalogue.BUNDLED:
            raise UsageError(
                f"{entry.name} is a bundled model", remedy="name a file to write: -o FILE.safetensors"
            )
        return entry.path
    if output.suffix != catalogue.SUFFIX:
        raise UsageError(f"model files end in {catalogue.SUFFIX}", where=str(output))
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists", remedy="choose another name or use --overwrite")
    return output
