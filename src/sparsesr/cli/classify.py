"""``sparsesr classify``: classify small images with early exits."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options, shared_options
from sparsesr.cli.classify_report import print_answers, print_summary
from sparsesr.cli.run_options import report
from sparsesr.cli.training_extra import require_training_extra
from sparsesr.errors import UsageError

_INPUT_STATUS = 3
"""Some images cannot be read."""


def run(
    checkpoint: Annotated[
        Path, typer.Argument(help="Checkpoint of a run of `sparsesr train`, in its folder.")
    ],
    images_in: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IMAGES]",
            help="Folder of images; those in a folder named as a class are checked. Or a batch file of CIFAR-10"
            " (Python version). [default: the run's test images]",
        ),
    ] = None,
    exit: Annotated[
        int | None,
        typer.Option("--exit", metavar="N", help="All images leave at exit N. [default: the last]"),
    ] = None,
    deadline_ms: Annotated[
        float | None,
        typer.Option(
            "--deadline-ms", metavar="MS", help="Each batch leaves at the last exit before this time."
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="MEAN",
            help="Mean cost of an image: multiply-adds (20M) or time (0.5ms). Easy images leave early.",
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Images at once. [default: 1 with --deadline-ms, else 256]")
    ] = None,
    threads: shared_options.Threads = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object per image, then a summary.")
    ] = False,
) -> int:
    """Classify images with a network that has exits, and report accuracy, multiply-adds and time.

    Thresholds for --budget are fitted on the images that training held out.
    """
    options.check_positive("-j", threads)
    options.check_positive("--batch", batch)
    if sum(value is not None for value in (exit, deadline_ms, budget)) > 1:
        raise UsageError("--exit, --deadline-ms and --budget exclude each other", remedy="give one of them")
    mean_cost = options.parse_mean_cost(budget)
    require_training_extra("classify")
    from sparsesr.lab.recipes.classification import Policy, classify, images_to_classify, open_classifier

    classifier = open_classifier(checkpoint, report)
    policy = Policy(exit, deadline_ms, mean_cost, batch or (1 if deadline_ms is not None else 256), threads)
    images, names, is_complete = images_to_classify(classifier, images_in)
    result = classify(classifier, images, policy)
    if as_json:
        print_answers(result, names)
    print_summary(result, as_json=as_json)
    sys.stdout.flush()
    return 0 if is_complete else _INPUT_STATUS
