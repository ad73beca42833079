"""``sparsesr models import``: convert a checkpoint of a known network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli.measure_model import print_costs
from sparsesr.cli.training_extra import require_training_extra


def run(
    file: Annotated[Path, typer.Argument(help="Checkpoint: .pt, .pth or .safetensors.")],
    name: Annotated[str, typer.Option("--name", help="Name for the model.")],
    license: Annotated[str, typer.Option("--license", help="Licence of the weights, if known.")] = "unknown",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace your model of the same name.")
    ] = False,
) -> int:
    """Convert a checkpoint and add it to your models.

    The file is read in a separate process, which executes no code from it.
    """
    require_training_extra("models import")
    from sparsesr.lab.export.importer import import_checkpoint
    from sparsesr.modelfile.spec import scale_words

    entry, model = import_checkpoint(file, name, license=license, overwrite=overwrite)
    facts = model.facts
    print(
        f"{name}: {facts.architecture} {scale_words(model.scales)}, {facts.parameters:,} weights -> {entry.path}"
    )
    print_costs(facts)
    return 0
