"""One picture of ``sparsesr upscale``: run it, say what was done, or say in one line why not."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sparsesr.cli import messages
from sparsesr.cli.interrupts import interruptible, naming_interruptions
from sparsesr.cli.progress import progress_bar
from sparsesr.engine.estimate import expected_seconds, planned_macs
from sparsesr.engine.execute import RunOptions
from sparsesr.engine.plan import Plan
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import InputError, LimitError, SparsesrError, UsageError
from sparsesr.image.source import printable
from sparsesr.jobs.files import FileResult, Writing, enlarge_file
from sparsesr.limits import MEBIBYTE, ImageLimits

_LONG_S, _MINUTES_S = 10.0, 90.0
_LIGHT_MACS = 10**11


@dataclass(frozen=True)
class Job:
    """What is the same for all pictures of a call."""

    effort: float | None
    target_ms: float | None
    writing: Writing
    as_json: bool
    quiet: bool


@dataclass(frozen=True)
class Outcome:
    """How one picture went."""

    error: SparsesrError | None = None


def run_file(upscaler: Upscaler, source: Path, target: Path, job: Job) -> Outcome:
    """Enlarge one file and report; errors are reported and returned, not raised."""
    name = printable(source)
    try:
        with naming_interruptions(name):
            done = _enlarge(upscaler, source, target, name, job)
    except SparsesrError as error:
        return _report_error(error, name, target, job)
    except MemoryError:
        error = LimitError("not enough memory; lower --memory to work in tiles, or free some")
        return _report_error(error, name, target, job)
    except Exception as error:
        return _report_error(SparsesrError(messages.internal(error)), name, target, job)
    _report(upscaler, done, name, printable(target), job)
    return Outcome()


def run_stdin(upscaler: Upscaler, target: Path | None, job: Job) -> int:
    """Enlarge what comes on standard input, into ``target`` or onto standard output."""
    if target is None and sys.stdout.isatty():
        raise UsageError("the picture would go to the terminal; redirect it (> file) or name a file with -o")
    if target is None and job.as_json:
        raise UsageError("--json and the picture would both go to standard output; name a file with -o")
    most = ImageLimits().max_file_bytes
    data = sys.stdin.buffer.read(most + 1)
    if len(data) > most:
        raise LimitError(f"standard input: over the limit of {most // MEBIBYTE} MiB for an input")
    if not data:
        raise InputError("standard input: is empty; pipe a picture into it")
    try:
        with naming_interruptions("standard input"):
            done = _enlarge(upscaler, data, target, "standard input", job)
    except SparsesrError as error:
        raise type(error)(_with_name(error, "standard input", target)) from error
    if target is None:
        sys.stdout.buffer.write(done.result.image)
        sys.stdout.buffer.flush()
    output = "standard output" if target is None else printable(target)
    _report(upscaler, done, "standard input", output, job, to_stderr=target is None)
    return 0


def _enlarge(
    upscaler: Upscaler, source: Path | bytes, target: Path | None, name: str, job: Job
) -> FileResult:
    with interruptible() as cancelled, progress_bar(name, quiet=job.quiet or job.as_json) as progress:
        announce = None if job.quiet or job.as_json else partial(_announce, upscaler, name)
        options = RunOptions(
            job.effort, job.target_ms, on_plan=announce, progress=progress, cancelled=cancelled
        )
        done = enlarge_file(upscaler, source, target, options, job.writing)
        return done


def _announce(upscaler: Upscaler, name: str, plan: Plan, size: tuple[int, int]) -> None:
    """Say beforehand what will take long, and why."""
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


def _with_name(error: SparsesrError, name: str, target: Path | None) -> str:
    """The message, beginning with the file that it is about."""
    message = str(error).removeprefix("<data>: ")
    known = (name,) if target is None else (name, printable(target))
    return message if message.startswith(known) else f"{name}: {message}"


def _report_error(error: SparsesrError, name: str, target: Path, job: Job) -> Outcome:
    message = _with_name(error, name, target)
    if job.as_json:
        failure = {"code": error.code, "message": message, "exit_status": error.exit_status}
        messages.print_json({"input": name, "error": failure})
    messages.failed(message, error.exit_status)
    return Outcome(error)


def _report(
    upscaler: Upscaler, done: FileResult, source: str, target: str, job: Job, *, to_stderr: bool = False
) -> None:
    if job.as_json:
        messages.print_json(_record(upscaler, done, source, target))
    elif not job.quiet:
        stream = sys.stderr if to_stderr else sys.stdout
        print(_sentence(upscaler, done, source, target), file=stream, flush=True)
        for note in done.result.notes:
            print(f"  note: {note}", file=sys.stderr)


def _sentence(upscaler: Upscaler, done: FileResult, source: str, target: str) -> str:
    """What was done, how long it took, and how much was computed."""
    (height, width), scale, result = done.size, upscaler.scale, done.result
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


def _record(upscaler: Upscaler, done: FileResult, source: str, target: str) -> dict[str, Any]:
    (height, width), result = done.size, done.result
    stats = result.stats
    return {
        "input": source,
        "output": target,
        "width": width,
        "height": height,
        "output_width": width * upscaler.scale,
        "output_height": height * upscaler.scale,
        "model": upscaler.network.name,
        "scale": upscaler.scale,
        "precision": upscaler.network.session.precision,
        "precision_reason": upscaler.network.session.precision_reason,
        "seconds": round(result.seconds, 4),
        "network_seconds": round(stats.total_ms / 1000, 4),
        "effort": result.effort,
        "target": None if result.target is None else asdict(result.target),
        "macs": stats.macs,
        "macs_dense": stats.macs_dense,
        "macs_saved": stats.macs_saved_fraction,
        "density": stats.density,
        "densities": dict(stats.densities),
        "mode": result.plan.mode.value,
        "planned_peak_bytes": result.plan.peak_bytes,
        "tiles": len(result.plan.tiles),
        "deviation": None if result.deviation is None else asdict(result.deviation),
        "notes": result.notes,
    }
