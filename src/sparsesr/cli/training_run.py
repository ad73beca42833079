"""A training run on the command line: Ctrl-C, and the line that says how it ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sparsesr.cli.interrupts import interruptible
from sparsesr.cli.run_options import INTERRUPTED, report

if TYPE_CHECKING:
    from sparsesr.lab.train.loop import Outcome
    from sparsesr.lab.train.recipe import Recipe


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

    with interruptible() as should_stop:
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
        report_end(outcome)
    return outcome, INTERRUPTED if interrupted else 0


def report_end(outcome: Outcome) -> None:
    """Say how far a run came, and how it goes on."""
    ending = "done" if outcome.finished else "saved; continue with --resume"
    report(f"{outcome.checkpoint}: step {outcome.step:,} of {outcome.steps:,}, {ending}")


def is_first_process() -> bool:
    """True in the process of a run that reports and writes results."""
    return os.environ.get("RANK", "0") == "0"
