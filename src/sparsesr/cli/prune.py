"""``sparsesr prune``: keep k weights of every block of a trained network, and fine-tune it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsesr.cli import options, training_run
from sparsesr.cli.measure_model import print_costs
from sparsesr.cli.training_extra import require_training_extra

if TYPE_CHECKING:
    from sparsesr.modelfile.spec import ModelFile

_START = "unpruned.safetensors"


def run(
    source: Annotated[
        str, typer.Argument(metavar="MODEL_OR_CHECKPOINT", help="Model name, model file or checkpoint.")
    ],
    folders: training_run.Folders = None,
    keep: Annotated[
        str, typer.Option("--keep", metavar="K/B", help="Weights kept of every B consecutive inputs.")
    ] = "4/16",
    first_and_last: Annotated[
        bool, typer.Option("--first-and-last", help="Prune the first and the last layer too.")
    ] = False,
    validation: training_run.Validation = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NAME]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the pruned model. [default: like smsr_x2_4of16]")
    ] = None,
    settings: training_run.Settings = None,
    resume: training_run.Resume = False,
    max_minutes: training_run.MaxMinutes = None,
    device: training_run.Device = "auto",
    threads: training_run.Threads = None,
) -> int:
    """Prune a network to K of every B weights, fine-tune it with its masks, and write a checkpoint and a model file.

    Ctrl-C saves and stops; --resume continues from that exact step.
    """
    from sparsesr.lab.sparsity.balance import parse_balance

    options.check_positive("-j", threads)
    balance = parse_balance(keep)
    called = name or f"{Path(source).stem}_{balance.keep}of{balance.block}"
    folder = output or Path("runs") / called
    require_training_extra("prune")
    from sparsesr.lab.recipes.pruned_run import start_or_continue
    from sparsesr.lab.train.overrides import with_overrides

    recipe, start = start_or_continue(
        source, folder, balance, [str(path) for path in folders or ()], settings or (), resume, training_run.report
    )
    recipe = replace(recipe, validation=str(validation or recipe.validation))
    recipe = with_overrides(recipe, settings or ())
    if first_and_last:
        recipe = with_overrides(recipe, ["pruning.first_and_last=true"])
    outcome, status = training_run.train_and_report(
        recipe,
        folder,
        resume=resume,
        max_minutes=max_minutes,
        finish_within=None,
        device=device,
        threads=threads,
    )
    return status
