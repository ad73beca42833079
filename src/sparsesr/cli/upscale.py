"""``sparsesr upscale``: enlarge files, folders, patterns, or standard input."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sparsesr.cli import options
from sparsesr.cli.upscale_job import Job, Outcome, run_file, run_stdin
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import CancelledError, SparsesrError, UsageError
from sparsesr.image.destination import resolve_format
from sparsesr.jobs.destinations import default_output, refuse_clashes
from sparsesr.jobs.files import Writing
from sparsesr.jobs.inputs import expand, split_stdin

_SOME_FAILED = 3
_STDOUT = "-"


def run(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Files, folders, quoted patterns, or - for standard input."),
    ] = None,
    also: Annotated[list[str] | None, typer.Option("-i", "--input", help="Another input.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", help="File, or folder/, to write.")] = None,
    scale: Annotated[int | None, typer.Option("-s", "--scale", help="How many times larger. [2]")] = None,
    model: Annotated[str | None, typer.Option("-n", "--model", help="Name or .safetensors file.")] = None,
    effort: Annotated[
        float | None, typer.Option(help="How much to compute, 0 to 1; as trained if not given.")
    ] = None,
    target_ms: Annotated[
        float | None, typer.Option("--target-ms", help="Choose the effort that takes so many milliseconds.")
    ] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    memory: Annotated[str, typer.Option(help="Bound of the peak memory.")] = "2GiB",
    inference: Annotated[
        str, typer.Option(help="whole, chopped (into crops), or auto: as the model is meant to be used.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option("-j", "--threads", help="Default: all cores.")] = None,
    recursive: Annotated[bool, typer.Option("-r", "--recursive", help="Folders below folders.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    format: Annotated[str | None, typer.Option("-f", "--format", help="jpg, png, webp or tif.")] = None,
    quality: Annotated[int | None, typer.Option(help="Of JPEG and WebP, 1 to 100. [95]")] = None,
    depth: Annotated[int | None, typer.Option(help="Bits per sample, 8 or 16; as the input's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per file on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing unless it fails.")] = False,
) -> int:
    """Enlarge pictures: photo.jpg becomes photo_x2.jpg beside it."""
    named = [*(inputs or []), *(also or [])]
    if not named:
        raise UsageError("nothing to enlarge; name a picture: sparsesr upscale photo.jpg")
    options.check_precision(precision)
    options.check_effort(effort)
    options.check_target(target_ms, effort)
    options.check_positive("-j", threads)
    _check_written(quality, depth)
    kind = None if format is None else resolve_format(None, format)
    job = Job(effort, target_ms, Writing(overwrite, kind, quality, depth), as_json, quiet)
    is_stdin = split_stdin(named)
    if output == _STDOUT and not is_stdin:
        raise UsageError(
            "-o - (standard output) goes with the input -; write: sparsesr upscale - < photo.jpg"
        )
    files = [] if is_stdin else expand(named, recursive=recursive)
    upscaler = Upscaler(
        model,
        scale=scale,
        threads=threads,
        memory=options.parse_memory(memory),
        inference=inference,
        precision=precision,
    )
    if is_stdin:
        return run_stdin(upscaler, None if output in (None, _STDOUT) else Path(output), job)
    targets = _targets(files, output, upscaler.scale, kind)
    return _run_all(upscaler, targets, job)


def _check_written(quality: int | None, depth: int | None) -> None:
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"--quality must be 1 to 100, not {quality}")
    if depth not in (None, 8, 16):
        raise UsageError(f"--depth must be 8 or 16, not {depth}")


def _targets(
    files: list[tuple[Path, Path]], output: str | None, scale: int, kind: str | None
) -> dict[Path, Path]:
    """Input -> output. ``-o`` is a folder if it is one, ends like one, or several files go there."""
    as_folder = output is not None and (len(files) > 1 or _looks_like_folder(output))
    targets: dict[Path, Path] = {}
    for path, relative in files:
        if output is not None and not as_folder:
            targets[path] = Path(output)
        else:
            folder = None if output is None else Path(output) / relative.parent
            targets[path] = default_output(path, scale, folder=folder, format=kind)
    refuse_clashes(targets)
    if as_folder:
        _make_folders(targets)
    return targets


def _looks_like_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir() or not Path(output).suffix


def _make_folders(targets: dict[Path, Path]) -> None:
    for target in targets.values():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"{target.parent}: cannot be created ({error.strerror}); choose another -o"
            ) from None


@dataclass
class _Tally:
    done: int = 0
    failed: int = 0
    status: int = 0

    def add(self, error: SparsesrError | None) -> None:
        if error is None:
            self.done += 1
            return
        self.failed += 1
        # One status for all: that of the errors if they agree, else "some inputs failed".
        self.status = error.exit_status if self.status in (0, error.exit_status) else _SOME_FAILED


def _run_all(upscaler: Upscaler, targets: dict[Path, Path], job: Job) -> int:
    tally = _Tally()
    for source, target in targets.items():
        outcome: Outcome = run_file(upscaler, source, target, job)
        tally.add(outcome.error)
        if isinstance(outcome.error, CancelledError):
            return outcome.error.exit_status
    if len(targets) > 1 and not job.quiet and not job.as_json:
        print(f"{tally.done} of {len(targets)} pictures enlarged, {tally.failed} failed", file=sys.stderr)
    if tally.failed and tally.done:
        return _SOME_FAILED
    return tally.status
