"""``sparsesr prune``: keep k weights of every block of a trained network, and fine-tune it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, run_options, shared_options, training_run
from sparsesr.cli.measure_model import print_costs
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import UsageError
from sparsesr.modelfile.balanced_storage import balanced_weights
from sparsesr.modelfile.catalogue import is_model_name


def run(
    source: Annotated[
        str, typer.Argument(metavar="MODEL_OR_CHECKPOINT", help="Model name, model file or checkpoint.")
    ],
    folders: run_options.Folders = None,
    keep: Annotated[
        str, typer.Option("--keep", metavar="K/B", help="Weights kept of every B consecutive inputs.")
    ] = "4/16",
    first_and_last: Annotated[
        bool, typer.Option("--first-and-last", help="Prune the first and the last layer too.")
    ] = False,
    validation: run_options.ValidationFolder = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NAME]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the pruned model. [default: like smsr_x2_4of16]")
    ] = None,
    settings: run_options.Settings = None,
    resume: run_options.Resume = False,
    max_minutes: run_options.MaxMinutes = None,
    device: run_options.Device = "auto",
    threads: shared_options.Threads = None,
) -> int:
    """Prune a network to K of every B weights, fine-tune it with its masks, and write a checkpoint and a model file.

    Ctrl-C saves and stops; --resume continues from that exact step.
    """
    from sparsesr.lab.sparsity.balance import parse_balance

    options.check_positive("-j", threads)
    balance = parse_balance(keep)
    name = name or f"{Path(source).stem}_{balance.keep}of{balance.block}"
    if not is_model_name(name):
        raise UsageError(f"{name!r} cannot be a model's name", remedy="use --name with a-z 0-9 _ . -")
    folder = output or Path("runs") / name
    given = [*(settings or ()), *(["pruning.first_and_last=true"] if first_and_last else ())]
    require_training_extra("prune")
    from sparsesr.lab.export.balanced_layers import MOST_KEPT
    from sparsesr.lab.recipes.pruned_run import recipe_of_new, recipe_of_resumed

    if balance.density > MOST_KEPT:
        run_options.report(
            f"note: {balance} keeps more than half of the weights: model files store all, and no kernel skips any"
        )
    images = [*map(str, folders or ())]
    if resume and (folder / "checkpoint.pt").exists():
        recipe = recipe_of_resumed(source, folder, balance, images, given)
    else:
        recipe = recipe_of_new(source, folder, balance, images, given, run_options.report)
    outcome, status = training_run.train_and_report(
        replace(recipe, validation=str(validation or recipe.validation)),
        folder,
        resume=resume,
        max_minutes=max_minutes,
        finish_within=None,
        device=device,
        threads=threads,
    )
    if outcome.finished and training_run.is_first_process():
        _write(folder, name)
    return status


def _write(folder: Path, name: str) -> None:
    from sparsesr.lab.recipes.pruned_run import pruned_model
    from sparsesr.modelfile.writer import write_model

    model, path = pruned_model(folder, name), folder / f"{name}.safetensors"
    write_model(path, model.facts, model.graph, model.tensors)
    print(f"{path}: {len(balanced_weights(model.graph))} balanced layers, {path.stat().st_size:,} bytes")
    print_costs(model.facts)
