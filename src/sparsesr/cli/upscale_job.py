"""Jobs of ``sparsesr upscale``: progress of each image, and images from standard input."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sparsesr.cli import messages
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.progress import duration, progress_bar
from sparsesr.cli.streams import STDIN, STDOUT, check_open, is_terminal, lost_output
from sparsesr.cli.upscale_report import Job, report, report_error, report_no_result
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.plan import Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, LimitError, SparsesrError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import existing, located
from sparsesr.jobs.files import upscale_file
from sparsesr.jobs.record import record_of
from sparsesr.limits import MEBIBYTE, ImageLimits

_STDIN = "standard input"


@contextmanager
def watching(job: Job, source: Path | str) -> Generator[RunOptions, None, None]:
    """Wrap work on one file: announces it, shows progress, and names the file if Ctrl-C interrupts."""
    name, is_silent = printable(source), job.quiet or job.as_json
    warn, announce = (None, None) if is_silent else (messages.warn_of_plan, partial(_announce, name))
    with (
        naming_interruptions(name),
        interruptible() as cancelled,
        progress_bar(name, quiet=is_silent) as progress,
    ):
        yield RunOptions(
            job.effort,
            job.target_ms,
            on_plan=warn,
            on_long_run=announce,
            progress=progress,
            cancelled=cancelled,
        )


def run_stdin(upscaler: Upscaler, target: Path | None, job: Job) -> int:
    """Upscale an image from standard input to ``target`` or to standard output."""
    if target is None:
        check_open(STDOUT, "standard output")
    if target is None and is_terminal(sys.stdout):
        raise UsageError(
            "the image would be written to the terminal", remedy="redirect it (> file) or name a file with -o"
        )
    if target is None and job.as_json:
        raise UsageError(
            "--json and the image would both be written to standard output", remedy="name a file with -o"
        )
    skipped = existing(None, target) if target is not None and job.skip_existing else None
    if skipped is not None and target is not None:
        report_no_result(_STDIN, target, skipped, job)
        return 0
    try:
        data = _read_stdin()
        with watching(job, _STDIN) as options:
            done = upscale_file(upscaler, data, target, options, job.write_options, _STDIN)
    except SparsesrError as error:
        report_error(located(error, _STDIN), _STDIN, job)
        return error.exit_status
    if target is None:
        sys.stdout.buffer.write(done.upscaled.image)
        lost = lost_output()
        if lost is not None:
            raise lost
    output = "standard output" if target is None else target
    report(record_of(done, _STDIN, output), _STDIN, output, job, to_stderr=target is None)
    return 0


def _read_stdin() -> bytes:
    check_open(STDIN, _STDIN)
    most = ImageLimits().max_file_bytes
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise LimitError(f"over the limit of {most // MEBIBYTE} MiB for an input", where=_STDIN)
    if not data:
        raise InputError("is empty", where=_STDIN, remedy="pipe an image into it")
    return data


def _announce(name: str, plan: Plan, seconds: float) -> None:
    """Announce work that will take long, with the reason."""
    messages.say(f"{name}: about {duration(seconds)} ({plan.mode.value})", to_stderr=True)
