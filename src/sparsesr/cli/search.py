"""``sparsesr search``: search for an architecture from a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sparsesr.cli import options, run_options, shared_options, training_run
from sparsesr.cli.interrupts import interruptible
from sparsesr.cli.training_extra import require_training_extra


def run(
    recipe: run_options.RecipeName = None,
    folders: run_options.Folders = None,
    validation: run_options.ValidationFolder = None,
    output: run_options.RunFolder = None,
    settings: run_options.Settings = None,
    resume: run_options.Resume = False,
    max_minutes: run_options.MaxMinutes = None,
    measure_latency: Annotated[
        Path | None,
        typer.Option(
            "--measure-latency",
            metavar="FILE",
            help="Only measure the recipe's operations on this machine, and write the table to FILE.",
        ),
    ] = None,
    device: run_options.Device = "auto",
    threads: shared_options.Threads = None,
    show: run_options.Show = False,
) -> int:
    """Search for an architecture from a recipe. Ctrl-C saves and stops; --resume resumes from that exact step.

    The run's folder gets the found genotype (genotype.json), the network with its weights (derived.pt) and, if the
    runtime has all its operations, its model file (derived.safetensors).
    """
    options.check_positive("-j", threads)
    from sparsesr.lab.recipes import SEARCHES, find_search_recipe

    changes = folders, validation, settings
    chosen = run_options.chosen_recipe(recipe, "search", SEARCHES, find_search_recipe, changes, show=show)
    if chosen is None:
        return 0
    require_training_extra("search")
    if measure_latency is not None:
        from sparsesr.lab.search.latency import measure_latency as measured

        measured(chosen, run_options.report).write(measure_latency)
        return 0
    from sparsesr.lab.search.search import search
    from sparsesr.lab.train.ending import Ending

    folder = output or Path("runs") / chosen.network
    run: dict[str, Any] = {"resume": resume, "device": device, "threads": threads}
    with interruptible() as should_stop:
        ending = Ending(max_minutes, should_stop=should_stop)
        outcome = search(chosen, folder, ending=ending, report=run_options.report, **run)
        interrupted = should_stop() and not outcome.run.finished
    training_run.report_end(outcome.run)
    for unit, price in (outcome.prices or {}).items():
        run_options.report(f"{unit}: {price:,.4g}")
    return run_options.INTERRUPTED if interrupted else 0
