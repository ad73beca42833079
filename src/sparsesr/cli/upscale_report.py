"""What ``sparsesr upscale`` prints: a line or a JSON record for each file, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsesr.cli import messages
from sparsesr.cli.tally import Tally
from sparsesr.engine.result import UpscaleResult
from sparsesr.engine.upscaler import Upscaler
from sparsesr.errors import SparsesrError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Outcome
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.inputs import Inputs
from sparsesr.jobs.record import failure_record, record_of, skip_record

_SEVERAL = 2


@dataclass(frozen=True)
class Job:
    """Options common to all images of a call."""

    effort: float | None
    target_ms: float | None
    write_options: WriteOptions
    as_json: bool
    quiet: bool
    skip_existing: bool = False


def report_problems(inputs: Inputs, job: Job) -> int:
    """Print why there are no files at all; return the exit status."""
    tally = Tally(0)
    for problem in inputs.problems:
        tally.add(problem)
        report_error(problem, str(problem.where), job)
    return tally.exit_status


def report_left_out(notes: list[str], job: Job) -> None:
    """Print what was left out of the inputs."""
    if not job.quiet:
        for note in notes:
            messages.say(f"note: {note}", to_stderr=True)


def report_outcome(upscaler: Upscaler, source: Path, target: Path, outcome: Outcome, job: Job) -> None:
    """Print the outcome for a file of a batch."""
    if isinstance(outcome, FileResult):
        report(upscaler, outcome, source, target, job)
    elif isinstance(outcome, SparsesrError):
        report_error(outcome, source, job)
    elif job.as_json:
        messages.print_json(skip_record(outcome, source, target))
    elif not job.quiet:
        messages.say(f"{printable(source)}: skipped, {printable(target)} {outcome.reason}")


def report_tally(tally: Tally, job: Job) -> None:
    """Print a summary of several files, and after an interruption how to go on."""
    is_needless = tally.was_cancelled and not (tally.done or tally.skipped)
    if tally.count < _SEVERAL or job.quiet or job.as_json or is_needless:
        return
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    line = f"{tally.done} of {tally.count} images upscaled{skipped}, {tally.failed} failed"
    going_on = "; the same command upscales the rest" if tally.was_cancelled else ""
    messages.say(line + going_on, to_stderr=True)


def report_error(error: SparsesrError, source: Path | str, job: Job) -> None:
    """Print why a file failed on one line, with ``--json`` also as a record."""
    if job.as_json:
        messages.print_json(failure_record(error, source, messages.option_of))
    messages.print_error(error)


def report(
    upscaler: Upscaler,
    done: FileResult,
    source: Path | str,
    target: Path | str,
    job: Job,
    *,
    to_stderr: bool = False,
) -> None:
    """Print the result for a file."""
    if job.as_json:
        messages.print_json(record_of(upscaler, done, source, target))
    elif not job.quiet:
        messages.say(_sentence(upscaler, done, printable(source), printable(target)), to_stderr=to_stderr)
        for note in done.upscaled.notes:
            messages.say(f"  note: {note}", to_stderr=True)


def _networks(result: UpscaleResult, precision: str) -> str:
    """The networks that ran, with their scales unless there is just one and nothing else happened."""
    if result.is_bicubic:
        return "bicubic"
    reduced = "" if precision == "fp32" else f" in {precision}"
    if len(result.passes) == 1 and not result.is_resized:
        return f"{result.passes[0].model}{reduced}"
    names = " and ".join(f"{each.model} (x{each.scale})" for each in result.passes) + reduced
    return f"{names}, then bicubic down" if result.is_resized else names


def _sentence(upscaler: Upscaler, done: FileResult, source: str, target: str) -> str:
    """One line with sizes, time and work."""
    (height, width), result = done.size, done.upscaled
    stats = result.stats
    used = f"density {stats.density:.2f}, {stats.macs / 1e9:.3g} of {stats.macs_dense / 1e9:.3g} GMACs"
    skipped = f"{100 * stats.macs_saved_fraction:.0f} % of the multiply-adds skipped"
    is_chosen = result.target is not None or done.share is not None
    chosen = f", effort {result.effort:.2f}" if is_chosen and result.effort is not None else ""
    networks = _networks(result, upscaler.network.session.precision)
    line = (
        f"{source} {width}x{height} -> {target} {result.size[1]}x{result.size[0]}"
        f" in {result.seconds:.2f} s with {networks}{chosen}"
    )
    return line if result.is_bicubic else f"{line}: {used}, {skipped}"
