"""What ``sparsesr upscale`` prints: a line or a JSON record for each file, and a summary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsesr.cli import messages
from sparsesr.cli.tally import Tally
from sparsesr.errors import SparsesrError
from sparsesr.image.source import printable
from sparsesr.jobs.batch import Outcome, Skipped
from sparsesr.jobs.files import FileResult, WriteOptions
from sparsesr.jobs.inputs import Inputs
from sparsesr.jobs.pairing import Pairing
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


def report_beforehand(inputs: Inputs, pairing: Pairing, job: Job) -> Tally:
    """Print what was left out of a batch, and what fails before any work; return the tally so far."""
    tally = Tally(len(pairing.targets) + len(pairing.failures) + len(inputs.problems))
    if not job.quiet:
        for note in pairing.notes:
            messages.say(f"note: {note}", to_stderr=True)
    problems = [(str(problem.where), problem) for problem in inputs.problems]
    for source, error in [*problems, *pairing.failures]:
        tally.add(error)
        report_error(error, source, job)
    return tally


def report_outcome(source: Path, target: Path, outcome: Outcome, job: Job) -> None:
    """Print the outcome for a file of a batch."""
    if isinstance(outcome, FileResult):
        report(record_of(outcome, source, target), source, target, job)
    else:
        report_no_result(source, target, outcome, job)


def report_no_result(source: Path | str, target: Path, outcome: SparsesrError | Skipped, job: Job) -> None:
    """Print why a file of a batch has no result, or needed none."""
    if isinstance(outcome, SparsesrError):
        report_error(outcome, source, job)
    elif job.as_json:
        messages.print_json(skip_record(outcome, source, target))
    elif not job.quiet:
        messages.say(f"{printable(source)}: skipped, {printable(target)} {outcome.reason}")


def report_tally(tally: Tally, job: Job, how_to_go_on: str = "the same command") -> None:
    """Print a summary of several files, and after an interruption how to go on."""
    is_needless = tally.was_cancelled and not (tally.done or tally.skipped)
    if tally.count < _SEVERAL or job.quiet or job.as_json or is_needless:
        return
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    line = f"{tally.done} of {tally.count} images upscaled{skipped}, {tally.failed} failed"
    going_on = f"; {how_to_go_on} upscales the rest" if tally.was_cancelled else ""
    messages.say(line + going_on, to_stderr=True)


def report_error(error: SparsesrError, source: Path | str, job: Job) -> None:
    """Print why a file failed on one line, with ``--json`` also as a record."""
    if job.as_json:
        messages.print_json(failure_record(error, source, messages.option_of))
    messages.print_error(error)


def report(
    record: dict[str, Any], source: Path | str, target: Path | str, job: Job, *, to_stderr: bool = False
) -> None:
    """Print the result for a file, from its JSON record."""
    if job.as_json:
        messages.print_json(record)
    elif not job.quiet:
        messages.say(_sentence(record, printable(source), printable(target)), to_stderr=to_stderr)
        for note in record["notes"]:
            messages.say(f"  note: {note}", to_stderr=True)


def _networks(record: dict[str, Any]) -> str:
    """The networks that ran, with their scales unless there is just one and nothing else happened."""
    passes, precision = record["passes"], record["precision"]
    if not passes:
        return "bicubic"
    reduced = "" if precision == "fp32" else f" in {precision}"
    if len(passes) == 1 and not record["resized"]:
        return f"{passes[0]['model']}{reduced}"
    names = " and ".join(f"{each['model']} (x{each['scale']})" for each in passes) + reduced
    return f"{names}, then bicubic down" if record["resized"] else names


def _sentence(record: dict[str, Any], source: str, target: str) -> str:
    """One line with sizes, time and work."""
    macs, dense = record["macs"] / 1e9, record["macs_dense"] / 1e9
    used = f"density {record['density']:.2f}, {macs:.3g} of {dense:.3g} GMACs"
    skipped = f"{100 * record['macs_saved']:.0f} % of the multiply-adds skipped"
    is_chosen = record["effort"] is not None and (record["target"] or record["budget"])
    chosen = f", effort {record['effort']:.2f}" if is_chosen else ""
    line = (
        f"{source} {record['width']}x{record['height']}"
        f" -> {target} {record['output_width']}x{record['output_height']}"
        f" in {record['seconds']:.2f} s with {_networks(record)}{chosen}"
    )
    return f"{line}: {used}, {skipped}" if record["passes"] else line
