"""``sparsesr train``: train a network from a recipe."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options
from sparsesr.cli.interrupts import interruptible
from sparsesr.cli.messages import print_json
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import UsageError

_INTERRUPTED = 130


def run(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="Name of a recipe, or FILE.py:FUNCTION.")
    ] = None,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER...", help="Folders of training images. [default: the recipe's]"),
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option("--validation", help="Folder of validation images. [default: the recipe's]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the run. [default: runs/NETWORK]")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in the output folder.")] = False,
    max_minutes: Annotated[
        float | None, typer.Option("--max-minutes", help="Save and stop after this time.")
    ] = None,
    finish_within: Annotated[
        float | None,
        typer.Option(
            "--finish-within", metavar="MINUTES", help="Decay the learning rate to finish within this time."
        ),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[
        int | None, typer.Option("-j", "--threads", help="Number of threads. [default: all cores]")
    ] = None,
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
    from sparsesr.lab.train.ending import Ending
    from sparsesr.lab.train.loop import train

    folder = output or Path("runs") / chosen.network
    with interruptible() as should_stop:
        outcome = train(
            chosen,
            folder,
            resume=resume,
            ending=Ending(max_minutes, finish_within, should_stop),
            device=device,
            threads=threads,
            report=_report,
        )
        interrupted = should_stop() and not outcome.finished
    if os.environ.get("RANK", "0") == "0":
        ending = "done" if outcome.finished else "saved; continue with --resume"
        _report(f"{outcome.checkpoint}: step {outcome.step:,} of {outcome.steps:,}, {ending}")
    return _INTERRUPTED if interrupted else 0


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
