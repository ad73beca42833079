"""Jobs of ``sparsesr upscale``: progress of each image, and a line about its result or its failure."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sparsesr.cli import messages
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.progress import progress_bar
from sparsesr.engine.estimate import expected_seconds, planned_macs
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.plan import Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, LimitError, SparsesrError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import located
from sparsesr.jobs.files import FileResult, WriteOptions, upscale_file
from sparsesr.jobs.record import failure_record, record_of
from sparsesr.limits import MEBIBYTE, ImageLimits

_LONG_S, _MINUTES_S = 10.0, 90.0
_LIGHT_MACS = 10**11
_STDIN = "standard input"


@dataclass(frozen=True)
class Job:
    """Options common to all images of a call."""

    effort: float | None
    target_ms: float | None
    write_options: WriteOptions
    as_json: bool
    quiet: bool


@contextmanager
def watching(upscaler: Upscaler, job: Job, source: Path | str) -> Generator[RunOptions, None, None]:
    """Wrap work on one file: announces it, shows progress, and names the file if Ctrl-C interrupts."""
    name, is_silent = printable(source), job.quiet or job.as_json
    announce = None if is_silent else partial(_announce, upscaler, name)
    with (
        naming_interruptions(name),
        interruptible() as cancelled,
        progress_bar(name, quiet=is_silent) as progress,
    ):
        yield RunOptions(job.effort, job.target_ms, on_plan=announce, progress=progress, cancelled=cancelled)


def run_stdin(upscaler: Upscaler, target: Path | None, job: Job) -> int:
    """Upscale an image from standard input to ``target`` or to standard output."""
    if target is None and sys.stdout.isatty():
        raise UsageError(
            "the image would be written to the terminal", remedy="redirect it (> file) or name a file with -o"
        )
    if target is None and job.as_json:
        raise UsageError(
            "--json and the image would both be written to standard output", remedy="name a file with -o"
        )
    data = _read_stdin()
    try:
        with watching(upscaler, job, _STDIN) as options:
            done = upscale_file(upscaler, data, target, options, job.write_options, _STDIN)
    except SparsesrError as error:
        located(error, _STDIN)
        raise
    if target is None:
        sys.stdout.buffer.write(done.upscaled.image)
        sys.stdout.buffer.flush()
    output = "standard output" if target is None else printable(target)
    report(upscaler, done, _STDIN, output, job, to_stderr=target is None)
    return 0


def _read_stdin() -> bytes:
    most = ImageLimits().max_file_bytes
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise LimitError(f"over the limit of {most // MEBIBYTE} MiB for an input", where=_STDIN)
    if not data:
        raise InputError("is empty", where=_STDIN, remedy="pipe an image into it")
    return data


def _announce(upscaler: Upscaler, name: str, plan: Plan, size: tuple[int, int]) -> None:
    """Announce work that will take long, with the reason."""
    messages.warn_of_plan(plan, size)
    macs = planned_macs(upscaler.network, plan, *size)
    if macs < _LIGHT_MACS:
        return
    seconds = expected_seconds(upscaler.network, macs)
    if seconds >= _LONG_S:
        words = f"{seconds / 60:.0f} minutes" if seconds >= _MINUTES_S else f"{seconds:.0f} seconds"
        print(
            f"{name}: about {words} ({plan.mode.value}, {macs / 1e12:.2g} T multiply-adds)", file=sys.stderr
        )


def report_error(error: SparsesrError, source: str, job: Job) -> None:
    """Print why a file failed on one line, with ``--json`` also as a record."""
    if job.as_json:
        messages.print_json(failure_record(error, source, messages.option_of))
    messages.print_error(error)


def report(
    upscaler: Upscaler, done: FileResult, source: str, target: str, job: Job, *, to_stderr: bool = False
) -> None:
    """Print the result for a file."""
    if job.as_json:
        messages.print_json(record_of(upscaler, done, source, target))
    elif not job.quiet:
        stream = sys.stderr if to_stderr else sys.stdout
        print(_sentence(upscaler, done, source, target), file=stream, flush=True)
        for note in done.upscaled.notes:
            print(f"  note: {note}", file=sys.stderr)


def _sentence(upscaler: Upscaler, done: FileResult, source: str, target: str) -> str:
    """One line with sizes, time and work."""
    (height, width), scale, result = done.size, upscaler.scale, done.upscaled
    stats = result.stats
    used = f"density {stats.density:.2f}, {stats.macs / 1e9:.3g} of {stats.macs_dense / 1e9:.3g} GMACs"
    skipped = f"{100 * stats.macs_saved_fraction:.0f} % of the multiply-adds skipped"
    chosen = "" if result.target is None else f", effort {result.target.effort:.2f}"
    if upscaler.network.session.precision != "fp32":
        chosen += f" in {upscaler.network.session.precision}"
    return (
        f"{source} {width}x{height} -> {target} {width * scale}x{height * scale}"
        f" in {result.seconds:.2f} s with {upscaler.network.name}{chosen}: {used}, {skipped}"
    )
