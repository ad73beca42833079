"""A training run on the command line: its options, Ctrl-C, and the line that says how it ended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sparsesr.cli.interrupts import interruptible

if TYPE_CHECKING:
    from sparsesr.lab.train.loop import Outcome
    from sparsesr.lab.train.recipe import Recipe

INTERRUPTED = 130

Folders = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FOLDER...", help="Folders of training images. [default: the recipe's]"),
]
Validation = Annotated[
    Path | None, typer.Option("--validation", help="Folder of validation images. [default: the recipe's]")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable."),
]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the run in the output folder.")]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", help="Save and stop after this time.")]
FinishWithin = Annotated[
    float | None,
    typer.Option(
        "--finish-within", metavar="MINUTES", help="Decay the learning rate to finish within this time."
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Threads = Annotated[
    int | None, typer.Option("-j", "--threads", help="Number of threads. [default: all cores]")
]


def train_and_report(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool,
    max_minutes: float | None,
    finish_within: float | None,
    device: str,
    threads: int | None,
) -> tuple[Outcome, int]:
    """Train until the end, a limit or Ctrl-C; returns the outcome and the exit status."""
    from sparsesr.lab.train.ending import Ending
    from sparsesr.lab.train.loop import train

    with interruptible(signal.SIGTERM) as should_stop:
        outcome = train(
            recipe,
            folder,
            resume=resume,
            ending=Ending(max_minutes, finish_within, should_stop),
            device=device,
            threads=threads,
            report=report,
        )
        interrupted = should_stop() and not outcome.finished
    if is_first_process():
        ending = "done" if outcome.finished else "saved; continue with --resume"
        report(f"{outcome.checkpoint}: step {outcome.step:,} of {outcome.steps:,}, {ending}")
    return outcome, INTERRUPTED if interrupted else 0


def is_first_process() -> bool:
    """True in the process of a run that reports and writes results."""
    return os.environ.get("RANK", "0") == "0"


def report(line: str) -> None:
    """Print a progress line on stderr."""
    print(line, file=sys.stderr, flush=True)
