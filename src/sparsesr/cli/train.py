"""``sparsesr train``: train a network from a recipe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, training_run
from sparsesr.cli.messages import print_json
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import UsageError


def run(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Name of a recipe, or FILE.py:FUNCTION.")
    ] = None,
    folders: training_run.Folders = None,
    validation: training_run.Validation = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NETWORK]")
    ] = None,
    settings: training_run.Settings = None,
    resume: training_run.Resume = False,
    max_minutes: training_run.MaxMinutes = None,
    finish_within: training_run.FinishWithin = None,
    device: training_run.Device = "auto",
    threads: training_run.Threads = None,
    show: Annotated[
        bool, typer.Option("--list", help="List all recipes, or show the settings of RECIPE.")
    ] = False,
) -> int:
    """Train a network from a recipe. Ctrl-C saves and stops; --resume resumes from that exact step.

    Several GPUs or machines: torchrun --nproc-per-node N -m sparsesr train RECIPE ...
    """
    options.check_positive("-j", threads)
    from sparsesr.lab.recipes import RECIPES, find_recipe
    from sparsesr.lab.train.overrides import with_overrides

    if recipe is None:
        if not show:
            raise UsageError("name a recipe", remedy="`sparsesr train --list` lists them")
        print("\n".join(RECIPES))
        return 0
    chosen = find_recipe(recipe)
    if folders:
        chosen = replace(chosen, folders=tuple(map(str, folders)))
    if validation is not None:
        chosen = replace(chosen, validation=str(validation))
    chosen = with_overrides(chosen, settings or ())
    if show:
        from dataclasses import asdict

        print_json(asdict(chosen))
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
