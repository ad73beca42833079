"""``sparsesr upscale``: upscale files, folders, patterns, or standard input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sparsesr import __version__
from sparsesr.cli import options, shared_options
from sparsesr.cli.budget_option import ArrivingFiles, Refuse, make_budget, ready_for_budget, report_budget
from sparsesr.cli.int8_scales import ready_for
from sparsesr.cli.tally import Tally
from sparsesr.cli.upscale_job import Job, run_stdin, watching
from sparsesr.cli.upscale_report import (
    report_beforehand,
    report_error,
    report_outcome,
    report_problems,
    report_tally,
)
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Arrivals, located, upscale_files
from sparsesr.jobs.batch_budget import BatchBudget
from sparsesr.jobs.files import WriteOptions
from sparsesr.jobs.inputs import Inputs, expand
from sparsesr.jobs.journal import Journal, common_folder, weights_digest
from sparsesr.jobs.local_names import local_name
from sparsesr.jobs.pairing import Pairing, pair
from sparsesr.runtime.precision import adopt_gains, gains, lasting_choice

_STREAM = "-"


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, quoted patterns, or - for standard input."),
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option("-i", "--input", help="Further input; repeatable.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="File or folder/ to write. [default: beside the input]"),
    ] = None,
    scale: shared_options.AnyScale = None,
    width: shared_options.Width = None,
    height: shared_options.Height = None,
    fit: shared_options.Fit = None,
    model: shared_options.Model = None,
    effort: shared_options.Effort = None,
    target_ms: shared_options.TargetMs = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time for all images together, such as 90s, 10min or 1h; chooses each one's effort."
        ),
    ] = None,
    budget_macs: Annotated[
        str | None, typer.Option("--budget-macs", help="Multiply-adds for all images together, such as 5T.")
    ] = None,
    precision: shared_options.Precision = "auto",
    memory: shared_options.Memory = None,
    inference: shared_options.Inference = "auto",
    threads: shared_options.Threads = None,
    recursive: shared_options.Recursive = False,
    overwrite: shared_options.Overwrite = False,
    skip_existing: shared_options.SkipExisting = False,
    format: shared_options.Format = None,
    quality: shared_options.Quality = None,
    depth: shared_options.Depth = None,
    lossless: shared_options.Lossless = False,
    strip: shared_options.Strip = False,
    preserve_time: shared_options.PreserveTime = False,
    as_json: shared_options.AsJson = False,
    quiet: shared_options.Quiet = False,
) -> int:
    """Upscale images: photo.jpg becomes photo_x2.jpg beside it."""
    named = [*(inputs or []), *(also or [])]
    if not named:
        raise UsageError("nothing to upscale", remedy="name an image: sparsesr upscale photo.jpg")
    options.check_precision(precision)
    options.check_effort(effort)
    options.check_target(target_ms, effort)
    options.check_positive("-j", threads)
    limit = make_budget(budget, budget_macs, effort, target_ms)
    write_options = WriteOptions(overwrite, format, quality, depth, lossless, strip, preserve_time)
    job = Job(effort, target_ms, write_options, as_json, quiet, skip_existing)
    is_stdin = _is_stdin(named)
    if is_stdin and preserve_time:
        raise UsageError("--preserve-time needs a file; standard input has no time of modification")
    if output == _STREAM and not is_stdin:
        raise UsageError(
            "-o - (standard output) needs the input -", remedy="write: sparsesr upscale - < photo.jpg"
        )
    if is_stdin and limit is not None:
        raise UsageError("a budget is for files", remedy="for standard input, use --target-ms")
    options.check_existing(overwrite=overwrite, skip_existing=skip_existing)
    output = None if output is None else local_name(output, is_output=True)
    found = Inputs() if is_stdin else expand(named, recursive=recursive, output=output)
    if found.problems and not found.files:
        return report_problems(found, job)
    ready = ready_for(precision, model, threads)
    loaded = partial(
        Upscaler,
        ready if limit is None else ready_for_budget(ready, threads),
        scale=scale,
        width=width,
        height=height,
        fit=options.parse_fit(fit),
        threads=threads,
        memory=options.parse_memory(memory),
        inference=inference,
        precision=precision,
    )
    upscaler = loaded()
    if is_stdin:
        return run_stdin(upscaler, None if output in (None, _STREAM) else Path(output), job)
    again = partial(pair, output=output, label=upscaler.label, format=job.write_options.format)
    pairing = again(found)
    journal = _journal(upscaler, precision, pairing, job, limit)
    if journal is not None and journal.gains != gains():
        # The interrupted batch has chosen the precision: gains that are measured again could choose another.
        adopt_gains(journal.gains)
        upscaler = loaded()
    if limit is None:
        return _run_all(upscaler, found, pairing, job, journal)
    listing = partial(expand, named, recursive=recursive, output=output)
    arriving = partial(ArrivingFiles, found, pairing.targets, listing, again)
    return _run_all(upscaler, found, pairing, job, journal, limit, arriving)


def _is_stdin(named: list[str]) -> bool:
    """True for a single ``-``; UsageError if it is combined with other inputs."""
    if _STREAM in named and len(named) > 1:
        raise UsageError(
            "- (standard input) cannot be combined with other inputs", remedy="run them separately"
        )
    return named == [_STREAM]


def _run_all(
    upscaler: Upscaler,
    inputs: Inputs,
    pairing: Pairing,
    job: Job,
    journal: Journal | None,
    budget: BatchBudget | None = None,
    arriving: Callable[[Refuse], Arrivals] | None = None,
) -> int:
    tally = report_beforehand(inputs, pairing, job)
    watch = partial(watching, job)
    batch = upscale_files(
        upscaler,
        pairing.targets,
        job.write_options,
        watch,
        skip_existing=job.skip_existing,
        journal=journal,
        budget=budget,
        arrivals=None if arriving is None else arriving(partial(_refuse, tally, job)),
    )
    for source, target, outcome in batch:
        tally.count += source not in pairing.targets
        tally.add(outcome)
        report_outcome(source, target, outcome, job)
    report_tally(tally, job)
    if budget is not None:
        report_budget(budget, job)
    return tally.exit_status


def _refuse(tally: Tally, job: Job, source: Path, error: SparsesrError) -> None:
    """Count and report a file that has arrived but has no output."""
    tally.count += 1
    tally.add(error)
    report_error(located(error, printable(source)), source, job)


def _journal(
    upscaler: Upscaler, precision: str, pairing: Pairing, job: Job, budget: BatchBudget | None
) -> Journal | None:
    """A journal for several files; a single one is either done or not."""
    folder = common_folder(pairing.targets.values())
    if folder is None or len(pairing.targets) < 2:
        return None
    made_by = {"weights": weights_digest(upscaler.model), "sparsesr": __version__}
    asked = {**vars(job.write_options), "effort": job.effort, "target": job.target_ms}
    measured = gains()
    settings = {**asked, **upscaler.settings, **lasting_choice(precision, measured), **made_by}
    if budget is not None:
        settings |= {"budget": budget.amount, "unit": budget.unit}
    return Journal(folder, settings, measured)
