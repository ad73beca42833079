"""``sparsesr upscale``: upscale files, folders, patterns, or standard input."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options
from sparsesr.cli.int8_scales import with_scales_if_needed
from sparsesr.cli.upscale_job import Job, report, report_error, run_stdin, watching
from sparsesr.engine.upscaler import Upscaler, load_model
from sparsesr.errors import CancelledError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Outcome, upscale_files
from sparsesr.jobs.destinations import targets_for
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.inputs import expand
from sparsesr.modelfile.spec import ModelFile

_SOME_FAILED = 3
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
    scale: Annotated[int | None, typer.Option("-s", "--scale", help="Upscaling factor. [default: 2]")] = None,
    model: Annotated[
        str | None, typer.Option("-n", "--model", help="Model name or .safetensors file. [default: bundled]")
    ] = None,
    effort: Annotated[
        float | None, typer.Option(help="Amount of computation, 0 to 1. [default: as trained]")
    ] = None,
    target_ms: Annotated[
        float | None,
        typer.Option("--target-ms", help="Choose the effort that takes this many milliseconds per image."),
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")] = "auto",
    memory: Annotated[str, typer.Option(help="Limit on peak memory.")] = "2GiB",
    inference: Annotated[
        str, typer.Option(help="whole, chopped (into crops), or auto: as the model's authors use it.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("-j", "--threads", help="Number of threads. [default: all cores]")
    ] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Include subfolders.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    format: Annotated[
        str | None, typer.Option("-f", "--format", help="jpg, png, webp or tif. [default: as the input]")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(help="Quality of JPEG and WebP, 1 to 100. [default: 95]")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="Bits per sample, 8 or 16. [default: as the input]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> int:
    """Upscale images: photo.jpg becomes photo_x2.jpg beside it."""
    named = [*(inputs or []), *(also or [])]
    if not named:
        raise UsageError("nothing to upscale", remedy="name an image: sparsesr upscale photo.jpg")
    options.check_precision(precision)
    options.check_effort(effort)
    options.check_target(target_ms, effort)
    options.check_positive("-j", threads)
    job = Job(effort, target_ms, WriteOptions(overwrite, format, quality, depth), as_json, quiet)
    is_stdin = _is_stdin(named)
    if output == _STREAM and not is_stdin:
        raise UsageError(
            "-o - (standard output) needs the input -", remedy="write: sparsesr upscale - < photo.jpg"
        )
    files = [] if is_stdin else expand(named, recursive=recursive)
    upscaler = Upscaler(
        _calibrated(model, scale, threads) if precision == "int8" else model,
        scale=scale,
        threads=threads,
        memory=options.parse_memory(memory),
        inference=inference,
        precision=precision,
    )
    if is_stdin:
        return run_stdin(upscaler, None if output in (None, _STREAM) else Path(output), job)
    targets = targets_for(files, output, upscaler.scale, job.write_options.format)
    return _run_all(upscaler, targets, job)


def _calibrated(model: str | None, scale: int | None, threads: int | None) -> ModelFile:
    return with_scales_if_needed(load_model(model, scale), "int8", threads)


def _is_stdin(named: list[str]) -> bool:
    """True for a single ``-``; UsageError if it is combined with other inputs."""
    if _STREAM in named and len(named) > 1:
        raise UsageError(
            "- (standard input) cannot be combined with other inputs", remedy="run them separately"
        )
    return named == [_STREAM]


@dataclass
class _Tally:
    done: int = 0
    failed: int = 0
    status: int = 0

    def add(self, outcome: Outcome) -> None:
        if isinstance(outcome, FileResult):
            self.done += 1
            return
        self.failed += 1
        # The common status of all errors, or "some inputs failed" if they differ.
        status = outcome.exit_status
        self.status = status if self.status in (0, status) else _SOME_FAILED


def _run_all(upscaler: Upscaler, targets: dict[Path, Path], job: Job) -> int:
    tally = _Tally()
    watch = partial(watching, upscaler, job)
    for source, target, outcome in upscale_files(upscaler, targets, job.write_options, watch):
        tally.add(outcome)
        if isinstance(outcome, FileResult):
            report(upscaler, outcome, printable(source), printable(target), job)
        else:
            report_error(outcome, printable(source), job)
        if isinstance(outcome, CancelledError):
            return outcome.exit_status
    if len(targets) > 1 and not job.quiet and not job.as_json:
        print(f"{tally.done} of {len(targets)} images upscaled, {tally.failed} failed", file=sys.stderr)
    return _SOME_FAILED if tally.failed and tally.done else tally.status
