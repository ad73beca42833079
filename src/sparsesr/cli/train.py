"""``sparsesr train``: train a network from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, run_options, shared_options, training_run
from sparsesr.cli.training_extra import require_training_extra


def run(
    recipe: run_options.RecipeName = None,
    folders: run_options.Folders = None,
    validation: run_options.ValidationFolder = None,
    output: run_options.RunFolder = None,
    settings: run_options.Settings = None,
    resume: run_options.Resume = False,
    max_minutes: run_options.MaxMinutes = None,
    finish_within: Annotated[
        float | None,
        typer.Option(
            "--finish-within", metavar="MINUTES", help="Decay the learning rate to finish within this time."
        ),
    ] = None,
    device: run_options.Device = "auto",
    threads: shared_options.Threads = None,
    show: run_options.Show = False,
) -> int:
    """Train a network from a recipe. Ctrl-C saves and stops; --resume resumes from that exact step.

    Several GPUs or machines: torchrun --nproc-per-node N -m sparsesr train RECIPE ...
    """
    options.check_positive("-j", threads)
    from sparsesr.lab.recipes import RECIPES, find_recipe

    changes = folders, validation, settings
    chosen = run_options.chosen_recipe(recipe, "train", RECIPES, find_recipe, changes, show=show)
    if chosen is None:
        return 0
    require_training_extra("train")
    _, status = training_run.train_and_report(
        chosen,
        output or Path("runs") / chosen.network,
        resume=resume,
        max_minutes=max_minutes,
        finish_within=finish_within,
        device=device,
        threads=threads,
    )
    return status
