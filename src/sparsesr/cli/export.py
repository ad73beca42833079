"""``sparsesr export``: write a checkpoint of a known network as a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli.measure_model import print_costs
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import UsageError


def run(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint: .pt, .pth or .safetensors.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Model file to write (.safetensors).")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model. [default: the file name of the output]")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of the stored weights: f32 or f16.")] = "f32",
    license: Annotated[str, typer.Option("--license", help="Licence of the weights.")] = "unknown",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> int:
    """Convert a checkpoint to a model file.

    Checks that the runtime computes the same result, and measures the cost of bf16.
    """
    if output.suffix != ".safetensors":
        raise UsageError("model files end in .safetensors", where=str(output))
    if output.exists() and not overwrite:
        raise UsageError(f"{output} exists", remedy="choose another name or use --overwrite")
    if output.exists() and output.samefile(checkpoint):
        raise UsageError(f"{output} is the checkpoint itself", remedy="choose another name")
    require_training_extra("export")
    from sparsesr.lab.export.importer import convert_checkpoint
    from sparsesr.modelfile.spec import scale_words
    from sparsesr.modelfile.writer import write_model

    model = convert_checkpoint(checkpoint, name or output.stem, license=license)
    write_model(output, model.facts, model.graph, model.tensors, dtype)
    facts = model.facts
    print(f"{output}: {facts.architecture} {scale_words(model.scales)}, {facts.parameters:,} weights")
    print_costs(facts)
    return 0
